"""Times `cross_sell` of a trained funnel against the same funnel without the steps of the strategies.

The plain one has the same tables, candidates, features, ranking model and reasons, honours the limits of the request
(exclusions, categories, prices, what the user bought) and takes the best k by score. It has no complements first, no
substitutes left out, no variants, fits, rules, objective or variety.
"""

import time
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
from tfrec.strategy.candidate_slate import CandidateSlate, top
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

    def _answer(self, asked: Asked) -> tuple[CandidateSlate, Reasons]:
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
        return slate, self._explain(self.sources, evidence, slate.item)


def export_both(prepared: Path, models: Path, out: Path) -> dict[str, Path]:
    """Exports the trained funnel with and without strategies, and returns the folders of the versions of `shop`."""
    shop = load_shop(prepared)
    trained, config = load_trained(shop, models / TRAINED)
    users = StoredUsers.parse(config.users).choose(trained.feature_tables)
    sources = trained.sources(shop, config.sources, features=config.features, users=users)
    for name, kind in ((WITH, Funnel), (WITHOUT, PlainFunnel)):
        funnel = kind(sources, trained.ranking, strategy=config.strategy)
        export_servables(ServedFunnel(shop, funnel, shop.users.tokens[users - 1]), out / name, about={})
    return {name: newest_version(out / name, "shop") for name in (WITH, WITHOUT)}


def time_cross_sell(
    versions: dict[str, Path], train: Tables, *, num_requests: int = NUM_REQUESTS, seed: int = 0
) -> tuple[Figure, str]:
    """Returns the ratio of the medians of one request each, with over without, and both medians in words.

    One thread, one request a call, each request to both in turn, after a tenth that does not count. A request is a
    known user's, with a page and a cart of two items, all bought in training and drawn by `seed`. The interval is that
    of a bootstrap over requests, of which both times are kept together.
    """
    rng = np.random.default_rng(seed)
    purchases = train.purchases
    bought = np.sort(purchases["item_id"].astype(object).unique())
    users = np.sort(purchases.loc[purchases["user_id"] != "", "user_id"].astype(object).unique())
    requests = [
        build_inputs(
            SIGNATURES["cross_sell"],
            {"user_id": str(user), "item_id": str(page), "cart_item_ids": list(map(str, cart)), "k": 10},
        )[0]
        for user, page, cart in zip(
            rng.choice(users, num_requests),
            rng.choice(bought, num_requests),
            rng.choice(bought, (num_requests, 2)),
            strict=True,
        )
    ]
    servables = {name: Servable.load(path, intra_op_threads=1, inter_op_threads=1) for name, path in versions.items()}
    times = {name: np.zeros(num_requests) for name in servables}
    for inputs in requests[: num_requests // 10]:
        for servable in servables.values():
            servable.call("cross_sell", inputs)
    for at, inputs in enumerate(tqdm(requests, desc="timing cross_sell", unit="request", disable=None)):
        for name in (WITH, WITHOUT) if at % 2 else (WITHOUT, WITH):
            times[name][at] = _seconds(servables[name], inputs)
    for servable in servables.values():
        servable.close()
    drawn = rng.integers(0, num_requests, (_RESAMPLES, num_requests))
    ratios = np.median(times[WITH][drawn], axis=1) / np.median(times[WITHOUT][drawn], axis=1)
    medians = {name: float(np.median(values)) for name, values in times.items()}
    low, high = np.percentile(ratios, [2.5, 97.5])
    words = ", ".join(f"{name} {1e3 * value:.2f} ms" for name, value in medians.items())
    return Figure(medians[WITH] / medians[WITHOUT], float(low), float(high)), f"medians: {words}"


def _seconds(servable: Servable, inputs: dict[str, np.ndarray]) -> float:
    began = time.perf_counter()
    servable.call("cross_sell", inputs)
    return time.perf_counter() - began
