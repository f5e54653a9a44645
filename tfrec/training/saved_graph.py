"""Makes a saved graph smaller: a server copies all of it for each signature that it prepares.

Tracing gives every call a constant of its own, so two fifths of the nodes are constants, most of them equal. Equal
nodes of a function become one, as common subexpressions do in a compiler, and what nothing reads goes.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

_SHAPES = "_output_shapes"  # for Python's reader alone, which infers them too
_COLOCATION = "_class"
_READS = frozenset({"ReadVariableOp", "ResourceGather", "LookupTableFindV2"})
"""Stateful operations that give the same again as long as the function writes nothing."""
_WRITES = ("Assign", "ResourceScatter", "LookupTableImport", "LookupTableInsert", "LookupTableRemove")


def shrink_saved_model(path: Path) -> None:
    """Rewrites a `saved_model.pb`: `merge_equal_nodes` and `drop_unread_nodes` in each function.

    Args:
        path: the file; it is written in place, so it must not be in service yet.
    """
    message = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for meta_graph in message.meta_graphs:
        _drop_notes(meta_graph.graph_def.node)
        for function in meta_graph.graph_def.library.function:
            _drop_notes(function.node_def)
            for argument in function.arg_attr.values():
                argument.attr.pop(_SHAPES, None)
            merge_equal_nodes(function)
            drop_unread_nodes(function)
    path.write_bytes(message.SerializeToString(deterministic=True))


def merge_equal_nodes(function: Any) -> None:
    """Keeps one of the nodes of a `FunctionDef` that compute the same of the same inputs.

    Nodes are equal if operation, inputs (control inputs in any order), device and attributes are. Stateful ones are
    kept as they are, but for reads where the function writes nothing. Merging is repeated until no node is left to
    merge, as a node may stand before its inputs.
    """
    reads_alike = not any(node.op.startswith(_WRITES) for node in function.node_def)
    held = _colocated(function.node_def)
    while True:
        renamed: dict[str, str] = {}
        first: dict[tuple[object, ...], str] = {}
        kept = []
        for node in function.node_def:
            node.input[:] = _inputs(node, renamed)
            if node.name not in held and (not _is_stateful(node.op) or (reads_alike and node.op in _READS)):
                attributes = tuple(
                    (name, node.attr[name].SerializeToString(deterministic=True)) for name in sorted(node.attr)
                )
                same = first.setdefault((node.op, node.device, attributes, *node.input), node.name)
                if same != node.name:
                    renamed[node.name] = same
                    continue
            kept.append(node)
        if not renamed:
            return
        for node in kept:
            node.input[:] = _inputs(node, renamed)
        for outputs in (function.ret, function.control_ret):
            for name, output in list(outputs.items()):
                outputs[name] = _renamed(output, renamed)
        _name_effects_once(function)
        _replace_nodes(function, kept)


def drop_unread_nodes(function: Any) -> None:
    """Drops the nodes of a `FunctionDef` that neither a result nor an operation with an effect needs.

    Nodes that others are to be placed beside are needed too.
    """
    nodes = {node.name: node for node in function.node_def}
    needed: set[str] = set()
    ahead = [_node(name) for outputs in (function.ret, function.control_ret) for name in outputs.values()]
    while ahead:
        name = ahead.pop()
        if name in nodes and name not in needed:
            needed.add(name)
            ahead += [*map(_node, nodes[name].input), *_colocated([nodes[name]])]
    if len(needed) < len(nodes):
        _replace_nodes(function, [node for node in function.node_def if node.name in needed])


def _name_effects_once(function: Any) -> None:
    """Keeps one name of each node that is to run for its effect: Python's reader refuses two."""
    named: dict[str, str] = {}
    for name, node in sorted(function.control_ret.items()):
        if named.setdefault(node, name) != name:
            del function.control_ret[name]
            if name in function.signature.control_output:
                function.signature.control_output.remove(name)


def _is_stateful(name: str) -> bool:
    definition = op_def_registry.get(name)
    return definition is None or bool(definition.is_stateful)


def _colocated(nodes: Iterable[Any]) -> set[str]:
    """Returns the nodes that others are to be placed beside, by name."""
    texts = (text for node in nodes if _COLOCATION in node.attr for text in node.attr[_COLOCATION].list.s)
    return {text.decode().removeprefix("loc:@") for text in texts}


def _drop_notes(nodes: Iterable[Any]) -> None:
    for node in nodes:
        node.attr.pop(_SHAPES, None)
        node.ClearField("experimental_debug_info")


def _node(name: str) -> str:
    """Returns the node that an input such as `^node` or `node:out:0` names."""
    return name.removeprefix("^").partition(":")[0]


def _inputs(node: Any, renamed: dict[str, str]) -> list[str]:
    """Returns the inputs of a node by their new names: tensors in their order, then control inputs, each once."""
    names = [_renamed(name, renamed) for name in node.input]
    return [name for name in names if name[0] != "^"] + sorted({name for name in names if name[0] == "^"})


def _renamed(name: str, renamed: dict[str, str]) -> str:
    node = _node(name)
    return name.replace(node, renamed[node], 1) if node in renamed else name


def _replace_nodes(function: Any, nodes: Sequence[Any]) -> None:
    copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del function.node_def[:]
    function.node_def.extend(copies)
