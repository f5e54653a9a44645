"""Whatever bytes a file holds, it becomes rows, reported lines or a clear error: no other exception."""

import gzip
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sources.raw_files import read_raw
from tests.sources.spreadsheets import write_xlsx
from tfrec.errors import SourceError

SOUP = st.one_of(
    st.binary(max_size=60),
    st.text(st.sampled_from(list('ab12,;"{}[]:.\n\r\t \\nul\ufeff\u00fc')), max_size=60).map(
        lambda text: text.encode()
    ),
)


def proper(folder: Path, kind: str) -> bytes:
    path = folder / f"proper.{kind}"
    if kind == "parquet":
        pd.DataFrame({"a": [1, 2], "b": [{"c": 1}, None]}).to_parquet(path)
    elif kind == "xlsx":
        write_xlsx(path, {"s": [["a", "b"], [1, "x"]]})
    elif kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("t.csv", "a,b\n1,2\n")
    elif kind == "csv.zst":
        with pa.CompressedOutputStream(str(path), "zstd") as stream:
            stream.write(b"a,b\n1,2\n" * 50)
    elif kind == "csv.gz":
        path.write_bytes(gzip.compress(b"a,b\n1,2\n" * 50))
    else:
        path.write_text('[{"a": 1, "b": [{"c": 1}]}]' if kind == "json" else '{"a": 1, "b": [{"c": 1}]}\n' * 3)
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["csv.gz", "csv.zst", "jsonl", "json", "parquet", "xlsx", "zip"])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(data=st.data())
def test_no_bytes_end_in_another_exception(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    content = proper(tmp_path, kind)
    way = data.draw(st.sampled_from(["soup", "cut", "changed"]))
    if way == "soup":
        content = data.draw(SOUP)
    elif way == "cut":
        content = content[: data.draw(st.integers(0, len(content)))]
    else:
        changed = bytearray(content)
        for _ in range(data.draw(st.integers(1, 4))):
            changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
        content = bytes(changed)
    (tmp_path / f"t.{kind}").write_bytes(content)
    try:
        read_raw(tmp_path, data.draw(st.sampled_from(["", "a", "a b[].c"])), files=f"t.{kind}")
    except SourceError as error:
        assert str(error)
