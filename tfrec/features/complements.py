"""Learns which leaf categories complete which: what buying from one adds to buying from another, and its direction.

The idea: among visits in which category a was *seen*, those in which it was also *bought* are compared with those in
which something else was. Where buying a raises the chance that b is bought, b goes with a; where it lowers it, they
stand in for each other. What is merely browsed together does not differ between the two.
"""

import dataclasses

import numpy as np
import pandas as pd
import scipy.sparse

from tfrec.features.sequences import BehaviourSequences

_PRIOR = 10.0  # visits that the overall rate of a category weighs in its rate beside another
_ERRORS = 2.0  # standard errors that an effect must exceed
_LEAST_ADDED = 0.02  # share of the buyers who take the complement on its account
_SORTED = 0.9  # share of neighbouring lines that ascend by a column, from which on their order says nothing
_LEAST_RELATIVE = 0.5  # of the strongest complement, in a log that does not show what was only browsed together
_MOST_OTHERS = 10  # orders with so many further categories, or more, are compared with each other


@dataclasses.dataclass(frozen=True)
class CategoryComplements:
    """The strongest complements of each leaf category. `C` categories (row 0 = unknown), `W` complements kept.

    Attributes:
        category: `[C + 1, W]` int32 category indices, strongest first; 0 behind the end of a row.
        strength: `[C + 1, W]` float32 share of the category's buyers who take the complement on its account, at least
            (two standard errors below the estimate), less where it was often put into the cart first; 0 behind the end.
    """

    category: np.ndarray
    strength: np.ndarray


def learn_complements(
    sequences: BehaviourSequences, rows: np.ndarray, target: np.ndarray, *, width: int
) -> CategoryComplements:
    """Returns the complements of each leaf category.

    Args:
        sequences: behaviour.
        rows: `[E]` bool: the events that may be looked at.
        target: `[E]` bool: those of them that are purchases.
        width: complements kept of each category.
    """
    num_categories = sequences.vocabularies.categories.size
    pairs = compare_categories(sequences, rows, target)
    pairs = pairs[pairs["strength"] > 0].sort_values(
        ["category", "strength", "complement"], ascending=[True, False, True]
    )
    place = pairs.groupby("category").cumcount().to_numpy()
    category, strength = np.zeros((num_categories, width), np.int32), np.zeros((num_categories, width), np.float32)
    kept = place < width
    cells = pairs["category"].to_numpy()[kept], place[kept]
    category[cells], strength[cells] = pairs["complement"].to_numpy()[kept], pairs["strength"].to_numpy()[kept]
    longest = max(int((strength > 0).sum(axis=1).max(initial=0)), 1)
    return CategoryComplements(category[:, :longest], strength[:, :longest])


def compare_categories(sequences: BehaviourSequences, rows: np.ndarray, target: np.ndarray) -> pd.DataFrame:
    """Returns what is known of each pair of leaf categories that were bought together.

    In a log of orders alone, the orders with a are compared with orders without it that hold as many other categories;
    what is browsed together looks like a weak complement there, so that only the stronger ones count.

    Args:
        sequences: behaviour.
        rows: `[E]` bool: the events that may be looked at.
        target: `[E]` bool: those of them that are purchases.

    Returns:
        A row a pair: category, complement (indices), visits (in which the first was bought), both (in which the second
        was, too), rate (of the second among them), rate_without (among the visits compared with), forward (share of
        those where one came first in which it was the first; .5 = not known), strength (0 = not a complement).
    """
    leaf = sequences.vocabularies.catalogue.leaf_category[sequences.item]
    known = leaf > 0
    bought = target & known
    visits = np.unique(sequences.session[bought])
    seen_rows = rows & known & np.isin(sequences.session, visits)
    size = sequences.vocabularies.categories.size
    held = _matrix(np.searchsorted(visits, sequences.session[bought]), leaf[bought], (len(visits), size))
    seen = _matrix(np.searchsorted(visits, sequences.session[seen_rows]), leaf[seen_rows], (len(visits), size))
    number = np.asarray(held.sum(axis=0)).ravel()
    together = (held.T @ held).tocoo()
    other = together.row != together.col
    first, second, both = together.row[other], together.col[other], together.data[other]
    overall = number[second] / max(len(visits), 1)
    passed = seen - seen.multiply(held)  # looked at and left
    num_passed = np.asarray(passed.sum(axis=0)).ravel()
    if num_passed.sum():
        with_passed = _at(passed.T @ held, first, second)
        rate_without = (with_passed + _PRIOR * overall) / (num_passed[first] + _PRIOR)
        num_without = num_passed[first]
    else:
        rate_without = _rate_of_as_many_others(held, first, second)
        num_without = len(visits) - number[first]
    rate = (both + _PRIOR * overall) / (number[first] + _PRIOR)
    error = np.sqrt(
        rate * (1 - rate) / (number[first] + _PRIOR) + rate_without * (1 - rate_without) / (num_without + _PRIOR)
    )
    forward, is_backward = _direction(sequences, rows, bought, leaf, first, second)
    added = rate - rate_without - _ERRORS * error
    strength = np.where((added >= _LEAST_ADDED) & ~is_backward, added * np.minimum(1.0, 2.0 * forward), 0.0)
    if not num_passed.sum():
        strongest = np.zeros(size)
        np.maximum.at(strongest, first, strength)
        strength = np.where(strength >= _LEAST_RELATIVE * strongest[first], strength, 0.0)
    return pd.DataFrame(
        {
            "category": first,
            "complement": second,
            "visits": number[first].astype(np.int64),
            "both": both.astype(np.int64),
            "rate": rate,
            "rate_without": rate_without,
            "forward": forward,
            "strength": strength,
        }
    )


