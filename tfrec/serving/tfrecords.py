"""Reads and writes TFRecord files without TensorFlow."""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tfrec.errors import ServingError

_DATA_LOSS = 15
_HEAD = 12  # bytes before a record: its length and the checksum of that
_FEW = 64  # records below which one byte at a time is faster than one byte of all


def read_tfrecords(path: Path) -> Iterator[bytes]:
    """Yields the records of an uncompressed TFRecord file.

    Raises:
        ServingError: DATA_LOSS, it is damaged, or no such file at all; with TF Serving's words for a warm-up file.
    """
    content = path.read_bytes()
    places, is_whole = _frames(content)
    sums = _masked_crc32cs([content[start:end] for start, end in places])
    for (start, end), checksum in zip(places, sums.tolist(), strict=True):
        if struct.unpack("<I", content[end : end + 4])[0] != checksum:
            raise _damaged(path, start - _HEAD)
        yield content[start:end]
    if not is_whole:
        raise _damaged(path, places[-1][1] + 4 if places else 0)


def as_tfrecord(record: bytes) -> bytes:
    """Returns a record as TFRecord files hold it: length (uint64), its masked CRC, the record, its masked CRC."""
    length = struct.pack("<Q", len(record))
    return length + struct.pack("<I", _masked_crc32c(length)) + record + struct.pack("<I", _masked_crc32c(record))


def _crc32c_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc32c_table()


def _frames(content: bytes) -> tuple[list[tuple[int, int]], bool]:
    """Returns start and end of each record, up to the first whose head is damaged, and whether there is none such."""
    places: list[tuple[int, int]] = []
    start = 0
    while start < len(content):
        head = content[start : start + _HEAD]
        length = struct.unpack("<Q", head[:8])[0] if len(head) == _HEAD else 0
        end = start + _HEAD + length
        if len(head) < _HEAD or end + 4 > len(content) or struct.unpack("<I", head[8:])[0] != _masked_crc32c(head[:8]):
            return places, False
        places.append((start + _HEAD, end))
        start = end + 4
    return places, True


def _damaged(path: Path, start: int) -> ServingError:
    return ServingError(
        f"corrupted record at {start} (Is this even a TFRecord file?). Please verify your warmup data is in "
        f"TFRecord format. File: {path}",
        code=_DATA_LOSS,
    )


def _masked_crc32cs(contents: Sequence[bytes]) -> np.ndarray:
    """Returns `_masked_crc32c` of each of `contents` `[n]`.

    The first byte of all, then the second of all, and so on, as long as enough are that long: of a thousand records
    five times as fast as one after another.
    """
    order = np.argsort([-len(content) for content in contents], kind="stable")
    lengths = np.array([len(contents[row]) for row in order], np.int64)
    together = np.frombuffer(b"".join(contents[row] for row in order), np.uint8)
    starts = np.cumsum(lengths) - lengths
    crcs = np.full(len(contents), 0xFFFFFFFF, np.uint32)
    table = np.array(_TABLE, np.uint32)
    common = int(lengths[_FEW - 1]) if len(lengths) >= _FEW else 0  # so far at least `_FEW` reach
    num_left = len(lengths)
    for at in range(common):
        while lengths[num_left - 1] <= at:
            num_left -= 1
        crc = crcs[:num_left]
        crcs[:num_left] = crc >> 8 ^ table[(crc ^ together[starts[:num_left] + at]) & 0xFF]
    masked = np.empty(len(contents), np.uint32)
    for row, state in zip(order.tolist(), crcs.tolist(), strict=True):
        masked[row] = _mask(_crc32c(contents[row][common:], state))
    return masked


def _masked_crc32c(content: bytes) -> int:
    """Returns the CRC-32C of `content`, rotated and offset as TFRecord files store it."""
    return _mask(_crc32c(content, 0xFFFFFFFF))


def _crc32c(content: bytes, crc: int) -> int:
    """Returns the state `crc` of a CRC-32C after the bytes of `content`."""
    for byte in content:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc


def _mask(crc: int) -> int:
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
