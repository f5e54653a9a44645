"""Writes divided expressions as Spark's SQL."""

from collections.abc import Callable
from typing import Any

import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import sqlglot.expressions as sge
from ibis.backends.sql.compilers.pyspark import PySparkCompiler
from ibis.common.exceptions import UnsupportedOperationError

from tfrec.sources.spark_plan import ComputedValue


class SparkCompiler(PySparkCompiler):
    """Ibis' compiler for Spark, with what it lacks and what it gets wrong."""

    __slots__ = ()

    def visit_ComputedValue(
        self, op: ComputedValue, *, query: str, inputs: tuple[sge.Expr, ...], to: dt.DataType
    ) -> sge.Expr:
        """Returns the call of a registered function."""
        return self.f.anon[op.function](*inputs)

    def visit_Quantile(
        self, op: ops.Quantile, *, arg: sge.Expr, quantile: sge.Expr, where: sge.Expr | None
    ) -> sge.Expr:
        """Returns the exact quantile, interpolated."""
        return self.f.percentile(arg if where is None else self.if_(where, arg, sge.Null()), quantile)

    def visit_Median(self, op: ops.Median, *, arg: sge.Expr, where: sge.Expr | None) -> sge.Expr:
        """Returns the exact median; Ibis' own asks for the condition in place of the quantile, too."""
        return self.visit_Quantile(op, arg=arg, quantile=sge.convert(0.5), where=where)

    def visit_First(self, op: ops.First, **arguments: Any) -> sge.Expr:
        """Returns the value of the first row in an order, which Spark's own `first` does not know."""
        return self._at_end(op, self.f.min_by, **arguments) if op.order_by else super().visit_First(op, **arguments)

    def visit_Last(self, op: ops.Last, **arguments: Any) -> sge.Expr:
        """Returns the value of the last row in an order."""
        return self._at_end(op, self.f.max_by, **arguments) if op.order_by else super().visit_Last(op, **arguments)

    def _at_end(
        self,
        op: ops.First | ops.Last,
        choose: Callable[..., sge.Expr],
        *,
        arg: sge.Expr,
        where: sge.Expr | None,
        order_by: tuple[sge.Ordered, ...],
        include_null: bool,
    ) -> sge.Expr:
        """Returns the value where the order's keys, none of which is null, are lowest or highest."""
        keys = []
        for key, written in zip(op.order_by, order_by, strict=True):
            if key.descending and not key.arg.dtype.is_numeric():
                raise UnsupportedOperationError(f"Spark cannot find the first row by {key.arg.dtype} from above.")
            keys.append(sge.Neg(this=written.this) if key.descending else written.this)
        place = self.f.struct(*keys)
        if not include_null:
            is_value = arg.is_(sge.Not(this=sge.Null()))
            where = is_value if where is None else sge.and_(where, is_value)
        return choose(arg, place if where is None else self.if_(where, place, sge.Null()))
