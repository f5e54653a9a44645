"""Writes rows of text into a Parquet file in batches, so that a large file never lies in memory."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_BATCH = 100_000


def write_rows(rows: Iterable[Sequence[str]], columns: Sequence[str], path: Path) -> int:
    """Writes rows of equal width, `""` as null; returns their number.

    Args:
        rows: the fields of each row, in the order of `columns`.
        columns: unique names.
        path: path of the Parquet file.
    """
    schema = pa.schema([(name, pa.string()) for name in columns])
    written = 0
    with pq.ParquetWriter(path, schema, compression="lz4") as writer:
        for batch in _batches(rows):
            arrays = [pa.array([text or None for text in column], pa.string()) for column in zip(*batch, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            written += len(batch)
    return written


def _batches(rows: Iterable[Sequence[str]]) -> Iterator[list[Sequence[str]]]:
    batch: list[Sequence[str]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
