import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tfrec.errors import ConfigError, SchemaError, ServingError, SourceError
from tfrec.schema.signatures import SIGNATURES
from tfrec.serving.recommend import newest_version, recommend_file, recommend_table
from tfrec.serving.servable import Servable

OUTPUTS = {"query_id", "rank", "item_id", "score", *(spec.name for spec in SIGNATURES["complete_cart"].outputs[2:])}


@pytest.fixture(scope="module")
def items(tiny_trained):
    return tiny_trained.shop.vocabularies.items.tokens


@pytest.fixture(scope="module")
def servable(tiny_trained):
    with Servable.load(tiny_trained.models / "shop" / "1") as loaded:
        yield loaded


@pytest.fixture
def answer(tiny_trained, tmp_path):
    def run(table, signature="complete_cart", **settings):
        path = tmp_path / "queries.parquet"
        pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), path)
        out = tmp_path / "slates.parquet"
        recommend_file(tiny_trained.models, path, out, signature_name=signature, show_progress=False, **settings)
        return pd.read_parquet(out)

    return run


def ask_one_by_one(servable, carts, k):
    """The oracle: each query alone, straight to the SavedModel."""
    rows = []
    for number, cart in enumerate(carts):
        outputs = servable.call(
            "complete_cart",
            {"cart_item_ids": np.array([cart or [""]], object), "k": np.array([k], np.int32)},
        )
        offered = outputs["item_ids"][0]
        rows += [(number, rank, item) for rank, item in enumerate(offered[offered != ""], start=1)]
    return rows


def test_slates_are_those_of_single_calls_in_the_order_of_the_queries(answer, servable, items):
    rng = np.random.default_rng(0)
    carts = [rng.choice(items, size, replace=False).tolist() for size in rng.integers(0, 9, 60)]
    slates = answer({"query_id": list(range(60)), "cart_item_ids": carts}, k=4, batch_size=7)
    got = list(slates[["query_id", "rank", "item_id"]].itertuples(index=False, name=None))
    assert got == ask_one_by_one(servable, carts, 4)
    assert set(slates.columns) == OUTPUTS
    assert (slates.groupby("query_id")["score"].diff().dropna() <= 0).all()


def test_ids_may_be_whole_numbers_of_any_kind(servable):
    text = pa.table({"query_id": ["a"], "user_id": ["17850"], "cart_item_ids": [["1", "2"]]})
    for user_type, item_type in ((pa.int64(), pa.int32()), (pa.float64(), pa.float64())):
        numbers = pa.table(
            {
                "query_id": ["a"],
                "user_id": pa.array([17850], user_type),
                "cart_item_ids": pa.array([[1, 2]], pa.list_(item_type)),
            }
        )
        expected, got = (recommend_table(servable, SIGNATURES["cross_sell"], table, k=5) for table in (text, numbers))
        assert got.equals(expected)


def test_floats_lose_their_zero():
    from tfrec.serving.recommend import _as_text

    assert _as_text(pa.array([17850.0, None, 3.0])).to_pylist() == ["17850", None, "3"]
    assert _as_text(pa.array(["a"]).dictionary_encode()).to_pylist() == ["a"]


def test_null_and_absent_columns_take_the_default(answer, items):
    cart = [str(items[0])]
    bare = answer({"query_id": [1, 2], "cart_item_ids": [cart, None]}, k=3)
    nulls = answer(
        {
            "query_id": [1, 2],
            "cart_item_ids": [cart, []],
            "user_id": pa.array([None, None], pa.string()),
            "max_price": pa.array([None, None], pa.float64()),
            "exclude_item_ids": pa.nulls(2),
        },
        k=3,
    )
    pd.testing.assert_frame_equal(bare, nulls)


def test_a_query_may_bring_its_own_k(answer):
    slates = answer({"query_id": ["a", "b", "c"], "k": pa.array([2, None, 0])}, k=5)
    assert slates.groupby("query_id").size().to_dict() == {"a": 2, "b": 5}


def test_k_of_a_million_returns_all_that_is_eligible(answer, tiny_trained, items):
    slates = answer({"query_id": ["a"]}, k=1_000_000)
    assert 100 < len(slates) <= len(items)
    assert slates["item_id"].is_unique


def test_no_queries_give_no_rows_but_all_columns(answer):
    slates = answer(
        pa.table({"query_id": pa.array([], pa.int64()), "cart_item_ids": pa.array([], pa.list_(pa.string()))})
    )
    assert len(slates) == 0
    assert set(slates.columns) == OUTPUTS


