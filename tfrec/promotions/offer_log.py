"""Reads the log of an offer test, of a prepared shop or a file, into a checked table."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tfrec.errors import ConfigError, SchemaError, nearest_hint
from tfrec.experiments.user_tables import read_table, require, with_user_ids
from tfrec.ingest.prepared import Prepared
from tfrec.promotions.trial import Encoder, Trial, fit_encoder, read_trial

OUTCOMES = ("margin", "spend", "conversion", "visit")
"""Outcomes known by name, the nearest to money first."""

CONTROLS = ("none", "control", "no offer", "")
"""Names of the arm without an offer that are known."""

PROFIT = "profit"
"""The outcome that `with_profit` adds: money, after the discount, before the cost of sending."""

_DISCOUNT = "discount"
_CAP = "max_discount"
_ENOUGH_USES = 20  # uses of an offer from which the largest few may be left out
_MAX_NUMBERING = 2  # coupon_1 and coupon_2 are the first and the second coupon
_MONEY = r"(?:eur|usd|gbp|cny|rmb|€|\$|£|¥|元)"
_STATED_PERCENT = re.compile(r"(?<![\d.,$€£¥])(\d{1,2}(?:[.,]\d+)?)[ _-]?(?:%|percent|pct|off)", re.IGNORECASE)
_NAMED_PERCENT = re.compile(
    rf"(?:coupon|discount|save|rabatt)[ _-]?(\d{{1,2}})(?![\d.,%]|[ _-]?{_MONEY})", re.IGNORECASE
)
_BARE_NUMBER = re.compile(r"(?<![\dv])\d{2}(?!\d)", re.IGNORECASE)
_MAX_LEVELS = 50  # texts with more values than that are names, not attributes


@dataclasses.dataclass(frozen=True)
class OfferLog:
    """An offer test, one row a user.

    Attributes:
        table: `user_id`, `arm`, outcomes, attributes, and where it is known `discount`: money taken off.
        arm_names: control first, then the offers in alphabetical order.
        outcomes: names of the outcome columns.
        attributes: columns known before the test.
        cost_kind: `discount` (money that the offers took off is known) or `offers` (it is not).
        face_values: offer → most that it takes off; empty where none was set.
        currency: of all money; empty where it is not known.
    """

    table: pd.DataFrame
    arm_names: tuple[str, ...]
    outcomes: tuple[str, ...]
    attributes: tuple[str, ...]
    cost_kind: str
    face_values: Mapping[str, float] = dataclasses.field(default_factory=dict)
    currency: str = ""

    def trial(self, outcomes: Sequence[str] | None = None) -> tuple[Trial, Encoder]:
        """Returns the log as a trial, and how attributes were encoded."""
        wanted = [*(self.outcomes if outcomes is None else outcomes)]
        if self.cost_kind == _DISCOUNT and _DISCOUNT not in wanted:
            wanted.append(_DISCOUNT)
        encoder = fit_encoder(self.table, self.attributes)
        return read_trial(self.table, arm="arm", control=self.arm_names[0], outcomes=wanted, encoder=encoder), encoder

    def with_face_values(self, given: Mapping[str, float] | None = None) -> "OfferLog":
        """Returns the log as if no offer had taken off more than its face value.

        What an order took off beyond it counts as paid: added to `spend` and `margin`. That the order would have come
        nevertheless is assumed; the usual face value is so high that it touches one use in twenty.

        Args:
            given: offer → most that it takes off; when left out, of each offer the amount that 95 % of its uses in the
                test stayed below (all of them, where they are few), rounded up to two digits.

        Raises:
            ConfigError: an offer is missing or unknown, or nothing is given and the test has no discounts.
        """
        offers = self.arm_names[1:]
        if not given:
            if self.cost_kind != _DISCOUNT:
                raise ConfigError("The test has no discounts: name the most that each offer can cost.")
            given = {offer: _usual_most(self.table.loc[self.table["arm"] == offer, _DISCOUNT]) for offer in offers}
        per_offer(given, offers, what="The face value")
        missing = [offer for offer in offers if offer not in given]
        if missing:
            raise ConfigError(f"The face value of {', '.join(missing)} is missing. Name it of every offer or of none.")
        face_values = {offer: float(given[offer]) for offer in offers}
        if self.cost_kind != _DISCOUNT:
            return dataclasses.replace(self, face_values=face_values)
        most = self.table["arm"].map({**face_values, self.arm_names[0]: np.inf}).to_numpy(np.float64)
        beyond = np.maximum(self.table[_DISCOUNT].to_numpy(np.float64) - most, 0.0)
        paid = {name: self.table[name] + beyond for name in ("spend", "margin") if name in self.outcomes}
        table = self.table.assign(discount=self.table[_DISCOUNT] - beyond, **paid)
        return dataclasses.replace(self, table=table, face_values=face_values)

    def with_profit(self, *, outcome: str, worth: float) -> "OfferLog":
        """Returns the log with the outcome `profit` in money, after the discount.

        `margin · worth`, since margin is meant after the discount; `worth · (spend + discount) − discount`; of any
        other outcome `worth · y − discount`.

        Raises:
            SchemaError: the outcome is unknown.
        """
        if outcome not in self.outcomes:
            raise SchemaError(f"The test has no outcome {outcome!r}.{nearest_hint(outcome, self.outcomes)}")
        y = self.table[outcome].fillna(0).to_numpy(np.float64)
        given = self.table[_DISCOUNT].to_numpy(np.float64) if self.cost_kind == _DISCOUNT else np.zeros(len(y))
        if outcome == "margin":
            profit = worth * y
        elif outcome == "spend":
            profit = worth * (y + given) - given
        else:
            profit = worth * y - given
        return dataclasses.replace(self, table=self.table.assign(**{PROFIT: profit}), outcomes=(*self.outcomes, PROFIT))


def read_shop_test(prepared: Prepared) -> OfferLog:
    """Returns the coupon test of a prepared shop.

    The extra table `coupon_test` has a column of user ids (the first), `arm`, and any of visit, conversion, spend,
    margin, discount and max_discount (the cap printed on the offer); `coupon_features`, where there is one, the same
    users' attributes before the test, else the columns of `users` are taken.

    Raises:
        SchemaError: a column is missing, or no arm is a control.
        SourceError: the shop has no such extra table.
    """
    log = _first_is_user(read_table(prepared.extra("coupon_test")))
    if "arm" not in log.columns or not set(OUTCOMES) & set(log.columns):
        raise SchemaError(
            f"The extra table coupon_test needs a column `arm` and one of {', '.join(sorted(OUTCOMES))}; it has "
            f"{', '.join(log.columns)}. Rename its columns."
        )
    if "coupon_features" in prepared.manifest.extras:
        features = _first_is_user(read_table(prepared.extra("coupon_features")))
    else:
        features = prepared.train.users
    attributes = [str(name) for name in features.columns if name != "user_id"]
    if not attributes:
        raise SchemaError("Nothing is known of the users of the coupon test. Name `coupon_features` in [extras].")
    merged = log.merge(features, on="user_id", suffixes=("", "_before"), validate="one_to_one")
    test = _checked(merged, "arm", None, [name for name in OUTCOMES if name in log.columns], attributes)
    return dataclasses.replace(test, currency=prepared.manifest.currency)


def read_file_test(
    path: Path,
    *,
    user: str | None = None,
    arm: str = "arm",
    control: str | None = None,
    outcomes: Sequence[str] = (),
    attributes: Sequence[str] = (),
) -> OfferLog:
    """Returns an offer test of one's own: a file with a row a user.

    Args:
        path: `.csv`, `.csv.gz` or `.parquet`.
        user: column of ids; a usual name when left out; `row` numbers the rows.
        arm: column that says who got what.
        control: the arm without an offer; one of `CONTROLS` when left out.
        outcomes: outcome columns beside those known by name (`OUTCOMES`).
        attributes: columns known before the test; when left out all others that are numbers or texts of few values.

    A column `max_discount` states the cap that was printed on the row's offer; it becomes its face value.

    Raises:
        SourceError: the file cannot be read.
        SchemaError: a column or the control arm is missing, or a user comes twice.
    """
    log = with_user_ids(read_table(path), column=user)
    require(log, [arm, *outcomes, *attributes], what=str(path))
    outcome_columns = [*dict.fromkeys([*outcomes, *(name for name in OUTCOMES if name in log.columns)])]
    if not outcome_columns:
        raise SchemaError(
            f"{path} needs an outcome: a column named {', '.join(OUTCOMES)}, or one that you name. It has "
            f"{', '.join(map(str, log.columns))}."
        )
    taken = {"user_id", arm, _DISCOUNT, _CAP, *outcome_columns}
    attribute_columns = list(attributes) or [
        str(name) for name in log.columns if name not in taken and _is_attribute(log[name])
    ]
    if not attribute_columns:
        raise SchemaError(f"{path} has no attributes of the users beside the arm. Add columns known before the test.")
    return _checked(log, arm, control, outcome_columns, attribute_columns)


def _checked(
    log: pd.DataFrame, arm: str, control: str | None, outcomes: Sequence[str], attributes: Sequence[str]
) -> OfferLog:
    log = log.assign(arm=log[arm].fillna("").astype("str"))
    names = sorted(log["arm"].unique())
    control_name = control if control is not None else next((name for name in CONTROLS if name in names), None)
    if control_name is None or control_name not in names:
        if control is None:
            raise SchemaError(f"One arm of the test must be called 'none' or 'control'; got {', '.join(names)}.")
        raise SchemaError(f"No user is in the arm {control!r}.{nearest_hint(control, names)}")
    if len(names) < 2:
        raise SchemaError(f"A test needs an offer beside {control_name!r}; every row is {control_name!r}.")
    arms = (control_name, *(name for name in names if name != control_name))
    for name in outcomes:
        if not pd.api.types.is_numeric_dtype(log[name]):
            raise SchemaError(f"The outcome {name!r} must be numbers; got {log[name].dtype}. Correct the column.")
    log, kind = _with_discount(log, arms)
    test = OfferLog(log, arms, tuple(outcomes), tuple(attributes), kind)
    return test.with_face_values(_stated_caps(log, arms)) if _CAP in log.columns else test


def _stated_caps(log: pd.DataFrame, arms: tuple[str, ...]) -> dict[str, float]:
    """Returns the column `max_discount`: what each offer of the test said that it takes off at most."""
    if not pd.api.types.is_numeric_dtype(log[_CAP]):
        raise SchemaError(f"`{_CAP}` must be money: the most that the row's offer takes off; got {log[_CAP].dtype}.")
    caps = {}
    for offer in arms[1:]:
        stated = log.loc[log["arm"] == offer, _CAP].dropna().unique()
        if len(stated) != 1 or not stated[0] > 0:
            raise SchemaError(
                f"`{_CAP}` must state one amount above 0 for all rows of {offer}; got "
                f"{', '.join(f'{value:g}' for value in stated[:5]) or 'none'}. Correct it, or leave the column out."
            )
        caps[offer] = float(stated[0])
    return caps


def _with_discount(log: pd.DataFrame, arms: tuple[str, ...]) -> tuple[pd.DataFrame, str]:
    """Adds the discount: a column of the log, or the percentage in the arms' names (`coupon_10`: 10 % off)."""
    if _DISCOUNT in log.columns:
        return log.assign(discount=log[_DISCOUNT].fillna(0)), _DISCOUNT
    rates = {name: discount_rate(name) for name in arms[1:]}
    if "spend" not in log.columns or not all(rate > 0 for rate in rates.values()):
        return log, "offers"
    rate = log["arm"].map({**rates, arms[0]: 0.0}).to_numpy(np.float64)
    return log.assign(discount=log["spend"].fillna(0) * rate / (1 - rate)), _DISCOUNT


