import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.config_pb2 import ConfigProto
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from tfrec.schema.signatures import SIGNATURES
from tfrec.serving.servable import Servable
from tfrec.training import export
from tfrec.training.export import SERVABLES, export_servables


@pytest.fixture(scope="module")
def models(tiny_trained):
    """A folder with version 1 of each servable."""
    return tiny_trained.models


@pytest.fixture(scope="module")
def servables(models):
    opened = {name: Servable.load(models / name / "1") for name in SERVABLES}
    yield opened
    for servable in opened.values():
        servable.close()


def graph_of(models, name):
    saved = SavedModel.FromString((models / name / "1" / "saved_model.pb").read_bytes())
    assert len(saved.meta_graphs) == 1
    return saved.meta_graphs[0]


@pytest.mark.parametrize("name", SERVABLES)
def test_the_graph_holds_core_ops_alone(models, name):
    """What stock TF Serving cannot run: Python functions, and ops of other libraries (their names have a `>`)."""
    graph = graph_of(models, name).graph_def
    ops = {node.op for function in graph.library.function for node in function.node_def}
    ops |= {node.op for node in graph.node}
    assert {"LookupTableFindV2", "MatMul"} <= ops
    strange = {op for op in ops if "PyFunc" in op or "Scann" in op or ">" in op}
    assert not strange
    from tensorflow.python.framework import op_def_registry

    functions = {function.signature.name for function in graph.library.function}
    assert {op for op in ops - functions if op_def_registry.get(op) is None} == set()


@pytest.mark.parametrize("name", SERVABLES)
def test_no_graph_is_optimised_by_itself(models, name):
    """Where a job loads a version without optimising it, no part would be worth the seconds that it takes."""
    graph = graph_of(models, name).graph_def
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    kept = [ConfigProto.FromString(node.attr["config_proto"].s) for node in nodes if "config_proto" in node.attr]
    assert len(kept) > 2
    assert all(config.graph_options.rewrite_options.disable_meta_optimizer for config in kept)


@pytest.mark.parametrize("signature", SIGNATURES.values(), ids=SIGNATURES)
def test_every_input_carries_its_default(models, signature):
    declared = graph_of(models, signature.servable).signature_def[signature.name]
    assert set(declared.inputs) == {spec.name for spec in signature.inputs} == set(declared.defaults)
    assert set(declared.outputs) == {spec.name for spec in signature.outputs}
    for spec in signature.inputs:
        value = tf.make_ndarray(declared.defaults[spec.name])
        assert value.shape == (1,) * spec.rank
        item = value.ravel()[0]
        assert (item.decode() if isinstance(item, bytes) else item) == spec.padding
        assert tf.dtypes.as_dtype(declared.inputs[spec.name].dtype).name == spec.dtype
        assert [dim.size for dim in declared.inputs[spec.name].tensor_shape.dim] == [-1] * spec.rank


@pytest.fixture(scope="module")
def question(tiny_trained):
    """Every input, with a value that is not its default, for two shoppers."""
    vocabularies = tiny_trained.shop.vocabularies
    item, top = (
        vocabularies.items.tokens.tolist(),
        vocabularies.categories.decode(vocabularies.catalogue.categories[:, 0]),
    )
    brand = vocabularies.brands.decode(vocabularies.catalogue.brand)
    return {
        "user_id": np.array([tiny_trained.shop.users.tokens[0], "stranger"], object),
        "history_item_ids": np.array([["", ""], item[7:9]], object),
        "history_event_types": np.array([["", ""], ["", "view"]], object),
        "history_order_ages": np.array([[0, 0], [90, 70]], np.float32),
        "history_orders": np.array([["", ""], ["o1", "o1"]], object),
        "user_segment": np.array(["", "nowhere"], object),
        "recent_item_ids": np.array([item[1:3], [item[3], ""]], object),
        "recent_event_types": np.array([["view", "purchase"], ["view", ""]], object),
        "recent_ages": np.array([[0.2, 0.1], [0.5, 0]], np.float32),
        "cart_item_ids": np.array([[item[5]], [item[6]]], object),
        "item_id": np.array(item[10:12], object),
        "exclude_item_ids": np.array([item[20:40], item[40:60]], object),
        "include_categories": np.array([[top[10]], [top[11]]], object),
        "include_attributes": np.array([[f"brand={brand[10]}"], [f"brand={brand[11]}"]], object),
        "exclude_attributes": np.array([["", "colour=pink"], ["on_sale=yes", ""]], object),
        "same_as_anchor": np.array([[""], ["brand"]], object),
        "min_price": np.array([2, 3], np.float32),
        "max_price": np.array([500, 550], np.float32),
        "outside_cart_level": np.array([1, 2], np.int32),
        "cart_total": np.array([20, 30], np.float32),
        "threshold": np.array([50, 60], np.float32),
        "min_price_ratio": np.array([1, 1.2], np.float32),
        "objective": np.array(["purchase", "revenue"], object),
        "max_price_ratio": np.array([4, 5], np.float32),
        "bought_before": np.array(["never", "only"], object),
        "shown_item_ids": np.array([item[1:4], item[4:7]], object),
        "widgets": np.array([["recommend", "similar"], ["cross_sell", "buy_again"]], object),
        "widget_sizes": np.array([[2, 0], [0, 3]], np.int32),
        "places_by": np.array(["margin", "widget"], object),
        "k": np.array([4, 5], np.int32),
        "diversity": np.array([0, 0.5], np.float32),
        "diversity_by": np.array(["random", "calibrated"], object),
        "at_minute": np.array([30_000_000, 29_000_000], np.int32),
        "is_adult": np.array([1, 0], np.int32),
        "candidate_item_ids": np.array([item[1:3], item[3:5]], object),
    }


