"""An offer test and a budget become a campaign plan: who gets which offer, who is held out, what is promised."""

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import threadpoolctl

from tfrec.errors import ConfigError, SchemaError, nearest_hint
from tfrec.experiments.assignment import hash_uniform
from tfrec.experiments.effects import to_plain
from tfrec.experiments.user_tables import require
from tfrec.promotions.campaign import HELD_OUT, TREATED, CampaignPlan, Evidence, plan_campaign
from tfrec.promotions.curves import UpliftCurve, uplift_curve
from tfrec.promotions.offer_log import PROFIT, OfferLog, per_offer
from tfrec.promotions.response import boosted_response, cross_fit_responses, expected, fit_response
from tfrec.promotions.trial import Balance, Encoder, Trial, check_balance
from tfrec.promotions.uplift import DRLearner, StackedLearner, TLearner, cross_fit_uplift, default_learner, fit_uplift

FEWEST = 200
"""Users an arm below which a model of their differences is not worth fitting."""

_MANY = 50_000  # users of a test from which trees gain by more threads
_FOLDS = 3  # inner and outer: a third of the time that five of each take, for a little less to learn from


@dataclasses.dataclass(frozen=True)
class PlanConfig:
    """Dials of a campaign.

    Attributes:
        name: of the campaign; decides who is held out.
        budget: most that may be spent: money, or offers where their cost is not known.
        outcome: what is worth money; the first of margin, spend, conversion, visit that the test has when empty.
        worth: money that one unit of the outcome brings; None: 1 for margin, else it must be given (of spend: the
            margin's share).
        send_costs: offer → cost of sending one.
        face_values: offer → most that one can cost; counts against the budget in full, which makes it a guarantee.
        holdout_share: share of users held out at random.
        min_users: an offer that fewer users would get is not made.
        max_cost_per_user: cap.
        return_floor: least profit per unit of cost over the whole campaign.
        group: column of groups for floors.
        floors: group → least share of its helpable users that get an offer.
        seed: of the folds.
    """

    name: str
    budget: float
    outcome: str = ""
    worth: float | None = None
    send_costs: Mapping[str, float] = dataclasses.field(default_factory=dict)
    face_values: Mapping[str, float] = dataclasses.field(default_factory=dict)
    holdout_share: float = 0.1
    min_users: int = 50
    max_cost_per_user: float = np.inf
    return_floor: float = 0.0
    group: str = ""
    floors: Mapping[str, float] = dataclasses.field(default_factory=dict)
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class TestedPlan:
    """A plan beside the test that it rests on.

    Attributes:
        plan: who gets what.
        outcome: what was turned into money.
        cost_kind: what the budget counts: `face value` (a guarantee), `expected cost` (kept on average), `offers`.
        attributes: what users were told apart by.
        balance: whether the test's offers were drawn blindly.
        curves: offer → what is gained by treating the best-scored users of the test first, in profit.
        dropped: offers that fewer than `min_users` users would have got.
        sleeping: users who are predicted to be put off by offers, or to cost more than they bring under each; none of
            them is ever sent one.
    """

    plan: CampaignPlan
    outcome: str
    cost_kind: str
    attributes: tuple[str, ...]
    balance: Balance
    curves: dict[str, UpliftCurve]
    dropped: tuple[str, ...]
    sleeping: int

    def by_offer(self) -> pd.DataFrame:
        """Returns one row an offer: `offer`, `users`, `held_out`, `cost`, `gain`, `profit` by the model."""
        table = self.plan.table
        treated, held = table[table["status"] == TREATED], table[table["status"] == HELD_OUT]
        grouped = treated.groupby("offer").agg(
            users=("user_id", "size"), cost=("cost", "sum"), gain=("expected_gain", "sum"),
            profit=("expected_profit", "sum"),
        )  # fmt: skip
        grouped["held_out"] = held.groupby("offer").size()
        columns = ["users", "held_out", "cost", "gain", "profit"]
        return grouped.reindex(self.plan.offers)[columns].fillna(0.0).rename_axis("offer").reset_index()

    def to_dict(self) -> dict[str, Any]:
        """Returns plain Python values for JSON, without the users."""
        return {
            **self.plan.to_dict(),
            "outcome": self.outcome,
            "cost_kind": self.cost_kind,
            "attributes": list(self.attributes),
            "dropped": list(self.dropped),
            "sleeping": self.sleeping,
            "by_offer": to_plain(self.by_offer()),
            "balance": self.balance.to_dict(),
            "qini": {offer: curve.qini.to_dict() for offer, curve in self.curves.items()},
        }

    def summary(self) -> str:
        """Returns the plan in plain words."""
        counted = {
            "face value": "The budget counts the most that each offer can cost, so it cannot be exceeded.",
            "expected cost": (
                "The budget counts what each offer costs on average; name the most that it can cost for a guarantee."
            ),
            "offers": "The budget counts offers.",
        }
        lines = [self.plan.summary(), counted[self.cost_kind]]
        lines.append(
            f"{self.sleeping:,} users would be put off by offers, or cost more than they bring: none is sent one."
        )
        lines += [f"{offer} is not made: too few users would get it to leave the house." for offer in self.dropped]
        if not self.balance.is_credible:
            lines.append(f"Beware: {self.balance.summary()}")
        if not any(curve.qini.is_positive for curve in self.curves.values()):
            lines.append(
                "The test does not show that some users gain more than others beyond chance: whom to choose is a guess "
                "so far; treat the promise with care, or test more users."
            )
        return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class ScoredUsers:
    """What each offer would change for each user.

    Attributes:
        table: `user_id` and whatever else is known, n rows.
        gains: `[n, K]` expected extra profit of each offer before its discount; not above 0 for a user who is predicted
            to be put off.
        discounts: `[n, K]` money that each offer takes off on average.
    """

    table: pd.DataFrame
    gains: np.ndarray
    discounts: np.ndarray


