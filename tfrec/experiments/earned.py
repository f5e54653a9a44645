"""Measures what slates earned: clicks, attributed orders and revenue by place, and by the hold-out what they added."""

import dataclasses
from typing import ClassVar

import numpy as np
import pandas as pd

from tfrec.errors import ConfigError, SchemaError
from tfrec.experiments.assignment import entered, stated_shares
from tfrec.experiments.attribution import PURCHASE, Attribution, attribute, net_revenue
from tfrec.experiments.collected_log import CollectedLog
from tfrec.experiments.read_out import HeavyTailMetric, MeanMetric, ReadOut, read_out
from tfrec.statistics.cluster_bootstrap import bootstrap_means
from tfrec.statistics.estimates import Estimate

PLACE = ("placement", "signature", "version")
FEW_CLICKS, FEW_PEOPLE = 30, 100
"""Below these an interval over people is not to be relied on."""
_THOUSAND = 1_000


@dataclasses.dataclass(frozen=True)
class PlaceEarnings:
    """What the slates of one place earned, by attribution.

    Attributes:
        placement: where they were shown; "" unknown.
        signature: what was asked.
        version: which servable and version answered.
        people: users, else sessions, that saw an item.
        slates: slates of which an item was shown.
        shown: items shown.
        clicks: items clicked.
        click_rate: clicks an item shown, with an interval over people.
        carts: carts that are attributed.
        orders: orders with an attributed purchase.
        revenue: attributed revenue, net of returns.
        revenue_per_thousand: attributed revenue of 1,000 items shown, with an interval over people.
    """

    JSON_KEYS: ClassVar = (
        *PLACE, "people", "slates", "shown", "clicks", "click_rate", "carts", "orders", "revenue",
        "revenue_per_thousand", "is_few",
    )  # fmt: skip

    placement: str
    signature: str
    version: str
    people: int
    slates: int
    shown: int
    clicks: int
    click_rate: Estimate
    carts: int
    orders: int
    revenue: float
    revenue_per_thousand: Estimate

    @property
    def is_few(self) -> bool:
        """Whether there are too few clicks or people for the intervals."""
        return self.clicks < FEW_CLICKS or self.people < FEW_PEOPLE


@dataclasses.dataclass(frozen=True)
class ArmEarnings:
    """What one arm of an experiment earned beyond the hold-out.

    Attributes:
        arm: the arm.
        users: its users.
        attributed: revenue that is attributed to what they were shown.
        incremental: revenue of all its users beyond what they would have spent in the hold-out, with its interval.
    """

    arm: str
    users: int
    attributed: float
    incremental: Estimate


@dataclasses.dataclass(frozen=True)
class HoldOut:
    """What the experiment shows: the effect on all purchases of its users, whatever they are attributed to.

    Attributes:
        control: the arm that the others are compared with.
        read_out: revenue and conversion a user, and whether the arms have the sizes of the design.
        arms: the other arms.
        in_several: users who were seen in several arms, and are left out.
    """

    control: str
    read_out: ReadOut
    arms: tuple[ArmEarnings, ...]
    in_several: int


@dataclasses.dataclass(frozen=True)
class Earned:
    """What slates earned.

    Attributes:
        start: first moment of the log, in UTC.
        end: last moment of the log.
        window_days: days after a click within which a purchase is attributed to it.
        currency: of amounts; "" unknown.
        total: all places together.
        places: each place, most revenue first.
        by_slate: share of the attributed revenue whose orders name the slate; the rest follows a click.
        strays: clicks on what the log does not show.
        unpriced: attributed purchases without a price.
        hold_out: None = no experiment ran.
    """

    start: pd.Timestamp
    end: pd.Timestamp
    window_days: float
    currency: str
    total: PlaceEarnings
    places: tuple[PlaceEarnings, ...]
    by_slate: float
    strays: int
    unpriced: int
    hold_out: HoldOut | None

    def to_table(self) -> pd.DataFrame:
        """Returns one row a place for CSV."""
        rows = []
        for place in self.places:
            row = {name: getattr(place, name) for name in (*PLACE, "people", "slates", "shown", "clicks")}
            row |= _columns("click_rate", place.click_rate)
            row |= {name: getattr(place, name) for name in ("carts", "orders", "revenue")}
            rows.append(row | _columns("revenue_per_thousand", place.revenue_per_thousand))
        return pd.DataFrame(rows)