def test_the_callers_candidates_come_back_ranked(answer, items):
    slates = answer({"query_id": [7], "candidate_item_ids": [[*items[:5], "unknown"]]}, "rank", k=4)
    assert slates["rank"].tolist() == [1, 2, 3, 4]
    assert (slates["score"].diff().dropna() <= 0).all()
    assert "unknown" not in slates["item_id"].tolist()


def test_retrieval_answers_too(answer, items):
    assert len(answer({"query_id": [7], "cart_item_ids": [items[:2].tolist()]}, "retrieve", k=30)) == 30


@pytest.mark.parametrize(
    ("table", "message"),
    [
        pytest.param({"cart_item_ids": [["a"]]}, "query_id", id="no query_id"),
        pytest.param({"query_id": [1], "cart_items": [["a"]]}, "cart_item_ids", id="unknown column names the nearest"),
        pytest.param({"query_id": [1, 1]}, "unique", id="double ids"),
        pytest.param({"query_id": [1, None]}, "null", id="null ids"),
        pytest.param({"query_id": [1], "cart_item_ids": ["a"]}, "must have a list", id="single values for lists"),
        pytest.param({"query_id": [1], "user_id": [["a"]]}, "single value", id="lists for single values"),
        pytest.param({"query_id": [1], "max_price": ["dear"]}, "float32", id="words for numbers"),
        pytest.param({"query_id": [1], "k": [2.5]}, "int32", id="broken numbers for whole ones"),
        pytest.param(
            {"query_id": [1], "recent_item_ids": [["a", "b"]], "recent_ages": [[1.0]]},
            "one value for each",
            id="behaviour",
        ),
    ],
)
def test_wrong_queries_are_named(answer, table, message):
    with pytest.raises(SchemaError, match=message):
        answer(table)


def test_a_wrong_signature_path_or_k_is_named(answer, tiny_trained, tmp_path):
    with pytest.raises(SchemaError, match="complete_cart"):
        answer({"query_id": [1]}, "complete_card")
    with pytest.raises(ConfigError, match="at least 1"):
        answer({"query_id": [1]}, k=0)
    with pytest.raises(SourceError, match="no file"):
        recommend_file(tiny_trained.models, tmp_path / "absent.parquet", tmp_path / "out", signature_name="recommend")
    (tmp_path / "empty.parquet").write_bytes(b"")
    with pytest.raises(SourceError, match="Parquet"):
        recommend_file(tiny_trained.models, tmp_path / "empty.parquet", tmp_path / "out", signature_name="recommend")
    with pytest.raises(ServingError, match="tfrec train"):
        newest_version(tmp_path, "shop")


def test_a_column_that_comes_twice_is_named(answer):
    for names in (["query_id", "query_id"], ["query_id", "k", "k"]):
        with pytest.raises(SchemaError, match=f"has the column '{names[1]}' more than once"):
            answer(pa.Table.from_arrays([pa.array([1])] * len(names), names=names))


def test_the_index_that_pandas_adds_is_passed_over(answer):
    frame = pd.DataFrame({"query_id": [1, 2]}, index=[5, 7])
    table = pa.Table.from_pandas(frame)
    assert "__index_level_0__" in table.column_names
    assert set(answer(table)["query_id"]) == {1, 2}


def test_a_failed_run_leaves_the_old_slates(answer, tmp_path):
    answer({"query_id": [1]})
    old = (tmp_path / "slates.parquet").read_bytes()
    with pytest.raises(SchemaError):
        answer({"query_id": [1], "max_price": ["dear"]})
    assert (tmp_path / "slates.parquet").read_bytes() == old
    assert sorted(path.name for path in tmp_path.iterdir()) == ["queries.parquet", "slates.parquet"]


def test_the_highest_version_answers(tmp_path):
    for version in ("2", "10", "x"):
        (tmp_path / "shop" / version).mkdir(parents=True)
        (tmp_path / "shop" / version / "saved_model.pb").touch()
    (tmp_path / "shop" / "11").mkdir()
    assert newest_version(tmp_path, "shop").name == "10"


def test_an_output_that_an_older_export_does_not_give_is_null():
    """A new version is judged beside the one in service, which may be of an earlier release."""

    class Older:
        def call(self, name, inputs):
            shape = (len(inputs["k"]), 1)
            outputs = {
                spec.name: np.full(
                    shape, "a" if spec.dtype == "string" else 1, object if spec.dtype == "string" else spec.dtype
                )
                for spec in SIGNATURES[name].outputs
            }
            del outputs["threshold_sets"], outputs["sources"], outputs["prices"]
            return outputs

    found = recommend_table(Older(), SIGNATURES["complete_cart"], pa.table({"query_id": ["x", "y"]}), k=1).to_pydict()
    assert found["item_id"] == ["a", "a"]
    assert found["threshold_sets"] == found["sources"] == [None, None]
    assert np.isnan(found["prices"]).all()