def discount_rate(name: str) -> float:
    """Returns the share off that an arm's name states, 0 where it states none.

    A number before `%`, `percent` or `off`, or after `coupon`, `discount`, `save` or `rabatt`, is a percentage;
    `coupon_1` and `coupon_2` are numbered coupons, and money (`$10 off`, `coupon_10_eur`) is no share.

    Examples:
        >>> [discount_rate(name) for name in ("coupon_10", "7.5%", "25_off", "mail_v2", "coupon_2", "$10 off")]
        [0.1, 0.075, 0.25, 0.0, 0.0, 0.0]
    """
    stated = _STATED_PERCENT.search(name)
    if stated:
        return float(stated[1].replace(",", ".")) / 100
    named = _NAMED_PERCENT.search(name)
    percent = int(named[1]) if named else 0
    return percent / 100 if percent > _MAX_NUMBERING else 0.0


def unclear_discounts(names: Sequence[str]) -> list[str]:
    """Returns the offers whose discount must be asked for.

    They have a number that does not say what it is, or state no discount where other offers state one.

    Examples:
        >>> unclear_discounts(["offer_10", "mail_v1"]), unclear_discounts(["mail_v1", "mail_v2"])
        (['offer_10'], [])
        >>> unclear_discounts(["coupon_10", "letter"]), unclear_discounts(["coupon_10", "coupon_25"])
        (['letter'], [])
    """
    unstated = [name for name in names if not discount_rate(name)]
    return unstated if len(unstated) < len(names) else [name for name in unstated if _BARE_NUMBER.search(name)]


