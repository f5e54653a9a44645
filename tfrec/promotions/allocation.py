"""Allocates at most one offer per user under a budget that is never exceeded.

The idea: put one price on money. At a price, each user gets the offer with the largest `value − price · cost`, or none
where that is not positive; the higher the price, the less is spent, so bisection finds the lowest price at which the
budget suffices.

This is the multiple-choice knapsack (Sinha & Zoltners 1979), solved by Lagrange multipliers (Everett 1963): maximise
`Σ v_ij x_ij` over `x ∈ {0, 1}`, `Σ_j x_ij ≤ 1`, with a budget `Σ c x ≤ B`, a return floor `Σ v x ≥ r Σ c x` and, for
each group, a least share of its users with an offer.

For multipliers λ (budget) and μ (return) each user takes `argmax_j v − λc + μ(v − rc)`, which orders offers like
`v − πc` with the one price `π = (λ + μr)/(1 + μ)`. A group that would fall short gets its best remaining users. So
every choice that can be optimal for the relaxation lies on one line of prices, both constraints are monotone along it,
and bisection finds the lowest feasible price. What integrality leaves of the budget is filled greedily by value for
money. Money is counted in whole micro-units (10⁻⁶) with integer arithmetic: the guarantee is exact, not within a
tolerance.

Example: one offer of cost 1 is worth 5, 3 and 1 to three users, and the budget is 2. At a price of 0 all three users
would get it, for 3; at any price in [1, 3) the first two do, for 2. The value is 8, and so is the bound.
"""

import dataclasses
from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar

import numpy as np

from tfrec.errors import ConfigError, SchemaError

_MICRO = 1_000_000
_BISECTIONS = 60  # halves the price range to below any float cent
_REPAIR_PASSES = 6
_REPAIR_SINGLES = 20_000  # upgrades tried one by one for the last bit of budget


@dataclasses.dataclass(frozen=True)
class Allocation:
    """Who gets which offer.

    Attributes:
        offers: `[n]` offer code 0..K−1, −1 for none.
        value: total expected value.
        cost: total cost; never above `budget`.
        budget: as given.
        bound: value that no allocation under the same constraints can exceed (Lagrangian dual = LP bound).
        price: value that one more unit of budget would bring; an offer is worth giving where `value − price·cost > 0`.
        group_credits: group → extra value that its users are credited with so that the floor is met.
        shares: group → share of its users with an offer.
        num_treated: users with an offer.
        n: users.
    """

    JSON_KEYS: ClassVar = (
        "value", "cost", "budget", "bound", "price", "group_credits", "shares", "num_treated", "n", "gap",
        "return_on_cost",
    )  # fmt: skip

    offers: np.ndarray
    value: float
    cost: float
    budget: float
    bound: float
    price: float
    group_credits: dict[str, float]
    shares: dict[str, float]
    num_treated: int
    n: int

    @property
    def gap(self) -> float:
        """Share of the bound that was not reached; 0 is optimal."""
        return 0.0 if self.bound <= 0 else max(0.0, 1 - self.value / self.bound)

    @property
    def return_on_cost(self) -> float:
        """Value per unit of cost; NaN when nothing is spent."""
        return self.value / self.cost if self.cost > 0 else float("nan")


