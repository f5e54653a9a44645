"""Reads an array of product pictures."""

import gzip
import zipfile
from pathlib import Path

import numpy as np

from tfrec.errors import SourceError

_IDX_UBYTE = b"\x00\x00\x08"  # idx header: two zeros, type 8 = unsigned byte; the next byte is the number of axes


def read_pictures(path: Path) -> np.ndarray:
    """Returns uint8 pictures `[n, H, W]` or `[n, H, W, C]` from `.npy`, `.npz` (array `images`) or idx (also `.gz`).

    Raises:
        SourceError: the file is none of these, or its array has another type or number of axes.
    """
    try:
        pictures = _read_array(path)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise SourceError(f"{path} cannot be read as pictures: {error}. Give a .npy, .npz or idx file.") from error
    if pictures.dtype != np.uint8 or pictures.ndim not in (3, 4):
        raise SourceError(
            f"{path} must hold uint8 [n, H, W] or [n, H, W, C]; it holds {pictures.dtype} {pictures.shape}. "
            "Scale to 0..255 and save it as uint8."
        )
    return pictures


def _read_array(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        return np.load(path, mmap_mode="r")
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return arrays["images"]
    return _read_idx(path)


def _read_idx(path: Path) -> np.ndarray:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if content[:3] != _IDX_UBYTE:
        raise ValueError("the idx header is missing")
    axes = content[3]
    shape = np.frombuffer(content, dtype=">i4", count=axes, offset=4)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * axes).reshape(shape)
