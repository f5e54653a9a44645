"""Pools what is known of the variants of a product, so that a new colour starts with what the others have shown.

A variant borrows `exp(-x / prior)` of its numbers from the other variants: `x` is how often it would have been bought
by now, had it sold as its product's variants do (its own purchases, where those are more). One that has been on sale
for long keeps what it has shown itself, be it little; one of which nothing is known borrows all. The share falls as an
exponential: the usual credibility weight `prior / (prior + x)` (Bühlmann 1967, "Experience rating and credibility")
falls so slowly that it spoils the numbers of variants that are well known.
"""

import dataclasses

import numpy as np
import scipy.sparse

_LEAST_SHARE = 1e-3
"""Shares below this are not borrowed at all."""


@dataclasses.dataclass(frozen=True)
class PooledVariants:
    """How the rows of tables of items are mixed. `R` rows, the items and row 0.

    Attributes:
        as_candidate: `[R, R]` sparse: what is known of an item that is offered; its rows sum to 1.
        in_cart: `[R, R]` sparse: what is known of an item that others are offered with; its rows sum to 1.
    """

    as_candidate: scipy.sparse.csr_matrix
    in_cart: scipy.sparse.csr_matrix

    def mixed(self, values: np.ndarray) -> np.ndarray:
        """Returns numbers of items `[R, ...]` float32 (popularity, ages), mixed; who borrows nothing keeps its own."""
        flat = values.reshape(len(values), -1)
        return (self.as_candidate @ flat).reshape(values.shape).astype(values.dtype)

    def mixed_weights(
        self, row: np.ndarray, column: np.ndarray, values: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns item-to-item weights, mixed on both sides, as cells that stand row by row.

        Args:
            row: `[cells]` item in the cart.
            column: `[cells]` item that is offered.
            values: `[cells, channels]` float32.
        """
        shape = self.in_cart.shape
        size = np.int64(shape[1])
        channels = []
        for channel in values.T:
            known = channel != 0
            weights = scipy.sparse.csr_matrix((channel[known], (row[known], column[known])), shape=shape)
            mixed = (self.in_cart @ weights @ self.as_candidate.T).tocoo()
            channels.append((mixed.row.astype(np.int64) * size + mixed.col, mixed.data))
        keys = np.unique(np.concatenate([key for key, _ in channels]))
        result = np.zeros((len(keys), len(channels)), np.float32)
        for number, (key, data) in enumerate(channels):
            result[np.searchsorted(keys, key), number] = data
        inside = keys // size != keys % size
        inside |= np.isin(keys, row.astype(np.int64) * size + column)  # an item follows itself where it did so
        return keys[inside] // size, keys[inside] % size, result[inside]


def pool_variants(
    group: np.ndarray, purchases: np.ndarray, days_on_sale: np.ndarray, *, prior: float
) -> PooledVariants | None:
    """Returns how the variants of products borrow from each other; None where none does.

    Args:
        group: `[R]` product of each item; 0 = no variants.
        purchases: `[R]` how often each was bought.
        days_on_sale: `[R]` days for which each could be bought; 0 = not known to have been on sale.
        prior: expected purchases at which a variant borrows 1 / e.
    """
    of_group = lambda values: np.bincount(group, values, minlength=int(group.max(initial=0)) + 1)[group]  # noqa: E731
    purchases, days = purchases.astype(float), days_on_sale.astype(float)
    rate = np.divide(of_group(purchases), of_group(days), out=np.zeros(len(group)), where=of_group(days) > 0)
    is_pooled = (group > 0) & (rate > 0) & (of_group(np.ones(len(group))) > 1)
    borrowed = [np.exp(-known / prior) for known in (np.maximum(purchases, rate * days), purchases)]
    shares = [np.where(is_pooled & (share >= _LEAST_SHARE), share, 0.0) for share in borrowed]
    if not any(share.any() for share in shares):
        return None
    matrices = [_mixing(group, share, lent) for share, lent in zip(shares, (days, purchases), strict=True)]
    return PooledVariants(*matrices)


def _mixing(group: np.ndarray, share: np.ndarray, lent: np.ndarray) -> scipy.sparse.csr_matrix:
    """Returns `[R, R]`: `1 - share` of an item, `share` of the mean of its product's, weighted by `lent [R]`."""
    size = len(group)
    in_group = scipy.sparse.csr_matrix((np.ones(size), (np.arange(size), group)), shape=(size, int(group.max()) + 1))
    total = np.bincount(group, lent, minlength=in_group.shape[1])[group]
    lent = np.divide(lent, total, out=np.zeros(size), where=total > 0)
    lenders = scipy.sparse.diags(lent).dot(in_group)
    borrowers = scipy.sparse.diags(share).dot(in_group)
    return (scipy.sparse.diags(1.0 - share) + borrowers @ lenders.T).tocsr().astype(np.float32)