def _matrix(row: np.ndarray, column: np.ndarray, shape: tuple[int, int]) -> scipy.sparse.csr_matrix:
    matrix = scipy.sparse.csr_matrix((np.ones(len(row)), (row, column)), shape=shape)
    matrix.data[:] = 1.0
    return matrix


def _at(matrix: scipy.sparse.spmatrix, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Returns `[n]` cells of a sparse matrix."""
    if not len(row):
        return np.zeros(0)
    return np.asarray(matrix.tocsr()[row, column], float).ravel()


def _rate_of_as_many_others(held: scipy.sparse.csr_matrix, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns `[pairs]`: how often orders without the first hold the second, if they held as many other categories.

    An order that holds much holds more of everything; this is no relation.
    """
    num_held = np.asarray(held.sum(axis=1)).ravel()
    with_first = np.asarray(held.sum(axis=0)).ravel()[first]
    rate = np.zeros(len(first))
    for others in range(1, _MOST_OTHERS + 1):
        is_last = others == _MOST_OTHERS
        of_size = held[num_held >= others if is_last else num_held == others]
        larger = held[num_held > others if is_last else num_held == others + 1]
        share = np.asarray(larger.sum(axis=0)).ravel()[first] / with_first
        number = np.asarray(of_size.sum(axis=0)).ravel()
        without = of_size.shape[0] - number[first]
        holds = number[second] - _at(of_size.T @ of_size, first, second)
        rate += share * holds / np.maximum(without, 1)
    return rate


def _direction(
    sequences: BehaviourSequences,
    rows: np.ndarray,
    bought: np.ndarray,
    leaf: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns `[pairs]` which share of visits began with the first of the two, and whether clearly less than half.

    What was bought counts from when it was first seen in the visit. Lines of an order count in their
    order, unless they are sorted by item or price.
    """
    before = _times_before(sequences, rows, bought, leaf)
    forth, back = _at(before, first, second), _at(before, second, first)
    share = (forth + 2.0) / (forth + back + 4.0)
    return share, back - forth > _ERRORS * np.sqrt(forth + back)


def _times_before(
    sequences: BehaviourSequences, rows: np.ndarray, bought: np.ndarray, leaf: np.ndarray
) -> scipy.sparse.csr_matrix:
    """Returns `[C + 1, C + 1]`: in how many visits what was bought of one category was chosen before the other."""
    size, visits = sequences.vocabularies.categories.size, sequences.session.astype(np.int64)
    chosen = visits * sequences.vocabularies.items.size + sequences.item
    at = np.flatnonzero(rows & np.isin(chosen, np.unique(chosen[bought])) & (leaf > 0))
    first_of = np.unique((visits * size + leaf)[at], return_index=True)[1]  # of each category in each visit
    at = at[np.sort(first_of)]
    at = at[np.lexsort((at, sequences.session[at]))]
    visit, hour, category = sequences.session[at], sequences.hour[at], leaf[at]
    order = hour if _is_sorted(sequences, at) else np.arange(len(at), dtype=float)
    before = scipy.sparse.csr_matrix((size, size))
    for step in range(1, _MOST_OTHERS):
        earlier, later = slice(None, -step), slice(step, None)
        ordered = (visit[earlier] == visit[later]) & (order[earlier] < order[later])
        pair = (np.ones(int(ordered.sum())), (category[earlier][ordered], category[later][ordered]))
        before = before + scipy.sparse.csr_matrix(pair, shape=(size, size))
    return before


def _is_sorted(sequences: BehaviourSequences, at: np.ndarray) -> bool:
    """Returns whether lines of one moment are sorted by item or by price, so that their order says nothing."""
    visit, hour, item = sequences.session[at], sequences.hour[at], sequences.item[at]
    is_tie = (visit[1:] == visit[:-1]) & (hour[1:] == hour[:-1])
    if not is_tie.any():
        return False
    ids, price = sequences.vocabularies.items.tokens, sequences.vocabularies.catalogue.price
    rank = np.argsort(np.argsort(ids.astype(str), kind="stable"), kind="stable")
    for column in (rank[item - 1].astype(float), price[item]):
        ascends = np.mean(column[1:][is_tie] >= column[:-1][is_tie])
        if max(ascends, 1 - ascends) >= _SORTED:
            return True
    return False
