"""Reads raw layouts that are not tables, each into one table of text."""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import ibis
import numpy as np
import pandas as pd

from tfrec.errors import SourceError
from tfrec.schema.tables import CATEGORY_SEPARATOR
from tfrec.sources.csv_layout import open_bytes
from tfrec.sources.file_format import ROW, BadLine, FileFormat, StoreTask


def read_baskets_json(paths: Sequence[Path]) -> pd.DataFrame:
    """Returns one row an item of a basket from lines `{"data": {date_n: {"basket": {item: [...]}}}}`, one a shopper.

    The shopper is the line's number, because such files carry no other.

    Returns:
        Text columns `shopper`, `basket` (shopper and key), `date` (`YYYY_MM_DD`), `position` (n of the key), `item`.

    Raises:
        SourceError: a line is not of this form.
    """
    shoppers: list[str] = []
    baskets: list[str] = []
    items: list[str] = []
    keys: list[str] = []
    for path in paths:
        with _text_of(path) as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    for key, entry in json.loads(line)["data"].items():
                        ids = list(entry["basket"])
                        items += ids
                        shoppers += [str(number)] * len(ids)
                        keys += [key] * len(ids)
                        baskets += [f"{number}/{key}"] * len(ids)
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    raise SourceError(
                        f'{path}, line {number}: expected {{"data": {{date_n: {{"basket": {{item: ...}}}}}}}}; '
                        f"{error!r}. Correct `format` in the recipe."
                    ) from error
    key = pd.Series(keys, dtype="str").str.rsplit("_", n=1)
    return pd.DataFrame(
        {"shopper": shoppers, "basket": baskets, "date": key.str[0], "position": key.str[1], "item": items}, dtype="str"
    )


def read_basket_matrix(paths: Sequence[Path]) -> pd.DataFrame:
    """Returns one row a marked cell of a baskets × items matrix of 0 and 1 (first file; the second names the items).

    Returns:
        Text columns `basket` (row, from 1) and `item` (first field of the item's line in the labels file).

    Raises:
        SourceError: there are not two files, or the matrix and the labels do not fit together.
    """
    if len(paths) != 2:
        raise SourceError(f"`basket_matrix` reads two files, the matrix and its labels; the recipe names {len(paths)}.")
    with _text_of(paths[0]) as lines:
        try:
            marks = np.loadtxt(lines, dtype=np.uint8, ndmin=2)  # [baskets, items]
        except ValueError as error:
            raise SourceError(f"{paths[0]} is no matrix of 0 and 1: {error}.") from error
    codes = _fields(paths[1])[0]
    if marks.shape[1] != len(codes):
        raise SourceError(f"{paths[0]} has {marks.shape[1]} columns, but {paths[1]} names {len(codes)} items.")
    basket, item = np.nonzero(marks)
    return pd.DataFrame({"basket": (basket + 1).astype(str), "item": codes.to_numpy()[item]}, dtype="str")


def read_coded_labels(paths: Sequence[Path]) -> pd.DataFrame:
    """Returns items with their category path, from label files (code, tab, name).

    The first file names the items, the others the levels, whose codes are prefixes of the items': item `011`
    lies in `01` of one file and `0` of another.

    Returns:
        Text columns `item`, `name`, `category` (levels from the shortest code on).

    Raises:
        SourceError: an item's code has no prefix in one of the files.
    """
    labels = [_fields(path) for path in paths]
    items = labels[0]
    levels = []
    for path, table in sorted(zip(paths[1:], labels[1:], strict=True), key=lambda pair: len(pair[1][0].iloc[0])):
        width = len(table[0].iloc[0])
        level = items[0].str[:width].map(dict(zip(table[0], table[1], strict=True)))
        if level.isna().any():
            raise SourceError(f"{path} has no entry for the item {items[0][level.isna()].iloc[0]!r}.")
        levels.append(level)
    category = pd.concat(levels, axis=1).agg(CATEGORY_SEPARATOR.join, axis=1) if levels else ""
    return pd.DataFrame({"item": items[0], "name": items[1], "category": category}, dtype="str")


def _special(name: str, read: Callable[[Sequence[Path]], pd.DataFrame]) -> FileFormat:
    def store(task: StoreTask) -> list[BadLine]:
        rows = ibis.memtable(read(task.paths)).mutate(**{ROW: ibis.row_number().cast("int64") + 1})
        task.workspace.store(task.table, rows)
        return []

    return FileFormat(name, (), store, reads_together=True)


SPECIAL_LAYOUTS = (
    _special("baskets_json", read_baskets_json),
    _special("basket_matrix", read_basket_matrix),
    _special("coded_labels", read_coded_labels),
)
"""Formats that a recipe must name."""


def _fields(path: Path) -> pd.DataFrame:
    with _text_of(path) as lines:
        table = pd.DataFrame([line.rstrip("\r\n").split("\t") for line in lines if line.strip()], dtype="str")
    if table.shape[1] < 2:
        raise SourceError(f"{path} must hold a code and a name by a tab on each line.")
    return table


def _text_of(path: Path) -> IO[str]:
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8", errors="replace")
