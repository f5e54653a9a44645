"""A smaller graph gives the same answers."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import function_pb2
from tensorflow.core.protobuf import saved_model_pb2

from tfrec.training.saved_graph import drop_unread_nodes, merge_equal_nodes, shrink_saved_model


def function_of(*nodes, ret, control_ret=()):
    """Returns a `FunctionDef`; a node is (name, operation, inputs, attributes of numbers)."""
    function = function_pb2.FunctionDef()
    for name, operation, inputs, attributes in nodes:
        node = function.node_def.add(name=name, op=operation, input=inputs)
        for key, value in attributes.items():
            node.attr[key].i = value
    for name in ret:
        function.ret[name] = ret[name]
    for name in control_ret:
        function.control_ret[name] = name
    return function


def nodes_of(function):
    return {node.name: list(node.input) for node in function.node_def}


def test_equal_nodes_become_one_and_what_follows_from_them_too():
    function = function_of(
        ("one", "Const", [], {"value": 1}),
        ("same", "Const", [], {"value": 1}),
        ("two", "Const", [], {"value": 2}),
        ("sum", "AddV2", ["x", "one:output:0"], {}),
        ("again", "AddV2", ["x", "same:output:0"], {}),
        ("other", "AddV2", ["x", "two:output:0"], {}),
        ("all", "AddN", ["sum:z:0", "again:z:0", "other:z:0"], {}),
        ret={"out": "all:sum:0", "last": "again:z:0"},
    )
    merge_equal_nodes(function)
    assert nodes_of(function) == {
        "one": [],
        "two": [],
        "sum": ["x", "one:output:0"],
        "other": ["x", "two:output:0"],
        "all": ["sum:z:0", "sum:z:0", "other:z:0"],  # an operand twice stays an operand twice
    }
    assert dict(function.ret) == {"out": "all:sum:0", "last": "sum:z:0"}


def test_nodes_that_stand_before_their_inputs_are_merged_too():
    function = function_of(
        ("sum", "AddV2", ["x", "one:output:0"], {}),
        ("again", "AddV2", ["x", "same:output:0"], {}),
        ("same", "Const", [], {"value": 1}),
        ("one", "Const", [], {"value": 1}),
        ret={"first": "sum:z:0", "second": "again:z:0"},
    )
    merge_equal_nodes(function)
    assert len(function.node_def) == 2
    assert function.ret["first"] == function.ret["second"]


def test_control_inputs_count_in_any_order():
    function = function_of(
        ("check", "Assert", ["x"], {}),
        ("second", "Assert", ["y"], {}),
        ("after", "Identity", ["x", "^check", "^second"], {}),
        ("also", "Identity", ["x", "^second", "^check"], {}),
        ("unchecked", "Identity", ["x"], {}),
        ret={"a": "after:output:0", "b": "also:output:0", "c": "unchecked:output:0"},
    )
    merge_equal_nodes(function)
    assert nodes_of(function).keys() == {"check", "second", "after", "unchecked"}
    assert function.ret["b"] == "after:output:0"


@pytest.mark.parametrize(
    ("operation", "writes", "left"),
    [("RandomUniform", False, 2), ("Assert", False, 2), ("ReadVariableOp", False, 1), ("ReadVariableOp", True, 2)],
)
def test_of_stateful_operations_reads_alone_are_merged_and_only_where_nothing_is_written(operation, writes, left):
    nodes = [("one", operation, ["x"], {}), ("two", operation, ["x"], {})]
    nodes += [("write", "AssignVariableOp", ["x", "y"], {})] * writes
    function = function_of(*nodes, ret={"a": "one:value:0", "b": "two:value:0"})
    merge_equal_nodes(function)
    assert len(function.node_def) == left + writes


def test_a_merged_read_is_named_once_among_the_effects():
    function = function_of(
        ("one", "ReadVariableOp", ["x"], {}),
        ("two", "ReadVariableOp", ["x"], {}),
        ret={"a": "one:value:0", "b": "two:value:0"},
        control_ret=["one", "two"],
    )
    function.signature.control_output.extend(["one", "two"])
    merge_equal_nodes(function)
    assert dict(function.control_ret) == {"one": "one"}
    assert list(function.signature.control_output) == ["one"]


def test_a_node_that_others_lie_beside_is_kept():
    function = function_of(
        ("one", "Const", [], {}), ("two", "Const", [], {}), ("three", "Identity", ["one:output:0"], {}), ret={}
    )
    function.node_def[2].attr["_class"].list.s.append(b"loc:@two")
    function.ret["out"] = "three:output:0"
    merge_equal_nodes(function)
    drop_unread_nodes(function)
    assert nodes_of(function).keys() == {"one", "two", "three"}


def test_what_nothing_reads_goes_and_what_has_an_effect_stays():
    function = function_of(
        ("needed", "Const", [], {}),
        ("result", "Identity", ["needed:output:0"], {}),
        ("idle", "Const", [], {}),
        ("after_idle", "Identity", ["idle:output:0"], {}),
        ("reason", "Const", [], {}),
        ("check", "Assert", ["x", "reason:output:0"], {}),
        ret={"out": "result:output:0"},
        control_ret=["check"],
    )
    drop_unread_nodes(function)
    assert nodes_of(function).keys() == {"needed", "result", "reason", "check"}


def test_a_saved_model_answers_as_before_with_fewer_nodes(tmp_path):
    class Model(tf.Module):
        def __init__(self):
            super().__init__()
            self.table = tf.Variable(np.arange(12.0, dtype=np.float32).reshape(4, 3))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, name="row")])
        def look_up(self, row):
            found = tf.gather(self.table, row) + tf.gather(self.table, row)
            _ = tf.reduce_max(found) * 3.0
            doubled = tf.while_loop(lambda at, _: at < 2, lambda at, x: (at + 1, x * 2.0), (0, found))[1]
            return {"sum": tf.where(doubled > 4.0, doubled + 2.0, doubled - 2.0) / 2.0}

    model, rows = Model(), tf.constant([2, 0])
    expected = model.look_up(rows)["sum"].numpy()
    tf.saved_model.save(model, str(tmp_path), signatures=model.look_up)

    def count():
        message = saved_model_pb2.SavedModel.FromString((tmp_path / "saved_model.pb").read_bytes())
        return sum(len(function.node_def) for function in message.meta_graphs[0].graph_def.library.function)

    before = count()
    shrink_saved_model(tmp_path / "saved_model.pb")
    assert count() < before
    reloaded = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    np.testing.assert_array_equal(reloaded(row=rows)["sum"].numpy(), expected)
