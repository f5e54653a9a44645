"""Plans a campaign from an offer test and a budget: who gets which offer, who is held out."""

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from tfrec.errors import ConfigError, nearest_hint
from tfrec.experiments.user_tables import require
from tfrec.promotions.allocation import offers_at_price
from tfrec.promotions.campaign import HELD_OUT, TREATED, CampaignPlan, Evidence, plan_campaign
from tfrec.promotions.holdout import LEAST_SHARE, MOST_SHARE, HoldoutPower, measure_deviations
from tfrec.promotions.learned_offers import LearnedOffers, ScoredUsers, learn_from_test, withheld
from tfrec.promotions.offer_log import PROFIT, OfferLog, per_offer
from tfrec.promotions.spending import MAX_RISK, Spending, predict_spending, used_in_test
from tfrec.promotions.tested_plan import EXPECTED_COST, FACE_VALUE, OFFERS, TestedPlan

_LEAST_COST = 0.1  # share of the mean: no user costs nothing, whatever a model predicts
_TRIES = 4  # sizes of the hold-out: those whom a plan chooses change with it
_STEPS = 12  # halvings of the budget in expected cost: to a four-thousandth of it


@dataclasses.dataclass(frozen=True)
class PlanConfig:
    """Settings of a campaign.

    Attributes:
        name: name of the campaign; decides who is held out.
        budget: most that may be spent: money, or offers where their cost is not known.
        outcome: what is worth money; the first of margin, spend, conversion, visit that the test has when empty.
        worth: money that one unit of the outcome brings; None: 1 for margin, else it must be given (of spend: the
            margin's share).
        send_costs: offer → cost of sending one.
        budget_in: what the budget counts: `face value`, the most that offers can cost, which makes it a guarantee; or
            `expected cost`, which reaches more users and exceeds the budget with a chance of at most `risk`.
        risk: chance of spending more than a budget in expected cost.
        proof: standard errors by which a dearer offer must earn more than the cheaper ones it displaces, on the test's
            own outcomes; else it is not made. 0 lets the models decide, which favour offers that only look good.
        holdout_share: share of users held out at random; None: as many as show `effect`, from 10 % to 50 %, or else
            as many as give a verdict at all.
        effect: profit per treated user that the hold-out is to show; None: what the plan expects.
        min_users: an offer that fewer users would get is not made.
        max_cost_per_user: cap on what the budget counts for one user.
        return_floor: least profit over the whole campaign per unit of what the budget counts.
        group: column of groups for floors.
        floors: group → least share of its helpable users that get an offer.
        seed: random seed of the folds.
    """

    name: str
    budget: float
    outcome: str = ""
    worth: float | None = None
    send_costs: Mapping[str, float] = dataclasses.field(default_factory=dict)
    budget_in: str = FACE_VALUE
    risk: float = 0.05
    proof: float = 1.0
    holdout_share: float | None = None
    effect: float | None = None
    min_users: int = 50
    max_cost_per_user: float = np.inf
    return_floor: float = 0.0
    group: str = ""
    floors: Mapping[str, float] = dataclasses.field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.budget < math.inf:
            raise ConfigError(f"The budget must be an amount of at least 0; got {self.budget:g}.")
        if not 0 < self.risk <= MAX_RISK:
            raise ConfigError(f"The risk of exceeding the budget must lie in (0, {MAX_RISK}]; got {self.risk:g}.")
        if self.effect is not None and not 0 < self.effect < math.inf:
            raise ConfigError(f"`effect` must be a profit per user above 0; got {self.effect:g}.")


