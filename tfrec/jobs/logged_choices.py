"""Estimates from logged slates with propensities how often shoppers would click on what a setting shows first.

A replay knows only what was bought without having been offered by the setting. A log whose slates were drawn by known
chances also knows what came of showing just that item: where a setting would have shown the same first item, the
outcome counts with the weight of one over its chance (self-normalised inverse propensity).
"""

import dataclasses

import numpy as np
import pandas as pd

from tfrec.evaluation.sales import SOLD_BY
from tfrec.experiments.off_policy import DecisionLog, PolicyValue, self_normalised
from tfrec.schema.slate import Slate
from tfrec.schema.tables import Tables

_VISIT = np.timedelta64(1, "h")
_MAX_EVENTS = 50
_ABOUT_AN_ITEM = ("cross_sell", "upsell")


@dataclasses.dataclass(frozen=True)
class LoggedChoices:
    """The first places of slates that were shown.

    Attributes:
        queries: the requests, as far as the log of events knows them.
        first: `[n]` item in the first place.
        propensities: `[n]` chance of that item.
        clicked: `[n]` 1 = clicked.
        users: `[n]` who saw it; each guest on its own.
    """

    queries: pd.DataFrame
    first: np.ndarray
    propensities: np.ndarray
    clicked: np.ndarray
    users: np.ndarray

    def judge(self, slate: Slate) -> PolicyValue:
        """Returns the clicks on the first place that slates `[n, k]` would have had."""
        is_same = (np.asarray(slate.item_ids[:, 0], object) == self.first).astype(np.int64)
        log = DecisionLog(is_same, self.propensities, self.clicked, self.users)
        return self_normalised(log, np.tile([0.0, 1.0], (len(is_same), 1)))


def logged_choices(impressions: pd.DataFrame, later: Tables, signature: str, *, most: int) -> LoggedChoices | None:
    """Returns the logged first places of a signature in a period; None where none has a propensity and an outcome.

    The table of impressions does not keep the request: who asked is known, the visit is what the user did within the
    hour before, and the page is the item viewed last. `upsell` needs such a page.

    Args:
        impressions: what was shown, as `Prepared.impressions` has it.
        later: the period's tables.
        signature: one of `SOLD_BY`.
        most: slates sampled, seeded.
    """
    assert signature in SOLD_BY
    events = later.events
    shown = impressions[(impressions["signature"] == signature) & impressions["propensity"].notna()]
    shown = shown[shown["clicked"].notna()]
    if not len(shown) or not len(events):
        return None
    first_place = shown["position"].min()
    period = shown["timestamp"].between(events["timestamp"].iloc[0], events["timestamp"].iloc[-1])
    shown = shown[period & (shown["position"] == first_place)].drop_duplicates("slate_id")
    chosen = np.sort(np.random.default_rng(0).permutation(len(shown))[:most])
    shown = shown.iloc[chosen].reset_index(drop=True)
    visits = _visits(shown, events)
    queries = pd.DataFrame({"query_id": shown["slate_id"].astype(object), "user_id": shown["user_id"].astype(object)})
    for name, column in (("recent_item_ids", "item_id"), ("recent_event_types", "event_type"), ("recent_ages", "age")):
        queries[name] = pd.Series([visit[column].tolist() for visit in visits], dtype=object)
    in_cart = [visit["item_id"][(visit["event_type"] == "cart").to_numpy()].tolist() for visit in visits]
    queries["cart_item_ids"] = pd.Series(in_cart, dtype=object)
    if signature in _ABOUT_AN_ITEM:
        viewed = [visit["item_id"][(visit["event_type"] == "view").to_numpy()].tolist() for visit in visits]
        queries["item_id"] = [items[-1] if items else "" for items in viewed]
    is_asked = queries["item_id"] != "" if signature == "upsell" else np.ones(len(queries), bool)
    queries, shown = queries[is_asked].reset_index(drop=True), shown[is_asked].reset_index(drop=True)
    if not len(queries):
        return None
    users = shown["user_id"].astype(object)
    return LoggedChoices(
        queries=queries.drop(columns=["recent_item_ids", "recent_event_types", "recent_ages"])
        if signature == "complete_cart"
        else queries,
        first=shown["item_id"].to_numpy(object),
        propensities=shown["propensity"].to_numpy(np.float64),
        clicked=shown["clicked"].to_numpy(np.float64),
        users=users.where(users != "", "guest " + shown["slate_id"].astype(object)).to_numpy(str),
    )


def _visits(shown: pd.DataFrame, events: pd.DataFrame) -> list[pd.DataFrame]:
    """Returns what each slate's user did within the hour before: item, type and age in hours, oldest first."""
    known = events[(events["user_id"] != "") & (events["event_type"] != "impression")]
    of_user = {str(user): part for user, part in known.groupby("user_id", sort=False)}
    nothing = known.iloc[:0].assign(age=np.zeros(0))
    visits = []
    for user, moment in zip(shown["user_id"], shown["timestamp"].to_numpy(), strict=True):
        part = of_user.get(str(user), nothing)
        times = part["timestamp"].to_numpy()
        begin, end = np.searchsorted(times, [moment - _VISIT, moment], side="left")
        visit = part.iloc[max(begin, end - _MAX_EVENTS) : end]
        ages = (moment - visit["timestamp"].to_numpy()) / np.timedelta64(1, "h")
        visits.append(visit[["item_id", "event_type"]].assign(age=ages.astype(np.float32)))
    return visits