def per_offer(given: Mapping[str, float], offers: Sequence[str], *, what: str) -> np.ndarray:
    """Returns `[K]` one number an offer; 0 where none is given.

    Raises:
        ConfigError: an offer is unknown or a number negative.
    """
    for name, value in given.items():
        if name not in offers:
            raise ConfigError(f"{what} names {name!r}, which is no offer of the test.{nearest_hint(name, offers)}")
        if not value >= 0:
            raise ConfigError(f"{what} of {name!r} must be at least 0; got {value}.")
    return np.array([given.get(name, 0.0) for name in offers], dtype=np.float64)


def _usual_most(discounts: pd.Series) -> float:
    used = discounts[discounts > 0]
    if used.empty:
        return 0.0
    most = float(used.quantile(0.95) if len(used) >= _ENOUGH_USES else used.max())
    unit = 10.0 ** (np.floor(np.log10(most)) - 1)
    return float(np.round(np.ceil(np.round(most / unit, 6)) * unit, 6))


def _first_is_user(table: pd.DataFrame) -> pd.DataFrame:
    return with_user_ids(table, column=str(table.columns[0]))


def _is_attribute(column: pd.Series) -> bool:
    if pd.api.types.is_numeric_dtype(column):
        return column.nunique() > 1
    if pd.api.types.is_datetime64_any_dtype(column):
        return False
    return 2 <= column.nunique() <= _MAX_LEVELS
