"""Times `cross_sell` of a trained funnel against the same funnel without the steps of the strategies.

The plain one has the same tables, candidates, features, ranking model and reasons, honours the limits of the request
(exclusions, categories, prices, what the user bought) and takes the best k by score. It has no complements first, no
substitutes left out, no variants, fits, rules, objective or variety.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tests.benchmarks.results import Figure
from tfrec.client.queries import build_inputs
from tfrec.features.shop import load_shop
from tfrec.features.stored_users import StoredUsers
from tfrec.models.sources.shortlist import Shortlist
from tfrec.models_folder import TRAINED
from tfrec.schema.signatures import SIGNATURES
from tfrec.schema.tables import Tables
from tfrec.serving.recommend import newest_version
from tfrec.serving.servable import Servable
from tfrec.strategy.asked import Asked
from tfrec.strategy.candidate_slate import Chosen, top
from tfrec.strategy.complements import only_new
from tfrec.strategy.constraints import eligible_items
from tfrec.strategy.funnel import Funnel
from tfrec.strategy.reasons import Reasons
from tfrec.training import load_trained
from tfrec.training.export import ServedFunnel, export_servables

WITH, WITHOUT = "with strategies", "without"
NUM_REQUESTS = 1000
_RESAMPLES = 1000


class PlainFunnel(Funnel):
    """The funnel without strategies: see the file."""

    def _answer(self, asked: Asked) -> tuple[Chosen, Reasons]:
        query, limits, k = asked.query, asked.limits, asked.k

        def allows(shortlist: Shortlist, is_own: tf.Tensor) -> tf.Tensor:
            sources = self.sources
            eligible = eligible_items(
                limits,
                shortlist,
                is_offered=sources.is_offered,
                price=sources.price,
                category_paths=sources.categories,
            )
            return only_new(eligible, is_own=is_own, is_discovery=query.is_discovery > 0)

        evidence = self.sources.gather_evidence(query, allows, at_least=k)
        items = self.sources.candidates(evidence, at_least=k)
        slate = top(self._scored(query, evidence, items), k=k)
        return Chosen(slate, tf.zeros_like(slate.item)), self._explain(
            self.sources, evidence, slate.item, query=asked.query, ranking=self.ranking
        )


class PlainAnswers:
    """Answers by a trained funnel without strategies, by the graphs of this process.

    Args:
        prepared: folder of the prepared shop.
        models: folder that `train_shop` wrote.
    """

    def __init__(self, prepared: Path, models: Path) -> None:
        self._served = _served_by(PlainFunnel, prepared, models)

    def call(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns outputs `[B, k]`; strings as `str`."""
        return self._served.answer(signature, inputs)


def export_both(prepared: Path, models: Path, out: Path) -> dict[str, Path]:
    """Exports the trained funnel with and without strategies, and returns the folders of the versions of `shop`."""
    for name, kind in ((WITH, Funnel), (WITHOUT, PlainFunnel)):
        export_servables(_served_by(kind, prepared, models), out / name, about={})
    return {name: newest_version(out / name, "shop") for name in (WITH, WITHOUT)}


def _served_by(kind: type[Funnel], prepared: Path, models: Path) -> ServedFunnel:
    """Returns the trained funnel of a kind, with raw ids at its edges."""
    shop = load_shop(prepared)
    trained, config = load_trained(shop, models / TRAINED)
    users = StoredUsers.parse(config.users).choose(trained.feature_tables)
    sources = trained.sources(shop, config.sources, features=config.features, users=users)
    return ServedFunnel(shop, kind(sources, trained.ranking, strategy=config.strategy), shop.users.tokens[users - 1])


TIMED = {"cross_sell": "ten items", "page": "page of three widgets", "bundle": "bundle of two items"}
"""Signatures that are timed against `cross_sell` without strategies, and what the requests ask for."""


def time_answers(
    versions: dict[str, Path], train: Tables, *, num_requests: int = NUM_REQUESTS, seed: int = 0
) -> dict[str, tuple[Figure, str]]:
    """Returns signature → the ratio of the medians of one request each, its time with strategies over `cross_sell`
    without, and both medians in words.

    One thread, one request a call, each request to all in turn, after a tenth that does not count. A request is a
    known user's, with a page and a cart of two items, all bought in training and drawn by `seed`. The interval is that
    of a bootstrap over requests, of which all times are kept together.
    """
    rng = np.random.default_rng(seed)
    purchases = train.purchases
    bought = np.sort(purchases["item_id"].astype(object).unique())
    users = np.sort(purchases.loc[purchases["user_id"] != "", "user_id"].astype(object).unique())
    asked = [
        {"user_id": str(user), "item_id": str(page), "cart_item_ids": list(map(str, cart))}
        for user, page, cart in zip(
            rng.choice(users, num_requests),
            rng.choice(bought, num_requests),
            rng.choice(bought, (num_requests, 2)),
            strict=True,
        )
    ]
    servables = {name: Servable.load(path, intra_op_threads=1, inter_op_threads=1) for name, path in versions.items()}
    calls = [(WITHOUT, "cross_sell"), *((WITH, signature) for signature in TIMED)]
    requests = {
        signature: [build_inputs(SIGNATURES[signature], one)[0] for one in asked]
        for signature in ("cross_sell", *TIMED)
    }
    times = {call: np.zeros(num_requests) for call in calls}
    for at in range(num_requests // 10):
        for name, signature in calls:
            servables[name].call(signature, requests[signature][at])
    for at in tqdm(range(num_requests), desc="timing answers", unit="request", disable=None):
        for call in calls if at % 2 else calls[::-1]:
            times[call][at] = _seconds(servables[call[0]], call[1], requests[call[1]][at])
    for servable in servables.values():
        servable.close()
    drawn = rng.integers(0, num_requests, (_RESAMPLES, num_requests))
    medians = {call: float(np.median(values)) for call, values in times.items()}
    found = {}
    for signature in TIMED:
        ratios = np.median(times[WITH, signature][drawn], axis=1) / np.median(times[calls[0]][drawn], axis=1)
        low, high = np.percentile(ratios, [2.5, 97.5])
        words = f"medians: {1e3 * medians[WITH, signature]:.2f} ms, without strategies {1e3 * medians[calls[0]]:.2f} ms"
        ratio = medians[WITH, signature] / medians[calls[0]]
        found[signature] = (Figure(ratio, float(low), float(high)), words)
    return found


def _seconds(servable: Servable, signature: str, inputs: dict[str, np.ndarray]) -> float:
    began = time.perf_counter()
    servable.call(signature, inputs)
    return time.perf_counter() - began
