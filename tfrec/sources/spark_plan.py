"""Divides an Ibis expression between Spark, which moves rows, and DuckDB, which computes values within a row."""

import functools
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import ibis.backends.sql.compilers as sc
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.rules as rlz
from ibis.common.graph import Node
from ibis.common.typing import VarTuple

from tfrec.sources.spark_values import ROWS, VALUE, input_name

_OF_ROWS = (ops.Reduction, ops.Analytic, ops.WindowFunction, ops.WindowBoundary, ops.Subquery, ops.SortKey)
"""Operations that look at other rows: Spark's."""

_LEAVES = (ops.Field, ops.Literal, ops.Argument)
_SAME = (
    *(ops.Equals, ops.NotEquals, ops.Less, ops.LessEqual, ops.Greater, ops.GreaterEqual, ops.And, ops.Or, ops.Not),
    *(ops.IsNull, ops.NotNull, ops.Alias, ops.IfElse, ops.Coalesce, ops.SearchedCase, ops.InValues),
)
"""Operations within a row that mean the same in both engines, of values of `_is_plain` types: Spark may use them to
leave out rows of a file."""


class ComputedValue(ops.Value):
    """A value within a row that DuckDB computes on the executors.

    Attributes:
        query: see `function_of_query`.
        inputs: what it is computed of.
        to: its type.
    """

    query: str
    inputs: VarTuple[ops.Value]
    to: dt.DataType

    shape = rlz.shape_like("inputs")

    @property
    def dtype(self) -> dt.DataType:
        """Its type."""
        return self.to

    @property
    def function(self) -> str:
        """Name of Spark's function, equal for equal queries of equal types."""
        kinds = [str(value.dtype) for value in self.inputs]
        return f"tfrec_{hashlib.sha256(repr([self.query, kinds, str(self.to)]).encode()).hexdigest()[:24]}"


def divided(relation: ops.Relation) -> ops.Relation:
    """Returns an expression whose values within a row are `ComputedValue`s where the engines could differ.

    What they could differ in: forms of numbers and times, regular expressions, blanks, letter case, arithmetic of
    floats, NaN. What is left to Spark looks at several rows, or compares texts, whole numbers, times and truth values.
    """

    def replace(node: Node, arguments: Mapping[str, Any] | None) -> Node:
        node = node.__recreate__(arguments) if arguments else node
        return _with_arguments(node, _divide) if isinstance(node, ops.Relation) else node

    return relation.replace(replace)


def _divide(value: ops.Value) -> ops.Value:
    if isinstance(value, _LEAVES):
        return value
    if isinstance(value, _OF_ROWS):
        return _with_arguments(value, _divide)
    inputs = _inputs_of(value)
    if not inputs:
        return ops.Literal(_value_of(value), dtype=value.dtype)
    if _is_native(value):
        return _with_arguments(value, _divide)
    rows = ops.UnboundTable(
        name=ROWS, schema={input_name(at): given.dtype for at, given in enumerate(inputs)}, namespace=ops.Namespace()
    )

    def within(part: ops.Value) -> ops.Value:
        if part in inputs:
            return ops.Field(rows, input_name(inputs[part]))
        return part if isinstance(part, _LEAVES) else _with_arguments(part, within)

    query = _sql(ops.Project(rows, {VALUE: within(value)}))
    return ComputedValue(query=query, inputs=tuple(map(_divide, inputs)), to=value.dtype)


def _inputs_of(value: ops.Value) -> dict[ops.Value, int]:
    """Returns the columns that a value is computed of, and the results that need several rows, each with its place."""
    inputs: dict[ops.Value, int] = {}
    waiting: list[Node] = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, (ops.Field, *_OF_ROWS)):
            inputs.setdefault(part, len(inputs))
        elif isinstance(part, ops.Value):
            waiting.extend(reversed(part.__children__))
    return inputs


def _is_native(value: ops.Value) -> bool:
    """Returns whether Spark computes a value within a row; constants are computed before."""
    if isinstance(value, (ops.Field, *_OF_ROWS)) or not _inputs_of(value):
        return _is_plain(value.dtype)
    if not isinstance(value, _SAME) or not _is_plain(value.dtype):
        return False
    return all(_is_native(part) for part in value.__children__ if isinstance(part, ops.Value))


def _is_plain(kind: dt.DataType) -> bool:
    is_moment = kind.is_timestamp() and kind.timezone is None
    return kind.is_null() or kind.is_string() or kind.is_boolean() or kind.is_integer() or kind.is_date() or is_moment


def _with_arguments(node: Node, change: Callable[[ops.Value], ops.Value]) -> Node:
    """Returns a node with other values as arguments; relations stay."""
    arguments = {name: _changed(given, change) for name, given in zip(node.__argnames__, node.__args__, strict=True)}
    return node.__recreate__(arguments)


def _changed(argument: Any, change: Callable[[ops.Value], ops.Value]) -> Any:
    if isinstance(argument, ops.Relation):
        return argument
    if isinstance(argument, ops.Value):
        return change(argument)
    if isinstance(argument, Node):
        return _with_arguments(argument, change)
    if isinstance(argument, tuple):
        return tuple(_changed(part, change) for part in argument)
    if isinstance(argument, Mapping):
        return {name: _changed(part, change) for name, part in argument.items()}
    return argument


@functools.cache
def _value_of(value: ops.Value) -> Any:
    """Returns a value that depends on no column."""
    import ibis

    return ibis.duckdb.connect().to_pyarrow(value.to_expr()).as_py()


def _sql(relation: ops.Relation) -> str:
    return sc.duckdb.compiler.to_sqlglot(relation.to_expr()).sql(dialect=sc.duckdb.compiler.dialect)