def allocate(
    values: np.ndarray,
    costs: np.ndarray,
    *,
    budget: float,
    is_eligible: np.ndarray | None = None,
    max_cost_per_user: float = np.inf,
    return_floor: float = 0.0,
    groups: np.ndarray | None = None,
    group_floors: Mapping[str, float] | None = None,
) -> Allocation:
    """Allocates at most one offer per user so that the total value is largest and no constraint is broken.

    Offers whose value is not positive are never given, not even to reach a floor: a user whom an offer would drive away
    ("sleeping dog") is left alone.

    Args:
        values: `[n, K]` what is maximised: expected extra margin of each offer to each user, less the offer's expected
            cost where profit is the aim.
        costs: `[n, K]` or `[K]` cost of each offer, ≥ 0: its face value for a guarantee on liabilities, the expected
            cost for one on average.
        budget: most that may be spent.
        is_eligible: `[n, K]` or `[n]`: False where an offer must not go (frequency cap reached, opted out).
        max_cost_per_user: cap; dearer offers are not given.
        return_floor: least value per unit of cost over the whole allocation; 1 earns its cost, 0 no floor.
        groups: `[n]` group of each user, for floors.
        group_floors: group → least share of the group's users who can be helped (some eligible offer of positive value)
            that get an offer.

    Raises:
        SchemaError: shapes differ, values missing, or a cost is negative.
        ConfigError: a setting outside its range, or floors that the budget or the return floor cannot meet.
    """
    values, costs, usable = _checked(values, costs, is_eligible, max_cost_per_user)
    if not budget >= 0 or not np.isfinite(budget):
        raise ConfigError(f"`budget` must be a number ≥ 0; got {budget}.")
    if return_floor < 0:
        raise ConfigError(f"`return_floor` must be ≥ 0 (value per unit of cost); got {return_floor}.")
    problem = _Problem.build(values, costs, usable, budget, return_floor, groups, group_floors or {})
    price, bound = problem.cheapest_price()
    chosen, credits = problem.choose(price)
    chosen = problem.fill(chosen)
    is_treated = chosen >= 0
    rows = np.flatnonzero(is_treated)
    spent = int(problem.units[rows, chosen[rows]].sum())
    if spent > problem.budget_units:  # cannot happen; a guarantee is checked where it is given
        raise ConfigError(f"The allocation would cost {spent / _MICRO} of {budget}. Please report this as a bug.")
    names = problem.group_names
    shares = {
        name: float(is_treated[problem.group_codes == code].mean()) if (problem.group_codes == code).any() else 0.0
        for code, name in enumerate(names)
    }
    return Allocation(
        offers=chosen,
        value=float(values[rows, chosen[rows]].sum()),
        cost=spent / _MICRO,
        budget=float(budget),
        bound=bound,
        price=float(price),
        group_credits={name: float(credits[code]) for code, name in enumerate(names)},
        shares=shares,
        num_treated=len(rows),
        n=len(values),
    )


def offers_at_price(
    values: np.ndarray,
    costs: np.ndarray,
    *,
    price: float,
    is_eligible: np.ndarray | None = None,
    max_cost_per_user: float = np.inf,
    groups: np.ndarray | None = None,
    group_credits: Mapping[str, float] | None = None,
) -> np.ndarray:
    """Returns `[n]` the offer that the allocation's rule would give, −1 for none: for users outside the allocation.

    The rule is `argmax_j v − price·c` where that plus the group's credit is positive. It identifies the hold-out users
    who are the counterparts of treated ones.
    """
    values, costs, usable = _checked(values, costs, is_eligible, max_cost_per_user)
    net = np.where(usable, values - price * costs, -np.inf)
    best = net.argmax(axis=1)
    top = net[np.arange(len(net)), best]
    if groups is not None and group_credits:
        top = top + np.array([group_credits.get(str(group), 0.0) for group in groups])
    return np.where(top > 0, best, -1)


