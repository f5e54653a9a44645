"""Writes and reads a campaign plan as the files of a folder, one of which holds pseudonyms only."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tfrec.errors import ConfigError, SchemaError, SourceError
from tfrec.ingest.privacy import pseudonyms
from tfrec.promotions.campaign import TREATED, CampaignPlan
from tfrec.publish import FolderKind, publishing
from tfrec.schema.json_values import to_json
from tfrec.statistics.estimates import Estimate

PLAN, SEND, STATED = "plan.csv", "send.csv", "plan.json"
_COLUMNS = ("user_id", "status", "offer", "expected_gain", "cost", "expected_profit", "is_compared")
_LEAST_KEY = 16  # bytes
PLAN_FOLDER = FolderKind(
    "a campaign plan",
    mark=STATED,
    keys=frozenset({"name", "offers", "budget", "holdout_share", "price"}),
    files=(PLAN, SEND, STATED),
)


def publish_plan(
    plan: CampaignPlan,
    folder: Path,
    *,
    key: bytes | None = None,
    min_users: int = 50,
    about: Mapping[str, Any] | None = None,
    inputs: Iterable[Path] = (),
) -> Path:
    """Writes `plan.csv` (all users; internal), `plan.json`, and with a key `send.csv`, in one step.

    `send.csv` is what the mailer needs: `pseudonym` (`HMAC-SHA256(key, user_id)`) and `offer`, sorted by pseudonym, so
    the order reveals no user. The folder appears under its name by rename, so that a mailer never reads half a plan.

    Args:
        plan: plan of any origin.
        folder: where.
        key: the mailer's secret, at least 16 bytes; each receiver its own, so that lists cannot be joined.
        min_users: k-anonymity floor: an offer with fewer users is never sent out.
        about: further entries of `plan.json`.
        inputs: files and folders that the plan was made from, which `folder` must not hold.

    Returns:
        The folder.

    Raises:
        ConfigError: the key is short, or an offer has fewer users.
        SourceError: `folder` holds an input, or anything that is no plan of tfrec's.
    """
    sent = plan.table.loc[plan.table["status"] == TREATED, ["user_id", "offer"]]
    if key is not None:
        _check_may_leave(sent, key, min_users)
    with publishing(folder, PLAN_FOLDER, inputs=inputs) as work:
        plan.table.to_csv(work / PLAN, index=False)
        if key is not None:
            names = pseudonyms(sent["user_id"], key=key)
            send_list = pd.DataFrame({"pseudonym": names, "offer": sent["offer"]}).sort_values("pseudonym")
            send_list.to_csv(work / SEND, index=False)
        text = json.dumps({**to_json(about or {}), **to_json(plan)}, indent=2, ensure_ascii=False)
        (work / STATED).write_text(text + "\n", encoding="utf-8")
    return folder


def read_plan(folder: Path) -> CampaignPlan:
    """Reads what `publish_plan` wrote.

    Raises:
        SourceError: a file is missing or damaged.
        SchemaError: the table lacks a column.
    """
    how = "Write one with: tfrec campaign plan PREPARED --budget MONEY --out DIR"
    try:
        table = pd.read_csv(folder / PLAN, float_precision="round_trip", dtype=_TYPES, keep_default_na=False)
        stated = json.loads((folder / STATED).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceError(f"{folder} is no campaign plan: {error.filename} is missing. {how}") from error
    except ValueError as error:
        raise SourceError(f"{folder} holds a damaged plan ({error}). {how}") from error
    missing = [column for column in _COLUMNS if column not in table.columns]
    if missing:
        raise SchemaError(f"{folder / PLAN} must have {', '.join(_COLUMNS)}; missing: {', '.join(missing)}.")
    try:
        return CampaignPlan(
            name=stated["name"],
            offers=tuple(stated["offers"]),
            table=table,
            budget=stated["budget"],
            cost=stated["cost"],
            holdout_share=stated["holdout_share"],
            price=stated["price"],
            bound=stated["bound"],
            expected_profit=_estimate(stated["expected_profit"]),
            face_values=dict(stated.get("face_values", {})),
            send_costs=dict(stated.get("send_costs", {})),
            currency=stated.get("currency", ""),
            offer_profits={name: _estimate(one) for name, one in stated.get("offer_profits", {}).items()},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise SourceError(f"{folder / STATED} is damaged ({error!r}). {how}") from error


def _estimate(stated: dict[str, Any]) -> Estimate:
    known: dict[str, Any] = {name: np.nan if value is None else value for name, value in stated.items()}
    return Estimate(**known)


_TYPES = {"user_id": "str", "status": "str", "offer": "str", "is_compared": "bool"}


def _check_may_leave(sent: pd.DataFrame, key: bytes, min_users: int) -> None:
    if len(key) < _LEAST_KEY:
        raise ConfigError(
            f"`key` must have at least {_LEAST_KEY} bytes; got {len(key)}. Make one: head -c 32 /dev/urandom"
        )
    counts = sent["offer"].value_counts()
    if len(counts) and counts.min() < min_users:
        raise ConfigError(
            f"The offer {counts.idxmin()!r} goes to fewer than {min_users} users: too few to leave the house. Plan "
            "without it, or with a larger budget."
        )