def measure_earned(
    log: CollectedLog,
    *,
    window_days: float = 7.0,
    arms: pd.DataFrame | None = None,
    control: str | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> Earned:
    """Returns what slates earned: by attribution, and by the hold-out where there is one.

    Attribution is stated by `attribute`; intervals come from a bootstrap over people. The hold-out compares all
    purchases of users in an arm with those of `control`, so it needs users with ids.

    Args:
        log: what was shown, and what happened.
        window_days: days after a click within which a purchase of the same item is attributed to it.
        arms: `user_id` (each once) and `arm` of everybody in the experiment, seen or not; None = the users of whom the
            log names an arm, where it names several and every arm's answers are logged.
        control: the arm without the slates that are judged, such as `control`; None = the experiment is not read.
        level: confidence level.
        seed: draws the resamples.

    Raises:
        ConfigError: the window is not above 0.
        SchemaError: nothing was shown in this time, amounts are in several currencies, or the arms cannot be compared.
    """
    if not window_days > 0:
        raise ConfigError(f"`window_days` must be above 0; got {window_days}.")
    if log.shown.empty:
        raise SchemaError("Nothing was shown in this time. Choose another.")
    currencies = sorted(set(log.events.loc[log.events["event_type"] == PURCHASE, "currency"]) - {""})
    if len(currencies) > 1:
        raise SchemaError(
            f"Purchases are in several currencies ({', '.join(currencies)}), whose amounts cannot be added. Collect "
            "amounts in one currency."
        )
    found = attribute(log, window=pd.Timedelta(days=window_days))
    places = [
        _earnings((str(names[0]), str(names[1]), str(names[2])), own, found, level=level, seed=seed)
        for names, own in found.shown.groupby(list(PLACE), sort=False, observed=True)
    ]
    revenue = float(found.lines["revenue"].sum())
    times = pd.concat([log.shown["timestamp"], log.events["timestamp"]])
    return Earned(
        start=times.min(),
        end=times.max(),
        window_days=float(window_days),
        currency=currencies[0] if currencies else "",
        total=_earnings(("", "", ""), found.shown, found, level=level, seed=seed),
        places=tuple(sorted(places, key=lambda one: (-one.revenue, -one.clicks, one.placement))),
        by_slate=float(found.lines.loc[found.lines["by"] == "slate", "revenue"].sum()) / revenue if revenue else 0.0,
        strays=found.strays,
        unpriced=found.unpriced,
        hold_out=None if control is None else _hold_out(log, found, arms, control, level=level),
    )


def _earnings(
    place: tuple[str, str, str], shown: pd.DataFrame, found: Attribution, *, level: float, seed: int
) -> PlaceEarnings:
    values = shown[["clicked", "revenue"]].to_numpy(np.float64)
    click_rate, revenue = bootstrap_means(values, shown["person"].to_numpy(), level=level, seed=seed)
    return PlaceEarnings(
        *place,
        people=int(shown["person"].nunique()),
        slates=int(shown["slate_id"].nunique()),
        shown=len(shown),
        clicks=int(shown["clicked"].sum()),
        click_rate=click_rate,
        carts=int(shown["carts"].sum()),
        orders=int(found.lines.loc[found.lines["row"].isin(shown.index), "order"].nunique()),
        revenue=float(shown["revenue"].sum()),
        revenue_per_thousand=revenue.scaled(_THOUSAND),
    )


def _hold_out(
    log: CollectedLog, found: Attribution, arms: pd.DataFrame | None, control: str, *, level: float
) -> HoldOut:
    in_several = 0
    shares = None
    if arms is None:
        logged = log.shown.loc[(log.shown["arm"] != "") & (log.shown["user_id"] != ""), ["user_id", "arm"]]
        logged = logged.drop_duplicates()
        is_several = logged["user_id"].duplicated(keep=False)
        in_several = int(logged.loc[is_several, "user_id"].nunique())
        users = logged[~is_several].reset_index(drop=True)
        if users["arm"].nunique() < 2:
            raise SchemaError(
                "The log names the users of fewer than two arms: a hold-out that is shown nothing leaves no trace. "
                "Give the `arms` of all users, as `tfrec experiment assign` writes them."
            )
    else:
        users, _ = entered(arms)
        shares = stated_shares(users)
    purchases = log.events[(log.events["event_type"] == PURCHASE) & (log.events["user_id"] != "")]
    if arms is None:  # before the first answer in an arm there was no experiment
        purchases = purchases[purchases["timestamp"] >= log.shown.loc[log.shown["arm"] != "", "timestamp"].min()]
    spent = pd.Series(net_revenue(purchases, log.events), index=purchases["user_id"]).groupby(level=0).sum()
    value = spent.reindex(users["user_id"], fill_value=0.0).to_numpy()
    is_buyer = users["user_id"].isin(set(purchases["user_id"])).to_numpy(np.float64)
    users = users.assign(value=value, conversion=is_buyer)
    result = read_out(
        users,
        arm="arm",
        control=control,
        primary=[HeavyTailMetric("value")],
        secondary=[MeanMetric("conversion")],
        shares=shares,
        level=level,
    )
    attributed = found.shown.groupby("user_id")["revenue"].sum()
    parts = []
    for finding in result.of("primary"):
        own = users.loc[users["arm"] == finding.arm, "user_id"]
        parts.append(
            ArmEarnings(
                finding.arm,
                users=len(own),
                attributed=float(attributed.reindex(own, fill_value=0.0).sum()),
                incremental=finding.comparison.difference.scaled(len(own)),
            )
        )
    return HoldOut(control, result, tuple(parts), in_several)


def _columns(name: str, found: Estimate) -> dict[str, float]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