def plan_from_test(
    log: OfferLog, config: PlanConfig, *, users: pd.DataFrame | None = None, excluded: frozenset[str] = frozenset()
) -> TestedPlan:
    """Plans a campaign for the users of the test, each scored by models that never saw them, or for other users.

    Profit is the outcome's worth less discounts and sending; `gain` is the same before the discounts.

    Args:
        log: the test; `log.with_face_values(...)` caps what an offer may take off.
        config: settings.
        users: to whom the campaign may go: `user_id` and the test's attributes; the test's users when left out.
        excluded: users who must not get an offer (opted out).

    Raises:
        ConfigError: a setting outside its range, or an offer or group that is unknown.
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
    if config.holdout_share is not None:
        return _plan(learned, config, users, excluded)
    config = dataclasses.replace(config, holdout_share=LEAST_SHARE)
    tested = _plan(learned, config, users, excluded)
    for _ in range(_TRIES):
        share = _next_share(tested)
        if math.isnan(share):
            break
        try:
            tested = _plan(learned, dataclasses.replace(config, holdout_share=share), users, excluded)
        except ConfigError:  # an offer would reach too few users
            break
    return tested


def _next_share(tested: TestedPlan) -> float:
    """Returns a larger share to hold out; NaN where the plan's own is enough, or none would be."""
    power, share = tested.power, tested.plan.holdout_share
    if power.shows_wanted or share >= MOST_SHARE:
        return math.nan
    needed = power.share_needed
    if not math.isnan(needed):
        # Larger than what the same users need: those who come in are worth less.
        return min(max(needed, round(1.2 * share, 2)), MOST_SHARE)
    return power.least_share if not power.is_large_enough and power.least_share > share else math.nan


def _plan(
    learned: LearnedOffers, config: PlanConfig, users: ScoredUsers | None, excluded: frozenset[str]
) -> TestedPlan:
    """Returns the plan of one share of held-out users, without offers that too few users would get."""
    offers = learned.offers
    draft, unproven = _Draft.build(learned, config, users, excluded).without_unproven()
    dropped: list[str] = []
    while True:
        plan, spending, is_held_by_risk = draft.fill_budget()
        sent = plan.table.loc[plan.table["status"] == TREATED, "offer"].value_counts()
        few = [offer for offer in sent.index if sent[offer] < config.min_users]
        if not few:
            break
        # The rarest first: its users may swell another offer to the floor.
        dropped.append(str(few[-1]))
        draft = draft.without(offers.index(few[-1]))
    if not len(sent):
        raise ConfigError(
            f"No offer reaches {config.min_users} users under a budget of {config.budget:,.2f}: nothing pays, or the "
            f"budget is too small. {draft.costs.advice(config.min_users, offers)}"
        )
    chosen = draft.chosen
    too_dear = (chosen.gains - draft.costs.paid(chosen) <= 0).all(axis=1) & ~chosen.put_off
    sending = dict(zip(offers, draft.costs.sending.tolist(), strict=True))
    return TestedPlan(
        plan=dataclasses.replace(
            plan, face_values=dict(learned.log.face_values), send_costs=sending, currency=learned.log.currency
        ),
        outcome=learned.outcome,
        cost_kind=draft.costs.kind,
        spending=spending,
        is_held_by_risk=is_held_by_risk,
        uses=used_in_test(learned.trial) if learned.log.cost_kind == "discount" else {},
        attributes=learned.log.attributes,
        balance=learned.balance,
        curves=learned.curves,
        by_budget=learned.by_budget,
        dropped=tuple(dropped),
        unproven=unproven,
        put_off=int(chosen.put_off.sum()),
        too_dear=int(too_dear.sum()),
        power=draft.power(plan),
    )


@dataclasses.dataclass(frozen=True)
class _Costs:
    faces: np.ndarray  # [K]
    sending: np.ndarray  # [K]
    kind: str

    def paid(self, users: ScoredUsers) -> np.ndarray:
        """Returns `[n, K]` cost on average."""
        return users.discounts + self.sending

    def counted(self, users: ScoredUsers) -> np.ndarray:
        """Returns `[n, K]` cost against the budget."""
        if self.kind == EXPECTED_COST:
            paid = self.paid(users)
            return np.maximum(paid, _LEAST_COST * paid.mean(axis=0))
        most = self.faces + self.sending if self.kind == FACE_VALUE else np.ones_like(self.sending)
        return np.broadcast_to(most, users.gains.shape)

    def advice(self, min_users: int, offers: tuple[str, ...]) -> str:
        """Returns what to do where no offer reaches enough users."""
        if self.kind != FACE_VALUE:
            return "Raise the budget, or lower the floor of users."
        most = self.faces + self.sending
        cheapest = int(most.argmin())
        return (
            f"{offers[cheapest]}, which can cost {most[cheapest]:,.2f} a user, needs {min_users * most[cheapest]:,.2f}."
            f" Raise the budget, lower the face values or the floor of users, or let the budget count {EXPECTED_COST}."
        )


