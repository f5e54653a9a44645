"""Measures on the validation period what each merchandising rule costs: hits, revenue, slates that it touches."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfrec.errors import SchemaError
from tfrec.evaluation.cases import Cases
from tfrec.evaluation.protocol import cart_completion_cases, discover_cases
from tfrec.evaluation.sessions import next_item_cases
from tfrec.features.merchandising import MerchandisingRules, read_rules
from tfrec.features.rule_tables import RuleTables, compile_rules
from tfrec.jobs.validation_replay import open_replay
from tfrec.models_folder import RULES, load_same_shop, read_models_manifest
from tfrec.statistics.paired import PairedComparison, compare_paired


@dataclasses.dataclass(frozen=True)
class RuleCost:
    """What a rule changes of the slates of the validation period.

    Attributes:
        rule: number of the rule in the file, from 1; 0 = all that are in force now, together.
        about: its kind and reason.
        num_slates: slates of the signatures that it holds in and that the period has queries for.
        num_touched: those that have other items, or another order, with the rule.
        hit_rate: share of the slates that hold what was bought next, with the rule less without; None without slates.
        revenue: price of what was bought next where the slate holds it, per slate, likewise.
    """

    rule: int
    about: str
    num_slates: int
    num_touched: int
    hit_rate: PairedComparison | None
    revenue: PairedComparison | None


def measure_rules(
    models: Path, rules: Path | None = None, *, prepared: Path | None = None, max_queries: int = 1000, k: int = 10
) -> list[RuleCost]:
    """Returns the cost of each rule alone, as if it were in force in the validation period, and of all that are now.

    The trained weights answer with the tables of the day on which the validation period began; nothing of the test
    period is read. Carts with one item hidden ask `complete_cart`, and `cross_sell` where it is new to the user;
    visits ask `recommend` for their next item.

    Args:
        models: folder that `train_shop` wrote.
        rules: `rules.toml`; None = the rules of `models`.
        prepared: folder of the shop; None = where it lay when the models were trained.
        max_queries: of each signature, sampled, seeded.
        k: items of a slate.

    Raises:
        ConfigError: there are no rules, or one is wrong.
        SourceError: nothing is trained, or the shop is gone or another one.
        SchemaError: the validation period has no query.
    """
    read = read_rules(rules or models / RULES)
    shop = load_same_shop(read_models_manifest(models), prepared)
    calendar = shop.prepared.calendar
    known = shop.prepared.train
    compile_rules(read, known.items, known.users, calendar=calendar)  # refuses what is wrong
    replay = open_replay(models, shop)
    tables = replay.train
    cases = _cases(tables, replay.later, max_queries)

    def compiled(*chosen: Any) -> RuleTables:
        return compile_rules(
            MerchandisingRules(chosen), tables.items, tables.users, calendar=calendar, ignore_unknown=True
        )

    def slates_of(one: Cases, tables: RuleTables) -> np.ndarray:
        replay.served.funnel.merchandising.assign(tables)
        return replay.slates(one.signature, one.to_queries(), k=k).item_ids

    without = {name: slates_of(one, compiled()) for name, one in cases.items()}
    costs = []
    for number, rule in enumerate(read.rules, start=1):
        names = [name for name in cases if name in (rule.signatures or cases)]
        always = compiled(dataclasses.replace(rule, start="", end=""))
        slates = {name: slates_of(cases[name], always) for name in names}
        costs.append(_cost(number, f"{rule.do}: {rule.reason}", {name: cases[name] for name in names}, without, slates))
    slates = {name: slates_of(one, compiled(*read.rules)) for name, one in cases.items()}
    return [*costs, _cost(0, "all that are in force now", cases, without, slates)]


def _cases(train: Any, later: Any, most: int) -> dict[str, Cases]:
    """Returns signature → queries with a known answer, of those that the period has."""
    carts = cart_completion_cases(train, later, seed=0)
    found = {
        "complete_cart": carts,
        "cross_sell": discover_cases(carts, train),
        "recommend": next_item_cases(train, later),
    }
    rng = np.random.default_rng(0)
    chosen = {name: cases[np.sort(rng.permutation(len(cases))[:most])] for name, cases in found.items() if len(cases)}
    if not chosen:
        raise SchemaError(
            "The validation period has neither an order with two known items nor a visit with two clicks. "
            "Prepare the shop with an earlier `validation_from`."
        )
    return chosen


def _cost(
    number: int,
    about: str,
    cases: Mapping[str, Cases],
    without: Mapping[str, np.ndarray],
    slates: Mapping[str, np.ndarray],
) -> RuleCost:
    if not cases:
        return RuleCost(number, about, 0, 0, None, None)
    hits: list[list[np.ndarray]] = [[], []]
    prices, groups, touched = [], [], 0
    for name, asked in cases.items():
        truth = asked.item_ids.to_numpy(object)[asked.truths[:, 0]][:, None]
        for kept, slate in zip(hits, (slates[name], without[name]), strict=True):
            kept.append((slate == truth).any(axis=1).astype(float))
        touched += int((slates[name] != without[name]).any(axis=1).sum())
        prices.append(np.nan_to_num(asked.prices))
        groups.append(asked.groups)
    with_rule, plain = (np.concatenate(kept) for kept in hits)
    price, group = np.concatenate(prices), np.concatenate(groups)
    return RuleCost(
        rule=number,
        about=about,
        num_slates=len(group),
        num_touched=touched,
        hit_rate=compare_paired(with_rule, plain, group),
        revenue=compare_paired(with_rule * price, plain * price, group),
    )
