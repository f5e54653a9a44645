"""Makes graphs that several signatures share, and keeps the runtime from optimising them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import tensorflow as tf

from tfrec.models.packing import packed_spec, unpack


class GraphValue:
    """A dataclass that graphs return: unlike an extension type it may hold what only some shops have."""

    def __tf_flatten__(self) -> tuple[tuple[()], tuple[Any, ...]]:
        return (), tuple(vars(self).values())  # in the order of the fields, as the dataclass sets them

    @classmethod
    def __tf_unflatten__(cls, metadata: tuple[()], components: Sequence[Any]) -> Self:
        return cls(*components)


def shared_graph(function: Callable[..., Any], *signature: Any) -> Callable[..., Any]:
    """Returns the function as a graph that is traced and saved once, however many signatures call it.

    The runtime inlines it into each of them: `_noinline` makes answers slower and the start no faster. AutoGraph is
    off: it takes a third of a trace's time, and no such function branches on a tensor in Python.

    Args:
        function: of tensors and extension types.
        signature: the spec of each argument.
    """
    return tf.function(function, input_signature=signature, autograph=False)


def rare_graph(function: Callable[..., Any], *signature: Any) -> Callable[..., Any]:
    """Returns the function as a graph that is not inlined: for branches that few requests take.

    A branch that is not taken costs as many steps as it has operations, in each signature, and all of them are
    optimised before the first answer; a call is one operation.

    Args:
        function: of tensors and extension types.
        signature: the spec of each argument.
    """
    rarely = {"_noinline": True}
    return tf.function(function, input_signature=signature, autograph=False, experimental_attributes=rarely)


def rare_packed_graph(function: Callable[..., Any], *signature: Any) -> Callable[..., Any]:
    """Returns a `rare_graph` that takes what `pack` makes of each argument: for values of many tensors.

    Args:
        function: of tensors and extension types, all with `B` rows.
        signature: the spec of each argument.
    """

    def unpacked(*packed: Sequence[tf.Tensor]) -> Any:
        return function(*(unpack(parts, spec) for parts, spec in zip(packed, signature, strict=True)))

    return rare_graph(unpacked, *(packed_spec(spec) for spec in signature))


def rare_branch(branch: Callable[[], Any]) -> Callable[[], Any]:
    """Returns a branch of `tf.cond` as a graph that is not inlined, see `rare_graph`.

    Unlike that it may read what is around it, and is traced where it stands.

    Args:
        branch: of tensors around it.
    """
    if tf.executing_eagerly():  # which runs the branch that is taken alone
        return branch
    return tf.function(branch, autograph=False, experimental_attributes={"_noinline": True})


@contextmanager
def graphs_as_written() -> Iterator[None]:
    """Leaves graphs as they are for a few calls: to optimise one takes longer than to run it a hundred times.

    Calls of graphs that are traced here keep that, wherever they are saved.
    """
    options = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False, **options})