@dataclasses.dataclass(frozen=True)
class _Draft:
    """Everything that a plan is made of but how much of the budget may be given out."""

    learned: LearnedOffers
    config: PlanConfig
    chosen: ScoredUsers  # for whom it is planned
    of_test: ScoredUsers
    costs: _Costs
    usable: np.ndarray  # [n, K]
    groups: np.ndarray | None  # [n]

    @classmethod
    def build(
        cls, learned: LearnedOffers, config: PlanConfig, users: ScoredUsers | None, excluded: frozenset[str]
    ) -> "_Draft":
        offers, log = learned.offers, learned.log
        sending = per_offer(config.send_costs, offers, what="The cost of sending")
        faces = per_offer(log.face_values, offers, what="The face value")
        chosen = learned.users if users is None else users
        usable = np.broadcast_to(~chosen.table["user_id"].isin(excluded).to_numpy()[:, None], chosen.gains.shape)
        groups = None
        if config.group:
            require(chosen.table, [config.group], what="The table of users")
            groups = chosen.table[config.group].astype("str").to_numpy()
            _check_floors(config, groups)
        costs = _Costs(faces, sending, _cost_kind(log, config))
        return cls(learned, config, chosen, learned.users, costs, usable, groups)

    def without(self, offer: int) -> "_Draft":
        """Returns the draft without an offer."""
        is_it = np.arange(len(self.learned.offers)) == offer
        of_test = dataclasses.replace(self.of_test, gains=withheld(self.of_test.gains, is_it))
        return dataclasses.replace(self, usable=self.usable & ~is_it, of_test=of_test)

    def fill_budget(self) -> tuple[CampaignPlan, Spending, bool]:
        """Returns the plan that gives out most without a chance above `risk` of exceeding the budget.

        With what it may cost, and whether it would give out more if that chance might be higher.
        """
        budget = self.config.budget
        plan, spending, _ = self.allot(budget)
        if self.costs.kind != EXPECTED_COST or spending.ceiling <= budget:
            return plan, spending, False
        low, high, best = 0.0, budget, None
        for _ in range(_STEPS):
            middle = (low + high) / 2
            try:
                plan, spending, _ = self.allot(middle)
            except ConfigError:  # too little for the floors of the groups
                low = middle
                continue
            if spending.ceiling <= budget:
                low, best = middle, (plan, spending)
            else:
                high = middle
        if best is None:
            raise ConfigError(
                f"No plan that meets the floors stays below {budget:,.2f} with {1 - self.config.risk:.0%} certainty. "
                "Raise the budget or lower a floor."
            )
        return dataclasses.replace(best[0], budget=float(budget)), best[1], True

    def power(self, plan: CampaignPlan) -> HoldoutPower:
        """Returns what a read-out of the plan can show."""
        trial = self.learned.trial
        paid = np.append(0.0, self.costs.sending)[trial.arms]
        deviations = measure_deviations(trial, trial.outcome(PROFIT) - paid, self.rule(plan))
        compared, sent = plan.table.loc[plan.table["is_compared"], "status"], plan.users[TREATED]
        return HoldoutPower(
            treated=int((compared == TREATED).sum()),
            held_out=int((compared == HELD_OUT).sum()),
            sent=sent,
            treated_deviation=deviations[0],
            held_out_deviation=deviations[1],
            wanted=plan.expected_profit.value / max(sent, 1) if self.config.effect is None else self.config.effect,
            is_bound=plan.price > 0,
        )

    def without_unproven(self) -> tuple["_Draft", tuple[str, ...]]:
        """Returns the draft with those dearer offers alone that earn more than cheaper ones, and the names of others.

        Of two plans that differ in one offer, doubly robust scores of the test's users decide which one earns more. A
        model that chooses among offers favours those that look good by chance; the cheapest one costs least when the
        choice is wrong.
        """
        costs = self.costs.paid(self.of_test).mean(axis=0)
        draft, unproven = self, []
        for offer in np.argsort(-costs, kind="stable"):
            if (costs < 0.9 * costs[offer]).any() and not draft._earns(int(offer)):
                draft = draft.without(int(offer))
                unproven.append(self.learned.offers[offer])
        return draft, tuple(unproven)

    def _earns(self, offer: int) -> bool:
        earned = []
        for draft in (self, self.without(offer)):
            try:
                *_, tested = draft.allot(self.config.budget)
            except ConfigError:  # groups' floors cannot do without it
                return True
            profit = self.learned.effects - self.costs.paid(self.of_test)
            chosen = profit[np.arange(len(tested)), np.maximum(tested, 0)]
            earned.append(np.where(tested >= 0, chosen, 0.0))
        gained = earned[0] - earned[1]
        noise = float(gained.std() * np.sqrt(len(gained)))
        return not noise > 0 or float(gained.sum()) >= self.config.proof * noise

    def allot(self, budget: float) -> tuple[CampaignPlan, Spending, np.ndarray]:
        """Returns the plan that gives out at most `budget` of what it counts, what it may cost, and `[m]` its rule.

        The rule says which offer each user of the test would get, -1 for none.
        """
        config, offers, chosen, costs = self.config, self.learned.offers, self.chosen, self.costs
        share = LEAST_SHARE if config.holdout_share is None else config.holdout_share
        evidence = Evidence(
            self.of_test.gains, self.learned.effects, costs.counted(self.of_test), costs.paid(self.of_test)
        )
        plan = plan_campaign(
            chosen.table["user_id"].to_numpy(), chosen.gains, costs.counted(chosen), name=config.name, offers=offers,
            budget=budget, expected_costs=costs.paid(chosen), holdout_share=share,
            is_eligible=self.usable, max_cost_per_user=config.max_cost_per_user, return_floor=config.return_floor,
            groups=self.groups, group_floors=dict(config.floors), evidence=evidence,
        )  # fmt: skip
        planned = np.where(plan.table["status"] == TREATED, self._given(plan), -1)
        tested = self.rule(plan)
        trial = self.learned.trial
        spending = predict_spending(
            planned, tested, trial.arms, trial.outcomes.get("discount"), face_values=costs.faces,
            send_costs=costs.sending, risk=config.risk,
        )  # fmt: skip
        return plan, spending, tested

    def rule(self, plan: CampaignPlan) -> np.ndarray:
        """Returns `[m]` which offer each user of the test gets by the plan's rule, -1 for none."""
        if self.chosen is self.learned.users:
            return self._given(plan)
        costs = self.costs
        return offers_at_price(
            self.of_test.gains - costs.paid(self.of_test), costs.counted(self.of_test), price=plan.price,
            max_cost_per_user=self.config.max_cost_per_user,
        )  # fmt: skip

    def _given(self, plan: CampaignPlan) -> np.ndarray:
        return pd.Categorical(plan.table["offer"], categories=list(self.learned.offers)).codes.astype(np.int64)


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
            f"What is one {outcome} worth in money? Name it as `worth` (of spend: the margin's share, such as 0.3), "
            "else nothing can be weighed against the cost of an offer."
        )
    return outcome, 1.0


def _cost_kind(log: OfferLog, config: PlanConfig) -> str:
    if config.budget_in not in (FACE_VALUE, EXPECTED_COST):
        raise ConfigError(f"The budget counts {FACE_VALUE!r} or {EXPECTED_COST!r}; got {config.budget_in!r}.")
    if config.budget_in == EXPECTED_COST:
        if log.cost_kind != "discount":
            raise ConfigError(
                "A budget in expected cost needs to know what offers cost in the test: add a column `discount` (money "
                "taken off), or name the most that each offer can cost and count that."
            )
        return EXPECTED_COST
    return FACE_VALUE if log.face_values or config.send_costs else OFFERS


def _check_floors(config: PlanConfig, groups: np.ndarray) -> None:
    names = sorted(set(groups))
    for name in config.floors:
        if name not in names:
            raise ConfigError(f"{config.group} never is {name!r}.{nearest_hint(name, names)}")
