"""Copies the first part of a long file, so that looking at it takes no longer than at a short one."""

from pathlib import Path

import pyarrow.parquet as pq

from tfrec.sources.csv_layout import open_bytes

_PACKED_BY = 16  # text is packed to no less than this part of its length


def first_bytes(path: Path, target: Path, *, limit: int) -> Path:
    """Returns a text file, or `target`, which becomes a copy of its first whole lines where it is longer.

    Args:
        path: the file, plain or packed.
        target: path of the copy, which is plain.
        limit: bytes of text.
    """
    if path.stat().st_size <= limit // _PACKED_BY:
        return path
    with open_bytes(path) as stream, target.open("wb") as part:
        written = 0
        for block in iter(lambda: stream.read(1 << 22), b""):
            if written + len(block) > limit:
                part.write(block[: block.rfind(b"\n") + 1])
                return target
            written += part.write(block)
    target.unlink()
    return path


def first_rows(path: Path, target: Path, *, rows: int) -> Path:
    """Returns a Parquet file, or `target`, which becomes a copy of its first rows where it has more."""
    whole = pq.ParquetFile(path)
    if whole.metadata.num_rows <= rows:
        return path
    with pq.ParquetWriter(target, whole.schema_arrow) as writer:
        written = 0
        for batch in whole.iter_batches():
            writer.write_batch(batch)
            written += len(batch)
            if written >= rows:
                break
    return target