LEFT_OUT = [(name, spec.name) for name, signature in SIGNATURES.items() for spec in signature.inputs]


def same(left, right):
    for name in left:
        if left[name].dtype == np.float32:
            np.testing.assert_allclose(left[name], right[name], rtol=1e-5, atol=1e-6)
        else:
            assert left[name].tolist() == right[name].tolist(), name


@pytest.mark.parametrize(("signature", "left_out"), LEFT_OUT, ids=["-".join(pair) for pair in LEFT_OUT])
def test_an_input_may_be_left_out_alone(servables, question, signature, left_out):
    contract = SIGNATURES[signature]
    inputs = {spec.name: question[spec.name] for spec in contract.inputs}
    spec = contract.input(left_out)
    default = np.full((1,) * spec.rank, spec.padding, question[left_out].dtype)
    servable = servables[contract.servable]
    without = servable.call(signature, {name: value for name, value in inputs.items() if name != left_out})
    same(without, servable.call(signature, {**inputs, left_out: default}))


@pytest.mark.parametrize("name", SERVABLES)
def test_nothing_at_all_may_be_sent(servables, name):
    for signature in (signature for signature in SIGNATURES.values() if signature.servable == name):
        assert len(servables[name].call(signature.name, {})["item_ids"]) == 1


@pytest.fixture
def quick(monkeypatch):
    """An export whose SavedModels are a file each, for what is about folders alone."""

    def save(module, folder, signatures):
        from pathlib import Path

        Path(folder, "saved_model.pb").write_bytes(b"")  # a SavedModel without graphs

    class Served:
        def __init__(self):
            self.vocabularies = {"items": ["a", "b"], "users": [], "categories": ["All"]}
            self.indexes = {}

        def module(self, servable):
            return tf.Module(name=servable), {"recommend": None}

    monkeypatch.setattr(export.tf.saved_model, "save", save)
    return Served()


def versions(out, name):
    return sorted(int(folder.name) for folder in (out / name).iterdir() if folder.name.isdigit())


def test_versions_grow_together(quick, tmp_path):
    assert [export_servables(quick, tmp_path, about={}) for _ in range(3)] == [1, 2, 3]
    assert {name: versions(tmp_path, name) for name in SERVABLES} == {name: [1, 2, 3] for name in SERVABLES}


def test_a_version_says_what_it_is(quick, tmp_path):
    export_servables(quick, tmp_path, about={"recipe": "tiny"})
    about = json.loads((tmp_path / "shop" / "1" / "assets.extra" / "tfrec.json").read_text())
    assert about == {"recipe": "tiny", "servable": "shop", "version": 1, "items": 2, "users": 0, "indexes": {}}


def test_a_number_is_never_used_twice(quick, tmp_path):
    """A server that failed to load a number never tries it again, even after the folder is gone."""
    import shutil

    for _ in range(2):
        export_servables(quick, tmp_path, about={})
    shutil.rmtree(tmp_path / "shop" / "2")
    assert export_servables(quick, tmp_path, about={}) == 3
    for name in SERVABLES:
        shutil.rmtree(tmp_path / name / "3")
    assert export_servables(quick, tmp_path, about={}) == 4


def test_a_reader_sees_a_whole_version_or_none(quick, tmp_path, monkeypatch):
    whole_save, seen = export.tf.saved_model.save, []

    def watched(module, folder, signatures):
        whole_save(module, folder, signatures)
        seen.append({name: versions(tmp_path, name) for name in SERVABLES if (tmp_path / name).is_dir()})
        if module.name == "shop":
            raise RuntimeError("the disk is full")

    monkeypatch.setattr(export.tf.saved_model, "save", watched)
    with pytest.raises(RuntimeError, match="the disk is full"):
        export_servables(quick, tmp_path, about={})
    assert seen == [
        {"retrieval": []},
        {"retrieval": [1], "ranking": []},
        {"retrieval": [1], "ranking": [1], "shop": []},
    ]
    assert not (tmp_path / "shop").exists()
    monkeypatch.setattr(export.tf.saved_model, "save", whole_save)
    assert export_servables(quick, tmp_path, about={}) == 2
    assert versions(tmp_path, "shop") == [2]
