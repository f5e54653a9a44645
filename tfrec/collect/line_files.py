"""Reads whole lines of growing files from where an earlier run ended."""

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from tfrec.collect.batches import Position
from tfrec.collect.event_check import LONGEST_LINE
from tfrec.errors import SourceError
from tfrec.sources.csv_layout import open_bytes

BLOCK = 1_000_000
"""Bytes that are read at once."""
ENDINGS = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
"""Of the files in a folder that hold events."""
_HEAD = 1_024


@dataclasses.dataclass(frozen=True)
class Block:
    """Whole lines of a file.

    Attributes:
        lines: their text without its end, and the byte at which each begins; None stands for a line that is too long.
        position: how far the file is read with them.
    """

    lines: list[tuple[int, bytes | None]]
    position: Position


def find_files(places: Sequence[Path]) -> list[Path]:
    """Returns the files that are named, and those of named folders whose ending is one of `ENDINGS`, by name.

    Raises:
        SourceError: there is no such file or folder.
    """
    files: list[Path] = []
    for place in places:
        if place.is_dir():
            files += sorted(path for path in place.iterdir() if path.name.endswith(ENDINGS) and path.is_file())
        elif place.exists():
            files.append(place)
        else:
            raise SourceError(f"There is no file or folder {place}. Name what holds events as lines of JSON.")
    return files


def read_blocks(path: Path, known: Position, *, is_growing: bool) -> Iterator[Block]:
    """Yields the lines of a file that are not known yet.

    A last line without an end is read as soon as it holds JSON, unless the file is still growing: then it waits for the
    rest.

    Args:
        path: the file; `.gz` is unpacked, and positions are those of the text.
        known: how far it was read; a file that begins otherwise or is shorter is another one and read from the start.
        is_growing: someone appends to it.
    """
    with open_bytes(path) as stream:
        start = known.bytes_read if _is_same(stream, known) else 0
        stream.seek(0)
        head = stream.read(_HEAD)
        stream.seek(start)
        rest, skipped = b"", 0  # what has no end yet, and the bytes of it that are not kept as it is too long
        while block := stream.read(BLOCK):
            lines: list[tuple[int, bytes | None]] = []
            if skipped:
                end = block.find(b"\n") + 1
                if not end:
                    skipped += len(block)
                    continue
                lines.append((start, None))
                start += len(rest) + skipped + end
                rest, skipped, block = b"", 0, block[end:]
            content = rest + block
            end = content.rfind(b"\n") + 1
            lines += _numbered(content[:end], start)
            start += end
            rest = content[end:]
            if len(rest) > LONGEST_LINE:
                rest, skipped = rest[:LONGEST_LINE], len(rest) - LONGEST_LINE
            if end or lines:
                yield Block(lines, _position(start, head))
        length = len(rest) + skipped
        if length and not is_growing and (skipped or _is_whole(rest)):
            yield Block([(start, None if skipped else rest)], _position(start + length, head))


def _numbered(content: bytes, start: int) -> list[tuple[int, bytes | None]]:
    numbered: list[tuple[int, bytes | None]] = []
    for line in content.split(b"\n")[:-1]:
        if line and not line.isspace():
            numbered.append((start, line if len(line) <= LONGEST_LINE else None))
        start += len(line) + 1
    return numbered


def _is_whole(line: bytes) -> bool:
    return line.rstrip().endswith(b"}")  # the beginning of an object is never an object


def _position(bytes_read: int, head: bytes) -> Position:
    head = head[: min(bytes_read, _HEAD)]
    return Position(bytes_read, _digest(head), len(head))


def _is_same(stream: IO[bytes], known: Position) -> bool:
    head = stream.read(known.head_bytes)
    if len(head) < known.head_bytes or (known.head_bytes and _digest(head) != known.head):
        return False
    stream.seek(max(0, known.bytes_read - 1))
    return known.bytes_read == 0 or len(stream.read(1)) == 1


def _digest(head: bytes) -> str:
    return hashlib.blake2b(head, digest_size=16).hexdigest()
