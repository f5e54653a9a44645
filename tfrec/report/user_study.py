"""Gathers all that is known and predicted of one user: orders, segment, interests, next purchases, value, tests."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np
import pandas as pd

from tfrec.analysis.behaviour import describe_behaviour, order_ids, worth_of
from tfrec.analysis.content_offers import items_for
from tfrec.analysis.interests import measure_interests
from tfrec.analysis.lifetime_value import predict_value
from tfrec.analysis.repurchase import predict_churn, predict_repurchase
from tfrec.analysis.segments import segment_by_rfm
from tfrec.errors import ConfigError, SchemaError, nearest_hint
from tfrec.experiments.user_tables import read_table
from tfrec.ingest.prepared import Prepared
from tfrec.promotions.predicted_responses import predict_profits, predict_responses
from tfrec.report.absent import Absent
from tfrec.schema.item_names import item_names
from tfrec.schema.tables import Tables, as_id

_MOST_ORDERS = 10
_MOST_ITEMS = 10
_TEST = "coupon_test"

Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True)
class UserStudy:
    """One user, whole; `Absent` where the log does not allow a part. Money is net of returns.

    Attributes:
        user_id: the user.
        now: end of the log, on the shop's clock, as all days are.
        currency: of the shop.
        attributes: the user's row of `users`.
        behaviour: figures of `describe_behaviour`; None where one is unknown.
        segment: key of the RFM segment; None where none can be made.
        orders: the latest ten, latest first: `order_id`, `day`, `pieces`, `value`, `items` (names, by value).
        returned: `pieces` and `value` that were taken back.
        interests: `levels` (categories, a list a level) and `items`, as `Interests.profile` gives them.
        by_content: new items that suit the interests: `item_id`, `name`, `score`.
        due: items likely to be bought again, most likely first: `item_id`, `name`, `probability` (28 days),
            `last_days`, `due_days`.
        churn: `returns` (chance of an order in 90 days), `risk`, `expected_orders`, `lacks_skill`.
        value: `expected_value` within 90 days with `low` and `high` (80 %), `rank` (1 = highest), `num_users`.
        offers: one row an offer of the coupon test, where the user took part: `offer`, `effect` (on an order), `profit`
            (NaN where the test knows no margin).
        experiments: one row a test: `name`, `arm` ("" = the user is not in it).
    """

    JSON_KEYS: ClassVar = (
        "user_id", "now", "currency", "attributes", "behaviour", "segment", "orders", "returned", "interests",
        "by_content", "due", "churn", "value", "offers", "experiments",
    )  # fmt: skip

    user_id: str
    now: pd.Timestamp
    currency: str
    attributes: Mapping[str, Any]
    behaviour: Mapping[str, float | None]
    segment: str | None
    orders: pd.DataFrame
    returned: Mapping[str, float]
    interests: Mapping[str, Any] | Absent
    by_content: list[dict[str, Any]]
    due: pd.DataFrame
    churn: Mapping[str, Any] | Absent
    value: Mapping[str, float] | Absent
    offers: pd.DataFrame
    experiments: pd.DataFrame


def study_user(
    tables: Tables,
    user_id: str,
    *,
    prepared: Prepared | None = None,
    assigned: Mapping[str, pd.DataFrame] | None = None,
    with_offers: bool = False,
) -> UserStudy:
    """Returns all that is known and predicted of a user.

    Predictions come from the whole shop, as the verbs on all users make them.

    Args:
        tables: the shop, or a part of its log.
        user_id: the user.
        prepared: the prepared shop, for its coupon test; None = none.
        assigned: name of a test → its table of `user_id` and `arm`.
        with_offers: predict what each offer of the coupon test changes for the user, which takes the longest.

    Raises:
        ConfigError: the log has no event of the user.
    """
    behaviour = describe_behaviour(tables)
    if user_id not in behaviour.index:
        raise ConfigError(
            f"The log has no event of a user {user_id!r}.{nearest_hint(user_id, behaviour.index)} Ids are those of "
            "`tfrec prepare`: pseudonyms, where it had a key."
        )
    names = item_names(tables.items)
    tests = _experiments(prepared, user_id, assigned or {})
    interests, by_content = _interests(tables, user_id)
    attributes = tables.users[tables.users["user_id"] == user_id].drop(columns="user_id")
    return UserStudy(
        user_id=user_id,
        now=tables.calendar.local(tables.events["timestamp"].iloc[-1]),
        currency=tables.calendar.currency,
        attributes={} if attributes.empty else attributes.iloc[0].to_dict(),
        behaviour={name: _number(value) for name, value in behaviour.loc[user_id].items()},
        segment=_segment(tables, user_id),
        orders=_orders(tables, user_id, names),
        returned=_returned(tables, user_id),
        interests=interests,
        by_content=by_content,
        due=_due(tables, user_id, names),
        churn=_try(lambda: _churn(tables, user_id)),
        value=_try(lambda: _value(tables, user_id)),
        offers=_offers(prepared if with_offers else None, tables, user_id, tests),
        experiments=tests,
    )


def _try(run: Callable[[], Result]) -> Result | Absent:
    try:
        return run()
    except (SchemaError, ConfigError) as error:
        return Absent(str(error))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _segment(tables: Tables, user_id: str) -> str | None:
    segments = _try(lambda: segment_by_rfm(tables))
    if isinstance(segments, Absent):
        return None
    own = segments.assignments.loc[segments.assignments["user_id"] == user_id, "segment"]
    return str(own.iloc[0]) if len(own) else None


def _orders(tables: Tables, user_id: str, names: Mapping[str, str]) -> pd.DataFrame:
    purchases = tables.net_purchases()
    lines = purchases[purchases["user_id"] == user_id]
    lines = lines.assign(value=worth_of(lines), order=order_ids(lines, tables.calendar)).sort_values(
        "value", ascending=False
    )
    rows = [
        {
            "order_id": order["order_id"].iloc[0],
            "day": tables.calendar.local(order["timestamp"].max()),
            "pieces": float(order["quantity"].sum()),
            "value": float(order["value"].sum()),
            "items": [names.get(item, item) for item in dict.fromkeys(order["item_id"])],
        }
        for _, order in lines.groupby("order", sort=False)
    ]
    columns = ["order_id", "day", "pieces", "value", "items"]
    frame = pd.DataFrame(rows, columns=columns).sort_values("day", ascending=False, kind="stable")
    return frame.head(_MOST_ORDERS).reset_index(drop=True)


def _returned(tables: Tables, user_id: str) -> dict[str, float]:
    back = tables.returns[tables.returns["user_id"] == user_id]
    return {"pieces": float(back["quantity"].sum()), "value": float(worth_of(back).sum())}


def _interests(tables: Tables, user_id: str) -> tuple[Mapping[str, Any] | Absent, list[dict[str, Any]]]:
    interests = _try(lambda: measure_interests(tables))
    if isinstance(interests, Absent):
        return interests, []
    profile = _try(lambda: interests.profile(user_id))
    if isinstance(profile, Absent):
        return profile, []
    return {name: profile[name] for name in ("levels", "items")}, items_for(tables, interests, user_id)


def _due(tables: Tables, user_id: str, names: Mapping[str, str]) -> pd.DataFrame:
    columns = ["item_id", "name", "probability", "last_days", "due_days"]
    again = _try(lambda: predict_repurchase(tables))
    if isinstance(again, Absent):
        return pd.DataFrame(columns=columns)
    own = again.of(user_id, num=_MOST_ITEMS)
    return own.assign(name=[names.get(item, item) for item in own["item_id"]])[columns].reset_index(drop=True)


def _churn(tables: Tables, user_id: str) -> Mapping[str, Any] | Absent:
    churn = predict_churn(tables)
    if user_id not in churn.users.index:
        return Absent("")
    row = churn.users.loc[user_id]
    return {
        "returns": float(row["returns"]),
        "risk": str(row["risk"]),
        "expected_orders": float(row["expected_orders"]),
        "lacks_skill": churn.holdout is not None and churn.holdout.lacks_skill,
        "horizon_days": churn.horizon_days,
    }


def _value(tables: Tables, user_id: str) -> Mapping[str, float] | Absent:
    values = predict_value(tables)
    if user_id not in values.users.index:
        return Absent("")
    row = values.users.loc[user_id]
    return {
        **{name: float(row[name]) for name in ("expected_value", "low", "high")},
        "rank": int(values.users.index.get_loc(user_id)) + 1,
        "num_users": values.num_users,
        "horizon_days": values.horizon_days,
    }


def _experiments(prepared: Prepared | None, user_id: str, assigned: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    tables = dict(assigned)
    if prepared and _TEST in prepared.manifest.extras:
        test = read_table(prepared.extra(_TEST))
        tables = {_TEST: test.rename(columns={test.columns[0]: "user_id"}), **tables}
    rows = []
    for name, table in tables.items():
        own = table.loc[as_id(table["user_id"]) == user_id, "arm"]
        rows.append({"name": name, "arm": str(own.iloc[0]) if len(own) and pd.notna(own.iloc[0]) else ""})
    return pd.DataFrame(rows, columns=["name", "arm"])


def _offers(prepared: Prepared | None, tables: Tables, user_id: str, tests: pd.DataFrame) -> pd.DataFrame:
    columns = ["offer", "effect", "profit"]
    if prepared is None or not ((tests["name"] == _TEST) & (tests["arm"] != "")).any():
        return pd.DataFrame(columns=columns)
    responses = _try(lambda: predict_responses(prepared, tables, orders=False))
    if isinstance(responses, Absent):
        return pd.DataFrame(columns=columns)
    profits = _try(lambda: predict_profits(prepared))
    if isinstance(profits, Absent):
        profits = {}
    rows = [
        {
            "offer": offer,
            "effect": float(effects[user_id]),
            "profit": float(profits[offer][user_id]) if offer in profits else float("nan"),
        }
        for offer, effects in responses.items()
        if user_id in effects.index and np.isfinite(effects[user_id])
    ]
    return pd.DataFrame(rows, columns=columns)