@dataclasses.dataclass(frozen=True)
class LearnedOffers:
    """What a test teaches of its offers, before any budget.

    Attributes:
        log: the test, with `profit`.
        trial: the same in numbers.
        encoder: of the users' attributes.
        outcome: what was turned into profit.
        users: the test's own users, scored out of fold.
        effects: `[n, K]` unbiased noisy gains of the test's users before the discount, for a plan's promise.
        balance: whether offers were drawn blindly.
        curves: offer → what is gained by treating the best-scored users first.
        seed: of folds.
    """

    log: OfferLog
    trial: Trial
    encoder: Encoder
    outcome: str
    users: ScoredUsers
    effects: np.ndarray
    balance: Balance
    curves: dict[str, UpliftCurve]
    seed: int

    @property
    def offers(self) -> tuple[str, ...]:
        """Names of the offers."""
        return self.trial.arm_names[1:]

    def score(self, users: pd.DataFrame) -> ScoredUsers:
        """Returns other users scored by models of the whole test.

        Raises:
            SchemaError: an attribute of the test is missing.
        """
        users = users.reset_index(drop=True)
        features = self.encoder.encode(users)
        with few_threads(len(self.trial)):
            uplift = fit_uplift(self.trial, outcome=PROFIT, learner=quick_learner(), seed=self.seed).predict(features)
            put_off = is_put_off(self.trial, features, self.seed)
        discounts = np.zeros_like(uplift)
        if self.log.cost_kind == "discount":
            taken = self.trial.outcome("discount")
            for arm in range(1, len(self.trial.arm_names)):
                own = self.trial.arms == arm
                model = fit_response(None, self.trial.features[own], taken[own])
                discounts[:, arm - 1] = np.maximum(expected(model, features), 0.0)
        return _scored(users, uplift, discounts, put_off)


def learn_from_test(log: OfferLog, *, outcome: str, worth: float = 1.0, seed: int = 0) -> LearnedOffers:
    """Learns what each offer changes: the slow part of a plan.

    Args:
        log: the test.
        outcome: what pays.
        worth: money that one unit of it brings.
        seed: of folds.

    Raises:
        SchemaError: too few users an arm.
    """
    log = log.with_profit(outcome=outcome, worth=worth)
    trial, encoder = log.trial()
    counts = {name: int((trial.arms == code).sum()) for code, name in enumerate(trial.arm_names)}
    if min(counts.values()) < FEWEST:
        raise SchemaError(f"A plan needs a test of at least {FEWEST} users an arm; got {counts}. Test more users.")
    with few_threads(len(trial)):
        uplift = cross_fit_uplift(trial, outcome=PROFIT, learner=quick_learner(), folds=_FOLDS, seed=seed)
        put_off = is_put_off(trial, None, seed)
        discounts = expected_discounts(log, trial, seed=seed)
        responses = cross_fit_responses(trial, outcome=PROFIT, seed=seed)
        curves = _curves(trial, uplift.scores, uplift.folds, seed)
    users = _scored(log.table, uplift.scores, discounts, put_off)
    effects = responses.effects() + discounts
    return LearnedOffers(log, trial, encoder, outcome, users, effects, check_balance(trial), curves, seed)


