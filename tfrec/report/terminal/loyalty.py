"""Writes what `tfrec churn` prints."""

import math
from typing import Any

from tfrec.analysis.dropout import RISKS
from tfrec.analysis.repurchase import BuyAgain, Churn, Holdout
from tfrec.report.words import Language
from tfrec.schema.text_columns import text_table


def churn_text(churn: Churn, again: BuyAgain, say: Language, *, out: Any = None, due: Any = None) -> str:
    """Returns who is expected back, and what is due again.

    Args:
        churn: who comes back.
        again: what they buy again.
        say: language.
        out: path of the table of buyers, where there is one.
        due: path of the table of items due again, where there is one.
    """
    rows = []
    for _, risk in RISKS:
        members = churn.users[churn.users["risk"] == risk]
        mean = f"{members['returns'].mean():.0%}" if len(members) else "–"
        rows.append([say.name(risk), f"{len(members):,}", mean, f"{members['expected_orders'].sum():,.0f}"])
    heads = [
        say("loyalty.churn_risk"),
        say("heads.buyers"),
        say("loyalty.mean_chance_order"),
        say("loyalty.orders_expected"),
    ]
    lines = [_returning(churn, say), _repeating(again, say), "", text_table(heads, rows)]
    if out is not None:
        lines.append(say("loyalty.buyers_path", path=out))
    if due is not None:
        lines.append(say("loyalty.due_again", path=due))
    return "\n".join(lines)


def _returning(churn: Churn, say: Language) -> str:
    sentences = [
        say(
            "loyalty.buyers_expected_order_within_days_probably",
            returns=churn.users["returns"].sum(),
            n=len(churn.users),
            days=churn.horizon_days,
            share=(churn.users["risk"] == "high").mean(),
        )
    ]
    if churn.holdout_orders:
        predicted, came = churn.holdout_orders
        sentences.append(
            say(
                "loyalty.one_horizon_earlier_order_days",
                predicted=predicted,
                came=came,
            )
        )
    return say.sentences(
        *sentences, _proof(churn.holdout, say), *model_note(churn, say), *skill_warning(churn.holdout, say)
    )


def model_note(churn: Churn, say: Language) -> list[str]:
    """Returns a sentence where a regression predicts in place of the model of dropout, else none."""
    return [say("loyalty.regression_predicts")] if churn.model == "regression" else []


def skill_warning(holdout: Holdout | None, say: Language) -> list[str]:
    """Returns a sentence where predictions may be no better than chance, else none."""
    if holdout is None or not holdout.lacks_skill:
        return []
    return [say("loyalty.churn_without_skill", auc=holdout.auc, low=holdout.auc_low, high=holdout.auc_high)]


def _repeating(again: BuyAgain, say: Language) -> str:
    expected = say(
        "loyalty.repeat_purchases_user_item_pairs",
        repeats=again.pairs["probability"].sum(),
        pairs=len(again.pairs),
        days=again.horizon_days,
        likely=int((again.pairs["probability"] >= 0.5).sum()),
    )
    return say.sentences(expected, _proof(again.holdout, say))


def _proof(holdout: Holdout | None, say: Language) -> str:
    if holdout is None:
        return say("loyalty.history_too_short_check_later")
    if not math.isfinite(holdout.auc):  # all or none came true
        return say("loyalty.checked_without_contrast", n=holdout.num, true=holdout.num_positive)
    return say(
        "loyalty.checked_earlier_predictions_which_came",
        n=holdout.num,
        true=holdout.num_positive,
        auc=holdout.auc,
        low=holdout.auc_low,
        high=holdout.auc_high,
    )
