import numpy as np
import pandas as pd
import pytest

from tests.evaluation.small_shop import tables
from tfrec.errors import SchemaError, SourceError
from tfrec.evaluation.exchange import read_slate, write_queries
from tfrec.evaluation.metrics import rank_in_slate
from tfrec.evaluation.protocol import cart_completion_cases
from tfrec.schema.signatures import SIGNATURES


@pytest.fixture
def cases():
    past = [("o1", "ann", "2024-01-01", ["a", "b", "c"])]
    orders = [("t1", "ann", "2024-03-01", ["a", "b"]), ("t2", "", "2024-03-02", ["b", "c"])]
    return cart_completion_cases(*tables({"a": "", "b": "", "c": ""}, [*past, *orders]), seed=0)


def test_a_query_file_comes_back_with_inputs_of_the_signature(cases, tmp_path):
    write_queries(cases, tmp_path / "q.parquet")
    queries = pd.read_parquet(tmp_path / "q.parquet")
    assert queries["query_id"].tolist() == ["t1:0", "t2:0"]
    known = {spec.name for spec in SIGNATURES[cases.signature].inputs}
    assert set(queries.columns) - {"query_id"} <= known
    assert all(isinstance(item, str) for cart in queries["cart_item_ids"] for item in cart)


def test_a_slate_file_is_ranked_against_the_cases(cases, tmp_path):
    hidden = cases.item_ids[cases.truths[:, 0]]
    rows = [("t2:0", 2, hidden[1], 0.5), ("t2:0", 1, "elsewhere", 0.9), ("t1:0", 1, hidden[0], 0.7)]
    pd.DataFrame(rows, columns=["query_id", "rank", "item_id", "score"]).to_parquet(tmp_path / "s.parquet")
    slate = read_slate(tmp_path / "s.parquet", cases)
    assert slate.item_ids.tolist() == [[hidden[0], ""], ["elsewhere", hidden[1]]]
    assert rank_in_slate(slate, cases).ranks[:, 0].tolist() == [1, 1]


def test_a_query_without_items_is_a_miss(cases, tmp_path):
    empty = {"query_id": [], "rank": [], "item_id": [], "score": []}
    pd.DataFrame(empty).to_parquet(tmp_path / "s.parquet")
    assert np.isinf(rank_in_slate(read_slate(tmp_path / "s.parquet", cases), cases).ranks).all()


def test_bad_slate_files_say_what_to_do(cases, tmp_path):
    path = tmp_path / "s.parquet"
    with pytest.raises(SourceError, match="tfrec recommend"):
        read_slate(path, cases)
    pd.DataFrame({"query_id": ["t1:0"]}).to_parquet(path)
    with pytest.raises(SchemaError, match="missing: rank, item_id, score"):
        read_slate(path, cases)
    row = {"query_id": ["t1:0", "t1:0"], "rank": [1, 1], "item_id": ["a", "b"], "score": [1.0, 1.0]}
    pd.DataFrame(row).to_parquet(path)
    with pytest.raises(SchemaError, match="share a rank"):
        read_slate(path, cases)
    pd.DataFrame({**row, "query_id": ["t1:0", "t1:9"]}).to_parquet(path)
    with pytest.raises(SchemaError, match="answers 't1:9'"):
        read_slate(path, cases)
