"""Answers a Parquet file of queries with slates through the exported SavedModel, without Python TensorFlow.

A query file has `query_id` and columns named as the signature's inputs; a slate file has a row a recommended item.
Queries of like length are answered together, so that padding stays small, and written in the order they came in.
"""

import dataclasses
import os
import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from tfrec.errors import ConfigError, SchemaError, ServingError, SourceError, TfrecError, nearest_hint
from tfrec.publish import check_file, marked_schema, writing
from tfrec.schema.inputs import InputSpec
from tfrec.schema.signatures import SETS, Signature, signature_named
from tfrec.serving.models_config import FALLBACK
from tfrec.serving.servable import Servable

BATCH_SIZE = 128
"""Best of 32 .. 512 on Online Retail with a thread a core (`python -m tests.benchmarks.serving` has single calls)."""
KIND = "slates"
_K = 20
_CHUNK = 8192
"""Queries held at a time; within a chunk they are sorted by length."""
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")
"""Column that pandas adds for a frame whose index is no range; it is passed over."""
_ARROW_TYPES = {"string": pa.string(), "float32": pa.float32(), "int32": pa.int32()}
_BEHAVIOUR = ("recent_event_types", "recent_ages")  # one value each of `recent_item_ids`


@dataclasses.dataclass(frozen=True)
class Throughput:
    """What a run answered.

    Attributes:
        num_queries: answered queries.
        num_rows: recommended items in all.
        seconds: wall time of reading, answering and writing, without loading the servable and its first run.
    """

    num_queries: int
    num_rows: int
    seconds: float

    @property
    def queries_per_second(self) -> float:
        """Queries answered in a second."""
        return self.num_queries / max(self.seconds, 1e-9)


def recommend_file(
    models: Path,
    queries: Path,
    out: Path,
    *,
    signature_name: str,
    k: int | None = None,
    batch_size: int = BATCH_SIZE,
    show_progress: bool = True,
    force: bool = False,
) -> Throughput:
    """Answers every query of a file and writes the slates; `out` appears by rename.

    Args:
        models: folder of servables, whose newest version answers.
        queries: Parquet with a unique `query_id` and columns named as the signature's inputs, lists where they are
            lists. Ids may be numbers (17850.0 is `"17850"`). Null, or a column left out, is the input's default.
        out: Parquet to be written: `query_id`, `rank` (from 1), `item_id`, `score` and the signature's other outputs.
        signature_name: such as `complete_cart`.
        k: items a query, where the queries have no column `k`; None = 20, of a bundle 2.
        batch_size: queries answered together.
        show_progress: a progress bar.
        force: overwrite a file that holds no slates; the queries are never overwritten.

    Raises:
        SourceError: the queries cannot be read, or `out` cannot be written or holds no slates.
        SchemaError: a column is unknown or of a wrong type, or ids are missing or double.
        ServingError: there is no such servable.
    """
    signature = signature_named(signature_name)
    if k is None:
        k = _K if signature.name not in SETS else int(signature.input("k").padding)
    if k < 1 or batch_size < 1:
        raise ConfigError(f"`k` and `batch_size` must be at least 1; got {k} and {batch_size}.")
    inputs = (queries, models)
    check_file(out, KIND, inputs=inputs, force=force)
    file = _open_queries(queries, signature)
    # Batches run side by side, so that one operation needs no threads of its own.
    version = newest_version(models, signature.servable)
    with Servable.load(version, intra_op_threads=1, inter_op_threads=1, is_graph_rewritten=False) as servable:
        servable.call(signature.name, {})  # the first run of a signature sets it up
        began = time.perf_counter()
        num_rows = 0
        total = file.metadata.num_rows
        try:
            schema = marked_schema(_slate_schema(signature, file.schema_arrow.field("query_id").type), KIND)
            with (
                writing(out, KIND, inputs=inputs, force=force) as unfinished,
                pq.ParquetWriter(unfinished, schema) as writer,
                tqdm(
                    total=total, desc=f"{signature.name:<14}", unit="query", disable=None if show_progress else True
                ) as bar,
            ):
                for batch in file.iter_batches(batch_size=_CHUNK):
                    slates = recommend_table(
                        servable, signature, pa.Table.from_batches([batch]), k=k, batch_size=batch_size, bar=bar
                    )
                    writer.write_table(slates.replace_schema_metadata(schema.metadata))
                    num_rows += len(slates)
        except OSError as error:
            if isinstance(error, TfrecError):
                raise
            raise SourceError(f"{out} cannot be written: {error.strerror or error}. Name another place.") from error
        return Throughput(total, num_rows, time.perf_counter() - began)


