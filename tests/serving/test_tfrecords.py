"""TFRecord files of many records are read as those of one."""

import random
from pathlib import Path

import pytest

from tests.tfrecords import written
from tfrec.errors import ServingError
from tfrec.serving.tfrecords import as_tfrecord, read_tfrecords

SIZES = (0, 1, 3, 40, 41, 200)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 300])
def test_records_of_any_length_and_number_come_back(tmp_path: Path, count: int):
    rng = random.Random(count)
    records = [rng.randbytes(rng.choice(SIZES)) for _ in range(count)]
    (tmp_path / "file").write_bytes(written(records))
    assert list(read_tfrecords(tmp_path / "file")) == records
    assert b"".join(map(as_tfrecord, records)) == written(records)


@pytest.mark.parametrize("count", [3, 300])
def test_a_changed_byte_ends_the_file_at_its_record(tmp_path: Path, count: int):
    records = [bytes([number % 256]) * 50 for number in range(count)]
    content = bytearray(written(records))
    content[2 * (50 + 16) + 12 + 30] ^= 1
    (tmp_path / "file").write_bytes(content)
    found = read_tfrecords(tmp_path / "file")
    assert [next(found), next(found)] == records[:2]
    with pytest.raises(ServingError, match=f"corrupted record at {2 * (50 + 16)} "):
        next(found)
