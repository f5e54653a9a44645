"""Copies what lies beside the tables: pictures, extra tables, the known truth of a generated shop."""

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from tfrec.errors import RecipeError
from tfrec.ingest.privacy import pseudonyms
from tfrec.schema.tables import as_id


def copy_extras(
    extras: Mapping[str, Path], folder: Path, *, key: bytes | None = None, user_columns: Collection[str] = ()
) -> dict[str, str]:
    """Copies extra tables into `folder/extras`; returns name → path relative to `folder`.

    Args:
        extras: name → file.
        folder: the prepared folder.
        key: secret of the pseudonyms: `user_columns` of csv and Parquet tables are rewritten.
        user_columns: raw columns with user ids.

    Raises:
        RecipeError: pseudonyms are wished, but a table is neither csv nor Parquet.
    """
    copied = {}
    for name, path in extras.items():
        target = folder / "extras" / f"{name}{''.join(path.suffixes)}"
        target.parent.mkdir(exist_ok=True)
        copied[name] = str(target.relative_to(folder))
        if key is None:
            shutil.copyfile(path, target)
        else:
            _copy_under_pseudonyms(path, target, key=key, user_columns=user_columns)
    return copied


def copy_truth(truth: Path | None, folder: Path) -> None:
    """Copies the folder with a generated shop's known truth."""
    if truth is not None:
        shutil.copytree(truth, folder / "truth", copy_function=shutil.copyfile)


def write_pictures(pictures: np.ndarray, folder: Path) -> int:
    """Writes `[n, ...]` pictures as `images.npy`; returns their number."""
    np.save(folder / "images.npy", np.ascontiguousarray(pictures))
    return len(pictures)


def _copy_under_pseudonyms(path: Path, target: Path, *, key: bytes, user_columns: Collection[str]) -> None:
    is_parquet = path.suffix == ".parquet"
    if not is_parquet and ".csv" not in path.suffixes:
        raise RecipeError(
            f"[extras] {path.name} may hold user ids, and only csv and Parquet can be put under pseudonyms. "
            "Leave it out, or convert it."
        )
    table = pd.read_parquet(path) if is_parquet else pd.read_csv(path, dtype="str", keep_default_na=False)
    for name in set(user_columns) & set(table.columns):
        table[name] = pseudonyms(as_id(table[name]), key=key)
    if is_parquet:
        table.to_parquet(target, index=False)
    else:
        table.to_csv(target, index=False)
