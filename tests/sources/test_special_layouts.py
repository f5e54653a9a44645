import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tfrec.errors import SourceError
from tfrec.ingest.pictures import read_pictures
from tfrec.sources.special_layouts import read_basket_matrix, read_baskets_json, read_coded_labels


def test_baskets_become_rows(tmp_path: Path) -> None:
    lines = [
        {"customer_id": 0, "data": {"2012_07_12_9": {"basket": {"b": [1], "a": [1]}}}},
        {"customer_id": 0, "data": {"2012_07_13_0": {"basket": {"a": [1]}}}},
    ]
    (tmp_path / "x.json").write_text("\n".join(map(json.dumps, lines)))
    table = read_baskets_json([tmp_path / "x.json"])
    assert table.values.tolist() == [
        ["1", "1/2012_07_12_9", "2012_07_12", "9", "b"],
        ["1", "1/2012_07_12_9", "2012_07_12", "9", "a"],
        ["2", "2/2012_07_13_0", "2012_07_13", "0", "a"],
    ]


def test_matrix_and_labels_become_rows(tmp_path: Path) -> None:
    matrix, labels = tmp_path / "m.gz", tmp_path / "labels"
    matrix.write_bytes(gzip.compress(b"0\t1\t1\n0\t0\t0\n1\t0\t0\n"))
    labels.write_text("011\tsausage\n012\tham\n121\tapple\n")
    assert read_basket_matrix([matrix, labels]).values.tolist() == [["1", "012"], ["1", "121"], ["3", "011"]]
    labels.write_text("011\tsausage\n012\tham\n")
    with pytest.raises(SourceError, match="3 columns"):
        read_basket_matrix([matrix, labels])
    with pytest.raises(SourceError, match="two files"):
        read_basket_matrix([matrix])


def test_codes_give_the_category_path(tmp_path: Path) -> None:
    for name, text in {
        "items": "011\tham\n121\tapple\n",
        "2": "01\tmeat\n12\tfruit\n",
        "1": "0\tfresh\n1\tgreen\n",
    }.items():
        (tmp_path / name).write_text(text)
    table = read_coded_labels([tmp_path / "items", tmp_path / "2", tmp_path / "1"])
    assert table.values.tolist() == [["011", "ham", "fresh > meat"], ["121", "apple", "green > fruit"]]
    (tmp_path / "1").write_text("0\tfresh\n")
    with pytest.raises(SourceError, match="no entry for the item '121'"):
        read_coded_labels([tmp_path / "items", tmp_path / "1"])


@pytest.mark.parametrize(
    ("reader", "content", "words"),
    [
        (read_baskets_json, b'{"data": 3}\n', "line 1"),
        (read_baskets_json, b"no json\n", "line 1"),
        (read_basket_matrix, b"0 x\n", "no matrix"),
        (read_coded_labels, b"alone\n", "a code and a name"),
    ],
    ids=["other form", "no json", "letters", "one field"],
)
def test_other_layout_is_a_clear_error(tmp_path: Path, reader: Callable, content: bytes, words: str) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(SourceError, match=words):
        reader([tmp_path / "x"] * (2 if reader is read_basket_matrix else 1))


def test_pictures_are_read_from_every_form(tmp_path: Path) -> None:
    pictures = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    np.save(tmp_path / "p.npy", pictures)
    np.savez(tmp_path / "p.npz", images=pictures)
    idx = b"\x00\x00\x08\x03" + np.array([2, 3, 4], dtype=">i4").tobytes() + pictures.tobytes()
    (tmp_path / "p-idx3-ubyte").write_bytes(idx)
    (tmp_path / "p.gz").write_bytes(gzip.compress(idx))
    for name in ("p.npy", "p.npz", "p-idx3-ubyte", "p.gz"):
        np.testing.assert_array_equal(read_pictures(tmp_path / name), pictures)


def test_other_pictures_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "float.npy", np.zeros((2, 3, 4)))
    (tmp_path / "text.gz").write_bytes(gzip.compress(b"hello"))
    np.savez(tmp_path / "other.npz", pixels=np.zeros(3))
    for name, words in {"float.npy": "uint8", "text.gz": "idx header", "other.npz": "images"}.items():
        with pytest.raises(SourceError, match=words):
            read_pictures(tmp_path / name)
