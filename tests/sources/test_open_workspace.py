"""Which engines there are, and what Spark needs; no Spark runs here."""

import subprocess
import sys
from pathlib import Path

import ibis
import pytest

from tfrec.errors import ConfigError, EnvironmentSetupError
from tfrec.ingest.prepare import prepare_shop
from tfrec.sources.open_workspace import check_engine, open_workspace


def test_an_unknown_engine_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match="duckdb, spark"):
        check_engine("sparc")


@pytest.mark.parametrize(("missing", "words"), [("pyspark", r"extra `spark`"), ("java", "default-jre-headless")])
def test_what_spark_lacks_is_said_before_anything_is_read(
    missing: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if missing == "pyspark":
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    else:
        monkeypatch.setenv("PATH", "")
        monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(EnvironmentSetupError, match=words):
        prepare_shop(tmp_path / "absent.toml", tmp_path / "out", engine="spark")


def test_preparation_on_duckdb_loads_nothing_of_spark() -> None:
    script = "import sys, tfrec.ingest.prepare, tfrec.cli.prepare; assert 'pyspark' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(
    ("expected", "is_on_disk"), [(10**6, False), (10**9, True)], ids=["fits the memory", "is larger than it"]
)
def test_tables_lie_in_memory_where_it_holds_them(expected: float, is_on_disk: bool, tmp_path: Path) -> None:
    with open_workspace(tmp_path, memory="100MB", expected=expected) as workspace:
        numbers = workspace.store("numbers", ibis.range(1000).unnest().name("n").as_table())
        assert numbers.count().execute() == 1000
        assert (tmp_path / "tables.duckdb").is_file() == is_on_disk