def plan_from_test(
    log: OfferLog, config: PlanConfig, *, users: pd.DataFrame | None = None, excluded: frozenset[str] = frozenset()
) -> TestedPlan:
    """Plans a campaign for the users of the test, each scored by models that never saw them, or for other users.

    Profit is the outcome's worth less discounts and sending; `gain` is the same before the discounts.

    Args:
        log: the test.
        config: dials.
        users: to whom the campaign may go: `user_id` and the test's attributes; the test's users when left out.
        excluded: users who must not get an offer (opted out).

    Raises:
        ConfigError: a dial outside its range, or an offer or group that is unknown.
        SchemaError: too few users an arm, or an attribute is missing.
    """
    outcome, worth = _money(log, config)
    learned = learn_from_test(log, outcome=outcome, worth=worth, seed=config.seed)
    scored = None if users is None else learned.score(users)
    return plan_from_scores(learned, config, users=scored, excluded=excluded)


def plan_from_scores(
    learned: LearnedOffers,
    config: PlanConfig,
    *,
    users: ScoredUsers | None = None,
    excluded: frozenset[str] = frozenset(),
) -> TestedPlan:
    """Plans as `plan_from_test` does, with what was learned before: quick, for another budget or other limits."""
    offers = learned.offers
    sending = per_offer(config.send_costs, offers, what="The cost of sending")
    faces = per_offer(config.face_values, offers, what="The face value")
    kind = _cost_kind(learned.log, config)
    tested, of_test = learned.users.gains, _Costs.build(learned.users.discounts, sending, faces, kind)
    chosen = learned.users if users is None else users
    table, gains, costs = chosen.table, chosen.gains, _Costs.build(chosen.discounts, sending, faces, kind)
    ids = table["user_id"]
    usable = np.broadcast_to(~ids.isin(excluded).to_numpy()[:, None], gains.shape).copy()
    groups = None
    if config.group:
        require(table, [config.group], what="The table of users")
        groups = table[config.group].astype("str").to_numpy()
        _check_floors(config, groups)
    dropped: list[str] = []
    while True:
        evidence = Evidence(tested, learned.effects, of_test.counted, of_test.paid)
        plan = plan_campaign(
            ids.to_numpy(), gains, costs.counted, name=config.name, offers=offers, budget=config.budget,
            expected_costs=costs.paid, holdout_share=config.holdout_share, is_eligible=usable,
            max_cost_per_user=config.max_cost_per_user, return_floor=config.return_floor, groups=groups,
            group_floors=dict(config.floors), evidence=evidence,
        )  # fmt: skip
        sent = plan.table.loc[plan.table["status"] == TREATED, "offer"].value_counts()
        few = [offer for offer in sent.index if sent[offer] < config.min_users]
        if not few:
            break
        # The rarest first: its users may swell another offer to the floor.
        dropped.append(str(few[-1]))
        usable[:, offers.index(few[-1])] = False
        tested = withheld(tested, np.array(offers) == few[-1])
    if not len(sent):
        raise ConfigError(
            f"No offer reaches {config.min_users} users under a budget of {config.budget:,.2f}: nothing pays, or the "
            "budget is too small. Raise the budget, or lower the floor of users."
        )
    sleeping = int((gains - costs.paid <= 0).all(axis=1).sum())
    return TestedPlan(
        plan=plan,
        outcome=learned.outcome,
        cost_kind=kind,
        attributes=learned.log.attributes,
        balance=learned.balance,
        curves=learned.curves,
        dropped=tuple(dropped),
        sleeping=sleeping,
    )


def quick_learner() -> StackedLearner:
    """Returns the default blend with few folds, for plans and reports that someone waits for."""
    blend = default_learner()
    members = (dataclasses.replace(one, folds=_FOLDS) if isinstance(one, DRLearner) else one for one in blend.members)
    return dataclasses.replace(blend, members=tuple(members), folds=_FOLDS)


def expected_discounts(log: OfferLog, trial: Trial, *, seed: int = 0) -> np.ndarray:
    """Returns `[n, A − 1]` the money that each offer takes off on average, out of fold; 0 where it is not known."""
    if log.cost_kind != "discount":
        return np.zeros((len(trial), len(trial.arm_names) - 1))
    return np.maximum(cross_fit_responses(trial, outcome="discount", seed=seed).expected[:, 1:], 0.0)


