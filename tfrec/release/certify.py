"""Adds warm-up requests, a certificate, best sellers and training traffic to a version that is not visible yet."""

import dataclasses
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tfrec.client.best_sellers import FILE
from tfrec.features.merchandising import BEFORE_ALL_RULES
from tfrec.features.rule_tables import RuleTables
from tfrec.features.shop import Shop
from tfrec.release.best_sellers import find_best_sellers
from tfrec.release.certificate import (
    CERTIFICATE,
    Certificate,
    CertifiedQuery,
    hash_code,
    hash_files,
    hash_tokens,
    package_versions,
)
from tfrec.release.comparison import COMPARISON
from tfrec.release.trained_traffic import count_training_traffic
from tfrec.release.typical import Arguments, as_batch, typical_queries
from tfrec.release.warm_up import write_warm_up
from tfrec.schema.signatures import SIGNATURES

Answer = Callable[[str, Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]
"""Signature name and inputs → outputs, as what is saved computes them in the trainer's process."""

_CLEAR = 2e-5
"""Neighbours whose scores are nearer may change places on another processor; such queries are left out."""


class Certifier:
    """Completes the folders of an export; `export_servables` calls it for each before it becomes visible.

    Args:
        shop: gives the typical queries of its last days.
        answer: answer function of the funnel that is exported.
        user_ids: the users that it stores; None = all of the shop.
        comparison: text of the comparison with the fall-back, kept beside the certificate of `shop`; "" = none.
        rules: the merchandising rules that it keeps to; None = there are none.
    """

    def __init__(
        self,
        shop: Shop,
        answer: Answer,
        *,
        user_ids: Sequence[str] | None = None,
        comparison: str = "",
        rules: RuleTables | None = None,
    ) -> None:
        self._shop, self._answer, self._comparison, self._rules = shop, answer, comparison, rules
        self._minute = minute_now()
        self._user_ids = shop.users.tokens if user_ids is None else user_ids
        self._queries = typical_queries(shop.prepared.train)
        self._traffic = count_training_traffic(shop)
        self._certified: dict[str, list[CertifiedQuery]] = {}

    def __call__(self, folder: Path, *, servable: str, contract: str, version: int) -> None:
        """Writes warm-up requests, certificate, training traffic and, for what clients ask by default, best sellers.

        Args:
            folder: folder of the version.
            servable: its name.
            contract: the servable of the serving contract whose signatures it has.
            version: its number.
        """
        names = [name for name, signature in SIGNATURES.items() if signature.servable == contract]
        write_warm_up(folder, servable=servable, queries={name: self._queries[name] for name in names})
        shop = self._shop
        tokens = {
            "items": shop.vocabularies.items.tokens,
            "users": self._user_ids,
            "categories": shop.vocabularies.categories.tokens,
            "event_types": shop.vocabularies.event_types,
        }
        certificate = Certificate(
            servable=servable,
            version=version,
            queries=tuple(itertools.chain.from_iterable(self._answered(name) for name in names)),
            files=hash_files(folder),
            data=shop.prepared.manifest.fingerprint,
            vocabularies={name: hash_tokens(values) for name, values in tokens.items()},
            code=hash_code(),
            packages=package_versions(),
            num_users=len(self._user_ids),
        )
        (folder / CERTIFICATE).write_text(certificate.to_json(), encoding="utf-8")
        self._traffic.write(folder)
        if contract == "shop":
            best_sellers = find_best_sellers(shop, version=version)
            if self._rules is not None:
                withheld = shop.vocabularies.items.decode(np.flatnonzero(self._rules.withheld(self._minute)))
                best_sellers = dataclasses.replace(best_sellers, withheld=frozenset(withheld))
            (folder / FILE).write_text(best_sellers.to_json(), encoding="utf-8")
        if self._comparison and servable == "shop":
            (folder / COMPARISON).write_text(self._comparison, encoding="utf-8")

    def _answered(self, name: str) -> list[CertifiedQuery]:
        if name not in self._certified:
            queries = [before_all_rules(query, name) for query in self._queries[name]]
            self._certified[name] = certified_queries(name, queries, self._answer)
        return self._certified[name]


def minute_now() -> int:
    """Returns the present moment as requests name it, in minutes since 1970-01-01 UTC."""
    return int(time.time() // 60)


def before_all_rules(query: Arguments, name: str) -> Arguments:
    """Returns a query of a signature that is answered without merchandising rules, whatever they are."""
    has_rules = any(spec.name == "at_minute" for spec in SIGNATURES[name].inputs)
    return {**query, "at_minute": BEFORE_ALL_RULES} if has_rules else query


def certified_queries(name: str, queries: Sequence[Arguments], answer: Answer) -> list[CertifiedQuery]:
    """Returns the queries of a signature with their answers; those with (nearly) equal scores only if all have such."""
    outputs = answer(name, as_batch(SIGNATURES[name], queries))  # at once: eight answers take as long as one
    certified = []
    for query, item_ids, scores in zip(queries, outputs["item_ids"], outputs["scores"], strict=True):
        is_offered = (item_ids != "") & np.isfinite(scores)
        certified.append(
            CertifiedQuery(
                name, query, tuple(item_ids[is_offered].tolist()), tuple(scores[is_offered].astype(float).tolist())
            )
        )
    clear = [query for query in certified if _is_clear(query.scores)]
    return clear or certified


def _is_clear(scores: Sequence[float]) -> bool:
    ordered = sorted(scores)
    return all(b - a > _CLEAR * max(1.0, abs(a)) for a, b in itertools.pairwise(ordered))