class Answering(Protocol):
    """What answers a signature: a `Servable`, or graphs of this process."""

    def call(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Returns outputs `[B, k]`; strings as `str`."""
        ...


def recommend_table(
    servable: Answering,
    signature: Signature,
    queries: pa.Table,
    *,
    k: int,
    batch_size: int = BATCH_SIZE,
    bar: tqdm | None = None,
) -> pa.Table:
    """Returns the slates of a table of queries, in the queries' order; see `recommend_file`.

    Raises:
        SchemaError: a column is unknown or of a wrong type.
    """
    _check_columns(queries.schema, signature)
    columns = {
        spec.name: _Column.of(queries[spec.name].combine_chunks(), spec)
        for spec in signature.inputs
        if spec.name in queries.column_names
    }
    _check_behaviour(columns)
    has_k = any(spec.name == "k" for spec in signature.inputs)

    def answer(rows: np.ndarray) -> dict[str, np.ndarray]:
        inputs = {name: column.take(rows) for name, column in columns.items()}
        if has_k:
            asked_k = inputs.get("k", np.full(len(rows), -1, np.int32))
            inputs["k"] = np.where(asked_k < 0, k, asked_k).astype(np.int32)
        if not inputs:  # a batch needs one input that gives its size
            first = signature.inputs[0]
            inputs[first.name] = np.full(len(rows), first.padding, object)
        return _rows_of(servable.call(signature.name, inputs), rows, most=None if has_k else k)

    parts = []
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        for part, size in threads.map(
            lambda rows: (answer(rows), len(rows)), _batches(columns, len(queries), batch_size)
        ):
            parts.append(part)
            if bar is not None:
                bar.update(size)
    return _assemble(queries["query_id"].combine_chunks(), signature, parts)


def has_version(models: Path, servable: str) -> bool:
    """Returns whether a folder of models holds a version of a servable."""
    return bool(_versions_of(models / servable))


def newest_version(models: Path, servable: str) -> Path:
    """Returns the folder of the highest version of a servable.

    Raises:
        ServingError: there is none; says what to run.
    """
    base = models / servable
    versions = _versions_of(base)
    if not versions:
        make = "Publish one: tfrec baseline" if servable == FALLBACK else "Train one first: tfrec train"
        raise ServingError(
            f"There is no servable `{servable}` in {models}: expected {base}/1/saved_model.pb. "
            f"{make} PREPARED --out {models}"
        )
    return max(versions, key=lambda entry: int(entry.name))


def _versions_of(base: Path) -> list[Path]:
    if not base.is_dir():
        return []
    return [entry for entry in base.iterdir() if entry.name.isdigit() and (entry / "saved_model.pb").is_file()]


@dataclasses.dataclass(frozen=True)
class _Column:
    """One input of all queries: values one after the other, and where each query's begin.

    Attributes:
        spec: the input.
        values: `[n]`, objects of `str` for strings.
        starts: `[Q]` position of a query's first value.
        lengths: `[Q]` number of a query's values; 1 for inputs that are no lists.
    """

    spec: InputSpec
    values: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, array: pa.Array, spec: InputSpec) -> "_Column":
        """Returns a Parquet column as an input.

        Raises:
            SchemaError: lists where single values belong or the other way round, or values of another type.
        """
        kind = array.type
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
        if pa.types.is_null(kind):
            is_list = spec.rank == 2
            array = array.cast(pa.list_(pa.string()) if is_list else pa.string())
        if is_list != (spec.rank == 2):
            wanted, came = ("a list", "single values") if spec.rank == 2 else ("a single value", "lists")
            raise SchemaError(f"The column `{spec.name}` must have {wanted} in each row ({spec.meaning}); got {came}.")
        if not is_list:
            size = len(array)
            return cls(spec, _plain_values(array, spec), np.arange(size), np.ones(size, np.int64))
        lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False).astype(np.int64)
        return cls(spec, _plain_values(array.flatten(), spec), np.cumsum(lengths) - lengths, lengths)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Returns the input of some queries, `[b]` or `[b, 1 + n]`: lists begin with the padding value."""
        if self.spec.rank == 1:
            return self.values[rows]
        lengths = self.lengths[rows]
        places = np.arange(int(lengths.max(initial=0)))
        is_inside = places < lengths[:, None]
        padded = np.full((len(rows), 1 + len(places)), self.spec.padding, self.values.dtype)
        padded[:, 1:][is_inside] = self.values[(self.starts[rows][:, None] + places)[is_inside]]
        return padded


def _open_queries(path: Path, signature: Signature) -> pq.ParquetFile:
    """Opens a query file and checks its columns and ids, before anything is loaded."""
    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError:
        raise SourceError(f"There is no file {path}. Give the Parquet file of queries.") from None
    except (OSError, pa.ArrowInvalid) as error:
        raise SourceError(f"{path} cannot be read as Parquet ({error}). Write it with `to_parquet`.") from error
    schema = file.schema_arrow
    double = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if double:
        raise SchemaError(f"{path} has the column {double[0]!r} more than once. Rename or drop one of them.")
    _check_columns(schema, signature)
    ids = file.read(columns=["query_id"])["query_id"]
    if ids.null_count:
        raise SchemaError(f"`query_id` must be given in every row of {path}; {ids.null_count} are null. Number them.")
    if pc.count_distinct(ids).as_py() != len(ids):
        raise SchemaError(f"`query_id` must be unique in {path}: it identifies the slate. Number the queries.")
    return file


def _check_columns(schema: pa.Schema, signature: Signature) -> None:
    names = [spec.name for spec in signature.inputs]
    if "query_id" not in schema.names:
        raise SchemaError(
            f"Queries must have a column `query_id`; there are: {', '.join(schema.names) or 'none'}. "
            "Number the queries."
        )
    for name in schema.names:
        if name not in ("query_id", *names) and not _PANDAS_INDEX.fullmatch(name):
            raise SchemaError(
                f"Signature `{signature.name}` has no input {name!r}.{nearest_hint(name, names)} "
                "Rename the column or leave it out."
            )


def _check_behaviour(columns: dict[str, _Column]) -> None:
    """Checks that event types and ages, where given, are as many as the items that they belong to."""
    items = columns.get("recent_item_ids")
    for name in _BEHAVIOUR:
        if items is None or name not in columns:
            continue
        lengths = columns[name].lengths
        wrong = np.flatnonzero((lengths != items.lengths) & (lengths > 0))
        if len(wrong):
            raise SchemaError(
                f"`{name}` must have one value for each of `recent_item_ids`, or none; row {wrong[0]} has "
                f"{items.lengths[wrong[0]]} items and {lengths[wrong[0]]} values."
            )


def _plain_values(array: pa.Array, spec: InputSpec) -> np.ndarray:
    """Values of the input's dtype; null is the padding (and -1 for `k`, which takes the caller's)."""
    try:
        if spec.dtype == "string":
            return pc.fill_null(_as_text(array), spec.padding).to_numpy(zero_copy_only=False)
        padding = -1 if spec.name == "k" else spec.padding
        typed = pc.fill_null(array.cast(_ARROW_TYPES[spec.dtype], safe=spec.dtype != "float32"), padding)
        return typed.to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SchemaError(f"The column `{spec.name}` must hold {spec.dtype} ({spec.meaning}): {error}.") from error


def _as_text(array: pa.Array) -> pa.Array:
    """Ids as text: 17850, 17850.0 and "17850" are one."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_floating(array.type):
        is_whole = pc.all(pc.equal(pc.floor(array), array)).as_py()
        array = array.cast(pa.int64()) if is_whole is not False else array
    return array.cast(pa.string())


def _batches(columns: dict[str, _Column], size: int, batch_size: int) -> Iterator[np.ndarray]:
    """Returns batches of row numbers, of queries of similar length."""
    lengths = [column.lengths for column in columns.values() if column.spec.rank == 2]
    order = np.lexsort(lengths) if lengths else np.arange(size)
    for start in range(0, size, batch_size):
        yield order[start : start + batch_size]


def _rows_of(outputs: dict[str, np.ndarray], rows: np.ndarray, *, most: int | None) -> dict[str, np.ndarray]:
    """Returns the offered items of a batch, best first, with the query's row number and the rank."""
    if most is not None:  # the caller's own candidates come back in the caller's order
        order = np.argsort(-outputs["scores"], axis=1, kind="stable")[:, :most]
        outputs = {name: np.take_along_axis(column, order, axis=1) for name, column in outputs.items()}
    is_offered = outputs["item_ids"] != ""
    counts = is_offered.sum(axis=1)
    flat = {name: column[is_offered] for name, column in outputs.items()}
    flat["row"] = np.repeat(rows, counts)
    flat["rank"] = (np.cumsum(is_offered, axis=1)[is_offered]).astype(np.int32)
    return flat


def _assemble(query_ids: pa.Array, signature: Signature, parts: list[dict[str, np.ndarray]]) -> pa.Table:
    schema = _slate_schema(signature, query_ids.type)
    if not parts:
        return schema.empty_table()
    row = np.concatenate([part["row"] for part in parts])
    order = np.argsort(row, kind="stable")
    arrays = [query_ids.take(pa.array(row[order]))]
    arrays.append(pa.array(np.concatenate([part["rank"] for part in parts])[order]))
    for spec in signature.outputs:
        values = [part.get(spec.name, _absent(spec.dtype, len(part["row"]))) for part in parts]
        arrays.append(pa.array(np.concatenate(values)[order], _ARROW_TYPES[spec.dtype]))
    return pa.Table.from_arrays(arrays, schema=schema)


def _absent(dtype: str, size: int) -> np.ndarray:
    """Returns nulls for an output that this model lacks: a head without events, or one that older exports have not."""
    return np.full(size, np.nan, np.float32) if dtype == "float32" else np.full(size, None, object)


def _slate_schema(signature: Signature, id_type: pa.DataType) -> pa.Schema:
    renamed = {"item_ids": "item_id", "scores": "score"}
    outputs = [(renamed.get(spec.name, spec.name), _ARROW_TYPES[spec.dtype]) for spec in signature.outputs]
    return pa.schema([("query_id", id_type), ("rank", pa.int32()), *outputs])