@dataclasses.dataclass(frozen=True)
class _Costs:
    counted: np.ndarray  # [n, K] against the budget
    paid: np.ndarray  # [n, K] on average

    @classmethod
    def build(cls, discounts: np.ndarray, sending: np.ndarray, faces: np.ndarray, kind: str) -> "_Costs":
        paid = discounts + sending
        counted = {"face value": faces + sending, "expected cost": paid, "offers": np.ones(len(sending))}[kind]
        return cls(np.broadcast_to(counted, paid.shape), paid)


def _money(log: OfferLog, config: PlanConfig) -> tuple[str, float]:
    outcome = config.outcome or log.outcomes[0]
    if outcome not in log.outcomes:
        raise ConfigError(f"The test has no outcome {outcome!r}.{nearest_hint(outcome, log.outcomes)}")
    if config.worth is not None:
        if not config.worth > 0:
            raise ConfigError(f"The worth of {outcome} must be positive money; got {config.worth}.")
        return outcome, config.worth
    if outcome != "margin":
        raise ConfigError(
            f"What is one {outcome} worth in money? Say it with --worth (of spend: the margin's share, such as 0.3), "
            "else nothing can be weighed against the cost of an offer."
        )
    return outcome, 1.0


def _cost_kind(log: OfferLog, config: PlanConfig) -> str:
    if config.face_values:
        missing = [name for name in log.arm_names[1:] if name not in config.face_values]
        if missing:
            raise ConfigError(f"The face value of {', '.join(missing)} is missing. Name it of every offer or of none.")
        return "face value"
    return "expected cost" if log.cost_kind == "discount" or config.send_costs else "offers"


def _scored(users: pd.DataFrame, uplift: np.ndarray, discounts: np.ndarray, put_off: np.ndarray) -> ScoredUsers:
    # Where the test tells users apart but coarsely, scores tie, and no price would part the treated from the others:
    # a millionth of the usual gain, fixed for a user, breaks ties blindly and is no money to speak of.
    grain = 1e-6 * float(np.abs(uplift).mean())
    gains = uplift + discounts + grain * hash_uniform(users["user_id"].to_numpy(), salt="tie")[:, None]
    return ScoredUsers(users, withheld(gains, put_off), discounts)


def few_threads(n: int) -> contextlib.AbstractContextManager:
    """One thread for small tests: on few rows threads lose more time waiting for each other than they gain."""
    limit = threadpoolctl.threadpool_limits(limits=1) if n < _MANY else None
    return limit if limit is not None else contextlib.nullcontext()


def is_put_off(trial: Trial, features: np.ndarray | None, seed: int) -> np.ndarray:
    """Returns `[n, 1]` who is predicted to do less for an offer: visit less or, where visits are unknown, buy less.

    Visits are many, so they tell sleeping dogs long before money does; all offers together, for the same reason, and
    trees, because being put off is rarely additive. Users of the test are scored out of fold.
    """
    watched = next((name for name in ("visit", "conversion") if name in trial.outcomes), None)
    rows = len(trial) if features is None else len(features)
    if watched is None:
        return np.zeros((rows, 1), dtype=bool)
    learner = TLearner(boosted_response(binary=bool(np.isin(trial.outcome(watched), (0.0, 1.0)).all()), seed=seed))
    pooled = trial.any_offer()
    if features is None:
        return cross_fit_uplift(pooled, outcome=watched, learner=learner, folds=_FOLDS, seed=seed).scores <= 0
    return fit_uplift(pooled, outcome=watched, learner=learner, seed=seed).predict(features) <= 0


def withheld(gains: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Returns gains that are never worth an offer where it is withheld: none of them is above 0."""
    return np.where(where, np.minimum(gains, 0.0), gains)


def _check_floors(config: PlanConfig, groups: np.ndarray) -> None:
    known = sorted(set(groups))
    for name in config.floors:
        if name not in known:
            raise ConfigError(f"{config.group} never is {name!r}.{nearest_hint(name, known)}")


def _curves(trial: Trial, scores: np.ndarray, folds: np.ndarray, seed: int) -> dict[str, UpliftCurve]:
    curves = {}
    for arm, offer in enumerate(trial.arm_names[1:], start=1):
        inside = np.flatnonzero((trial.arms == 0) | (trial.arms == arm))
        pair = trial.against_control(arm)
        curves[offer] = uplift_curve(
            scores[inside, arm - 1], pair, outcome=PROFIT, folds=folds[inside],
            responses=cross_fit_responses(pair, outcome=PROFIT, seed=seed), points=50, seed=seed,
        )  # fmt: skip
    return curves
