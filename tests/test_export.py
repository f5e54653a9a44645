import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from tests.strategy.served_shop import build_served_shop
from tfrec import export
from tfrec.export import SERVABLES, export_servables
from tfrec.schema.signatures import SIGNATURES
from tfrec.servable import Servable


@pytest.fixture(scope="module")
def served_shop():
    return build_served_shop()


@pytest.fixture(scope="module")
def models(served_shop, tmp_path_factory):
    """A folder with version 1 of each servable."""
    out = tmp_path_factory.mktemp("models")
    assert export_servables(served_shop.served, out, about={"recipe": "tiny"}) == 1
    return out


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


QUESTION = {
    "user_id": np.array(["u1", "stranger"], object),
    "recent_item_ids": np.array([["i1", "i2"], ["i3", ""]], object),
    "recent_event_types": np.array([["view", "purchase"], ["view", ""]], object),
    "recent_ages": np.array([[0.2, 0.1], [0.5, 0]], np.float32),
    "cart_item_ids": np.array([["i5"], ["i6"]], object),
    "item_id": np.array(["i10", "i11"], object),
    "exclude_item_ids": np.array([["i33"], ["i52"]], object),
    "include_categories": np.array([["T0"], ["T1"]], object),
    "min_price": np.array([2, 3], np.float32),
    "max_price": np.array([50, 55], np.float32),
    "max_price_ratio": np.array([4, 5], np.float32),
    "k": np.array([4, 5], np.int32),
    "diversity": np.array([0, 0.5], np.float32),
    "candidate_item_ids": np.array([["i1", "i2"], ["i3", "i4"]], object),
}
LEFT_OUT = [(name, spec.name) for name, signature in SIGNATURES.items() for spec in signature.inputs]


def same(left, right):
    for name in left:
        if left[name].dtype == np.float32:
            np.testing.assert_allclose(left[name], right[name], rtol=1e-5, atol=1e-6)
        else:
            assert left[name].tolist() == right[name].tolist(), name


@pytest.mark.parametrize(("signature", "left_out"), LEFT_OUT, ids=["-".join(pair) for pair in LEFT_OUT])
def test_an_input_may_be_left_out_alone(servables, signature, left_out):
    contract = SIGNATURES[signature]
    inputs = {spec.name: QUESTION[spec.name] for spec in contract.inputs}
    spec = contract.input(left_out)
    default = np.full((1,) * spec.rank, spec.padding, QUESTION[left_out].dtype)
    servable = servables[contract.servable]
    without = servable.call(signature, {name: value for name, value in inputs.items() if name != left_out})
    same(without, servable.call(signature, {**inputs, left_out: default}))
    if left_out in ("k", "exclude_item_ids", "cart_item_ids") and signature == "recommend":
        assert without["item_ids"].tolist() != servable.call(signature, inputs)["item_ids"].tolist()


@pytest.mark.parametrize("signature", SIGNATURES)
def test_the_saved_graph_answers_as_the_functions_do(served_shop, servables, signature):
    contract = SIGNATURES[signature]
    inputs = {spec.name: QUESTION[spec.name] for spec in contract.inputs}
    texts = {name: value.astype(str) if value.dtype == object else value for name, value in inputs.items()}
    same(servables[contract.servable].call(signature, inputs), served_shop.ask(signature, **texts))


@pytest.mark.parametrize("name", SERVABLES)
def test_nothing_at_all_may_be_sent(servables, name):
    for signature in (signature for signature in SIGNATURES.values() if signature.servable == name):
        assert len(servables[name].call(signature.name, {})["item_ids"]) == 1


def test_a_version_says_what_it_is(models):
    about = json.loads((models / "shop" / "1" / "assets.extra" / "tfrec.json").read_text())
    assert about == {"recipe": "tiny", "servable": "shop", "version": 1}


class _FakeFunction:
    def get_concrete_function(self):
        return None


@pytest.fixture
def quick(monkeypatch):
    """An export whose SavedModels are a file each, for what is about folders alone."""

    def save(module, folder, signatures):
        from pathlib import Path

        Path(folder, "saved_model.pb").write_text(module.name)

    class Served:
        def module(self, servable):
            module = tf.Module(name=servable)
            module.functions = {"any": _FakeFunction()}
            return module

    monkeypatch.setattr(export.tf.saved_model, "save", save)
    return Served()


def versions(out, name):
    return sorted(int(folder.name) for folder in (out / name).iterdir() if folder.name.isdigit())


def test_versions_grow_together(quick, tmp_path):
    assert [export_servables(quick, tmp_path, about={}) for _ in range(3)] == [1, 2, 3]
    assert {name: versions(tmp_path, name) for name in SERVABLES} == {name: [1, 2, 3] for name in SERVABLES}


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
    assert list((tmp_path / "shop").iterdir()) == []
    monkeypatch.setattr(export.tf.saved_model, "save", whole_save)
    assert export_servables(quick, tmp_path, about={}) == 2
    assert versions(tmp_path, "shop") == [2]