@dataclasses.dataclass(frozen=True)
class _Problem:
    values: np.ndarray  # [n, K], −inf where unusable
    costs: np.ndarray  # [n, K]
    units: np.ndarray  # [n, K] int64 micro-units
    budget_units: int
    return_floor: float
    group_codes: np.ndarray  # [n]
    group_names: tuple[str, ...]
    least: np.ndarray  # [G] users of each group who must get an offer

    @classmethod
    def build(
        cls,
        values: np.ndarray,
        costs: np.ndarray,
        usable: np.ndarray,
        budget: float,
        return_floor: float,
        groups: np.ndarray | None,
        floors: Mapping[str, float],
    ) -> "_Problem":
        names: tuple[str, ...] = ("all",)
        codes = np.zeros(len(values), dtype=np.int64)
        if groups is not None:
            if len(groups) != len(values):
                raise SchemaError(f"`groups` must name a group a user; got {len(groups)} for {len(values)} users.")
            unique, codes = np.unique(np.asarray(groups).astype(str), return_inverse=True)
            names = tuple(map(str, unique))
        elif floors:
            raise ConfigError("`group_floors` need `groups` [n]. Pass each user's group.")
        unknown = set(floors) - set(names)
        if unknown or any(not 0 <= floor <= 1 for floor in floors.values()):
            raise ConfigError(f"`group_floors` must be shares in [0, 1] of groups {names}; got {dict(floors)}.")
        can_be_helped = np.bincount(codes[usable.any(axis=1)], minlength=len(names))
        least = np.array(
            [int(np.ceil(floors.get(name, 0.0) * n - 1e-9)) for name, n in zip(names, can_be_helped, strict=True)]
        )
        return cls(
            np.where(usable, values, -np.inf), costs, _to_units(costs), _budget_units(budget),
            return_floor, codes, names, least,
        )  # fmt: skip

    def choose(self, price: float) -> tuple[np.ndarray, np.ndarray]:
        """Returns `[n]` the offers that are best at a price (−1 for none), and the groups' credits `[G]`.

        A group below its floor also gets offers for its next best members. Its credit is what the last of them lacks:
        with it added to the net value, the same rule `net + credit > 0` chooses them, also outside the allocation.
        """
        best, net = self._best(price)
        is_chosen = net > 0
        credits = np.zeros(len(self.group_names))
        counts = np.bincount(self.group_codes[is_chosen], minlength=len(credits))
        for group in np.flatnonzero(counts < self.least):
            members = np.flatnonzero((self.group_codes == group) & np.isfinite(net))
            wanted = members[np.argsort(-net[members], kind="stable")[: self.least[group]]]
            is_chosen[wanted] = True
            credits[group] = max(0.0, float(-net[wanted[-1]])) if len(wanted) else 0.0
        return np.where(is_chosen, best, -1), credits

    def dual(self, price: float) -> float:
        """Returns the Lagrangian bound at λ = price, μ = 0."""
        chosen, _ = self.choose(price)
        return self.value(chosen) - price * (self.cost_units(chosen) - self.budget_units) / _MICRO

    def value(self, chosen: np.ndarray) -> float:
        """Returns the total value of the offers `chosen` `[n]`."""
        rows = np.flatnonzero(chosen >= 0)
        return float(self.values[rows, chosen[rows]].sum())

    def cost_units(self, chosen: np.ndarray) -> int:
        """Returns the total cost of the offers `chosen` `[n]`, in micro-units."""
        rows = np.flatnonzero(chosen >= 0)
        return int(self.units[rows, chosen[rows]].sum())

    def surplus(self, chosen: np.ndarray) -> float:
        """Returns the value beyond the return floor of `[n]` chosen offers; ≥ 0 is feasible."""
        return self.value(chosen) - self.return_floor * self.cost_units(chosen) / _MICRO

    def cheapest_price(self) -> tuple[float, float]:
        """Returns the lowest price whose choice meets budget and return floor, and the bound on the value."""
        free, _ = self.choose(0.0)
        if self._is_feasible(free):
            return 0.0, self.value(free)
        high = self._feasible_price()
        low = 0.0
        positive = self.units[np.isfinite(self.values) & (self.units > 0)]
        least_unit = int(positive.min()) if len(positive) else 0
        # Feasible prices form an interval that ends above `high`: below the return floor's price, surplus rises with
        # the price, and cost falls everywhere.
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            if middle in (low, high):
                break
            chosen = self.choose(middle)[0]
            if self._is_feasible(chosen):
                high = middle
                if not self.return_floor and self.budget_units - self.cost_units(chosen) < least_unit:
                    break  # nothing more would fit
            else:
                low = middle
        return high, self._bound(low, high)

    def fill(self, chosen: np.ndarray) -> np.ndarray:
        """Returns `[n]` offers after the rest of the budget is spent on upgrades, best value for money first.

        A pass takes as many upgrades as fit together; the last ones are tried one by one. A user may be upgraded again
        in the next pass.
        """
        chosen = chosen.copy()
        for _ in range(_REPAIR_PASSES):
            rows, offers, gain, extra, left, spare = self._fitting(chosen)
            slack = spare + np.cumsum(gain - self.return_floor * extra / _MICRO)
            ahead = (np.cumsum(extra) <= left) & ((slack >= 0) if self.return_floor else True)
            count = len(ahead) if ahead.all() else int(np.argmin(ahead))
            if not count:
                break
            chosen[rows[:count]] = offers[:count]
        return self._fill_singly(chosen, *self._fitting(chosen))

    def _fitting(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int, float]:
        """Returns `[m]` upgrades that fit, best value for money first, and the budget and surplus that are left."""
        rows, offers, gain, extra = self._upgrades(chosen)
        left = self.budget_units - self.cost_units(chosen)
        fits = np.flatnonzero(extra <= left)
        order = fits[np.argsort(-gain[fits] / np.maximum(extra[fits], 1), kind="stable")]
        return rows[order], offers[order], gain[order], extra[order], left, self.surplus(chosen)

    def _fill_singly(
        self,
        chosen: np.ndarray,
        rows: np.ndarray,
        offers: np.ndarray,
        gain: np.ndarray,
        extra: np.ndarray,
        left: int,
        spare: float,
    ) -> np.ndarray:
        chosen = chosen.copy()
        taken: set[int] = set()
        for row, offer, plus, cost in zip(
            rows[:_REPAIR_SINGLES].tolist(), offers.tolist(), gain.tolist(), extra.tolist(), strict=False
        ):
            room = spare + plus - self.return_floor * cost / _MICRO
            if row not in taken and cost <= left and (not self.return_floor or room >= 0):
                chosen[row] = offer
                taken.add(row)
                left -= cost
                spare = room
        return chosen

    def _upgrades(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Returns `[m]` each user's best upgrade by value for money: rows, offers, gain, extra micro-units."""
        index = np.arange(len(chosen))
        has = chosen >= 0
        held = np.where(has, chosen, 0)
        value = np.where(has, self.values[index, held], 0.0)
        units = np.where(has, self.units[index, held], 0)
        gain = self.values - value[:, None]
        extra = self.units - units[:, None]
        # Cheaper and better replacements count as costing nothing.
        rate = np.where(gain > 0, gain / np.maximum(extra, 1), -np.inf)
        best = rate.argmax(axis=1)
        rows = np.flatnonzero(rate[index, best] > 0)
        return rows, best[rows], gain[rows, best[rows]], extra[rows, best[rows]]

    def _best(self, price: float) -> tuple[np.ndarray, np.ndarray]:
        """Returns `[n]` the best offer of each user at a price, and `[n]` its `value − price · cost`."""
        net = self.values - price * self.costs
        best = net.argmax(axis=1)
        return best, net[np.arange(len(net)), best]

    def _is_feasible(self, chosen: np.ndarray) -> bool:
        if self.cost_units(chosen) > self.budget_units:
            return False
        return not self.return_floor or self.surplus(chosen) >= 0

    def _feasible_price(self) -> float:
        """Returns some price that is feasible, growing from the highest value for money."""
        with np.errstate(divide="ignore", invalid="ignore"):
            rates = np.where(np.isfinite(self.values) & (self.costs > 0), self.values / self.costs, 0.0)
        price = max(float(self.return_floor), float(np.median(rates[rates > 0])) if (rates > 0).any() else 1.0, 1e-9)
        # At π = return floor the surplus is largest, beyond it only the budget asks for more.
        for _ in range(200):
            chosen, _ = self.choose(price)
            if self._is_feasible(chosen):
                return price
            if self.cost_units(chosen) <= self.budget_units and price > self.return_floor:
                break
            price *= 2
        at_floor, _ = self.choose(self.return_floor)
        if self._is_feasible(at_floor):
            return self.return_floor
        cheapest = self.cost_units(self.choose(1e15)[0]) / _MICRO
        raise ConfigError(
            f"The group floors need at least {cheapest:,.2f} of cost and the return floor {self.return_floor:g}; the "
            f"budget is {self.budget_units / _MICRO:,.2f}. Raise the budget or lower a floor."
        )

    def _bound(self, low: float, high: float) -> float:
        """Returns the smaller of the duals at both ends, over the budget's and the return floor's multipliers."""
        bounds = []
        for price in (low, high):
            bounds.append(self.dual(price))
            if self.return_floor and price < self.return_floor:
                # μ with λ = 0: price = μr/(1 + μ).
                mu = price / (self.return_floor - price)
                chosen, _ = self.choose(price)
                bounds.append(self.value(chosen) + mu * self.surplus(chosen))
        return min(bounds)


def _checked(
    values: np.ndarray, costs: np.ndarray, is_eligible: np.ndarray | None, max_cost: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or not values.shape[1]:
        raise SchemaError(f"`values` must be [n, K] with at least one offer; got shape {values.shape}.")
    costs = np.asarray(costs, dtype=np.float64)
    if costs.shape not in (values.shape, (values.shape[1],)):
        raise SchemaError(f"`costs` must be {values.shape} or ({values.shape[1]},); got {costs.shape}.")
    costs = np.broadcast_to(costs, values.shape)
    if not np.isfinite(values).all() or not np.isfinite(costs).all() or (costs < 0).any():
        raise SchemaError(
            "`values` must be finite and `costs` finite and ≥ 0. Set offers that cannot go `is_eligible=False`."
        )
    usable = (values > 0) & (costs <= max_cost)
    if is_eligible is not None:
        is_eligible = np.asarray(is_eligible, dtype=bool)
        if is_eligible.shape not in (values.shape, (len(values),)):
            raise SchemaError(f"`is_eligible` must be {values.shape} or ({len(values)},); got {is_eligible.shape}.")
        usable &= is_eligible if is_eligible.ndim == 2 else is_eligible[:, None]
    return values, costs, usable


def _budget_units(budget: float) -> int:
    """Returns whole micro-units of the budget as it is written: 3.3 is 3,300,000, though the float lies just below.

    So `spent ≤ units` gives `spent / 10⁶ ≤ budget` exactly, because rounding to floats is monotone.
    """
    return int(Decimal(repr(float(budget))) * _MICRO)


def _to_units(costs: np.ndarray) -> np.ndarray:
    """Returns `[...]` whole micro-units; fractions are rounded up, rounding errors of floats are not."""
    scaled = costs * _MICRO
    nearest = np.rint(scaled)
    return np.where(np.abs(scaled - nearest) <= 1e-3, nearest, np.ceil(scaled)).astype(np.int64)
