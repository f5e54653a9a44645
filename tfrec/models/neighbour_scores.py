"""Implements `tfrec.features.neighbour_scores` in the graph: an inverted index finds the exact neighbours."""

import numpy as np
import tensorflow as tf

from tfrec.features.neighbour_scores import MAX_PLACES, TifuScores, UpCfScores, UserKnnScores, VmisScores
from tfrec.models.graph_tables import AskedInGraph, SparseTable, table
from tfrec.models.rows import latest_places, without_repeats


class UserKnnInGraph:
    """`UserKnnScores` in the graph.

    Args:
        scores: the formula's tables.
    """

    def __init__(self, scores: UserKnnScores) -> None:
        self._scores = scores
        self._own = SparseTable(scores.own, "own")
        self._users_of_item = SparseTable(scores.users.T, "users_of_item")
        self._users = SparseTable(scores.users, "users")
        self._norm = table(scores.norm.astype(np.float32), "norm")

    @property
    def variables(self) -> list[tf.Variable]:
        """The tables."""
        return [self._norm, *self._own.variables, *self._users_of_item.variables, *self._users.variables]

    def __call__(self, asked: AskedInGraph) -> tf.Tensor:
        """Returns `[B, n]` scores."""
        query = asked.context * self._scores.cart_weight + self._own.rows(asked.user)
        length = tf.norm(query, axis=1, keepdims=True)
        like = self._users_of_item.product(query) / (length * self._norm[None, :] + self._scores.shrink)
        like = _without_themselves(like, asked.user, num_users=self._own.shape[0] - 1, value=0.0)
        return self._users.product(_strongest(like, k=self._scores.num_neighbours))


class UpCfInGraph:
    """`UpCfScores` in the graph.

    Args:
        scores: the formula's tables.
    """

    def __init__(self, scores: UpCfScores) -> None:
        self._scores = scores
        self._own = SparseTable(scores.own, "own")
        self._users_of_item = SparseTable(scores.own.T, "users_of_item")
        self._popularity = SparseTable(scores.popularity, "user_popularity")
        self._size = table(scores.size.astype(np.float32), "size")

    @property
    def variables(self) -> list[tf.Variable]:
        """The tables."""
        parts = (self._own, self._users_of_item, self._popularity)
        return [self._size, *(variable for part in parts for variable in part.variables)]

    def __call__(self, asked: AskedInGraph) -> tf.Tensor:
        """Returns `[B, n]` scores."""
        query = tf.maximum(self._own.rows(asked.user), asked.context)
        length = tf.maximum(tf.reduce_sum(query, axis=1, keepdims=True), 1.0) ** self._scores.asymmetry
        like = (self._users_of_item.product(query) / (length * self._size[None, :])) ** self._scores.locality
        return self._popularity.product(like)


class TifuInGraph:
    """`TifuScores` in the graph.

    Args:
        scores: the formula's tables.
    """

    def __init__(self, scores: TifuScores) -> None:
        self._scores = scores
        num_users = scores.vectors.shape[0] - 1
        self._vectors = SparseTable(scores.vectors, "vectors")
        self._users_of_item = SparseTable(scores.vectors[:num_users].T, "users_of_item")
        self._square = table(scores.square[:num_users].astype(np.float32), "square")

    @property
    def variables(self) -> list[tf.Variable]:
        """The tables."""
        return [self._square, *self._vectors.variables, *self._users_of_item.variables]

    def __call__(self, asked: AskedInGraph) -> tf.Tensor:
        """Returns `[B, n]` scores."""
        num_users, k = self._vectors.shape[0] - 1, self._scores.num_neighbours
        if not num_users:
            return tf.zeros_like(asked.context)
        own_vectors = self._vectors.rows(asked.user)
        query = own_vectors + asked.context * self._scores.cart_weight
        distance = self._square[None, :] - 2.0 * self._users_of_item.product(query)
        distance = _without_themselves(distance, asked.user, num_users=num_users, value=float("inf"))
        _, nearest = tf.math.top_k(-distance, k)
        weights = _scattered(nearest, tf.fill(tf.shape(nearest), 1.0 / k), width=num_users + 1)
        share = self._scores.own_share
        return own_vectors * share + self._vectors.product(weights) * (1.0 - share)


class VmisInGraph:
    """`VmisScores` in the graph; sessions are sorted latest first, so that ties favour the later one.

    Args:
        scores: the formula's tables.
    """

    def __init__(self, scores: VmisScores) -> None:
        self._scores = scores
        self._sessions_of_item = SparseTable(scores.index[:, ::-1], "sessions_of_item")
        self._session_weights = SparseTable(scores.session_weights[::-1], "session_weights")

    @property
    def variables(self) -> list[tf.Variable]:
        """The tables."""
        return [*self._sessions_of_item.variables, *self._session_weights.variables]

    def __call__(self, asked: AskedInGraph) -> tf.Tensor:
        """Returns `[B, n]` scores."""
        backwards = without_repeats(tf.reverse(asked.recent + 1, axis=[1]))
        ordered = tf.reverse(backwards, axis=[1])
        places = latest_places(ordered, self._scores.max_length)
        items = tf.reverse(tf.gather(ordered, places, batch_dims=1), axis=[1])  # latest first, 0 behind the end
        is_item = items > 0
        back = tf.cast(tf.range(tf.shape(items)[1]), tf.float32)[None, :]
        length = tf.maximum(tf.reduce_sum(tf.cast(is_item, tf.float32), axis=1, keepdims=True), 1.0)
        width = tf.shape(asked.context)[1] + 1

        def shared(weight: tf.Tensor) -> tf.Tensor:
            by_item = _scattered(items, tf.where(is_item, weight, 0.0), width=width)[:, 1:]
            return self._sessions_of_item.product(by_item)

        like = _strongest(shared((length - back) / length), k=self._scores.num_neighbours)
        bits = tf.maximum(shared(2.0 ** (MAX_PLACES - back)), 1.0)  # the highest bit identifies the latest shared item
        # log2 by the logarithm of e alone may fall just short of a power of two; half a bit more decides nothing.
        reach = 1.0 - 0.1 * (MAX_PLACES + 1.0 - tf.floor(tf.math.log(bits + 0.5) / np.log(2.0)))
        return self._session_weights.product(like * reach)


def _strongest(like: tf.Tensor, *, k: int) -> tf.Tensor:
    """Returns `[B, R]`, zero but for the k largest positive cells of each row; ties go to the smaller column."""
    width = tf.shape(like)[1]
    value, column = tf.math.top_k(like, tf.minimum(k, width))
    return _scattered(column, tf.maximum(value, 0.0), width=width)


def _scattered(column: tf.Tensor, value: tf.Tensor, *, width: tf.Tensor | int) -> tf.Tensor:
    """Returns `[B, width]` with `value [B, k]` at `column [B, k]`."""
    size = tf.shape(column)[0]
    segment = tf.reshape(column + tf.range(size)[:, None] * width, [-1])
    return tf.reshape(tf.math.unsorted_segment_sum(tf.reshape(value, [-1]), segment, size * width), [size, width])


def _without_themselves(like: tf.Tensor, user: tf.Tensor, *, num_users: int, value: float) -> tf.Tensor:
    is_self = tf.equal(tf.range(tf.shape(like)[1])[None, :], tf.where(user < num_users, user, -1)[:, None])
    return tf.where(is_self, value, like)
