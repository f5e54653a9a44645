"""Writes the section on next purchases and churn."""

import numpy as np

from tfrec.analysis.repurchase import Holdout
from tfrec.pages.blocks import Figure, Section, Table, with_interval
from tfrec.pages.charts import line_chart
from tfrec.report.absent import Absent
from tfrec.report.findings import Findings
from tfrec.report.plots import churn_figure
from tfrec.report.terminal.loyalty import model_note, skill_warning
from tfrec.report.words import Language


def loyalty_section(findings: Findings, say: Language) -> Section:
    """Returns who comes back, who may be lost, and which items are due again."""
    title, churn, again = say("loyalty.next_purchase_churn"), findings.churn, findings.buy_again
    if isinstance(churn, Absent) and isinstance(again, Absent):
        return Section(
            "loyalty", title, (say("loyalty.no_purchase_can_predicted", reason=churn.reason),), is_absent=True
        )
    sentences, figures, tables, footnotes, checks, proofs = [], [], [], [], [], []
    if isinstance(churn, Absent):
        sentences.append(say("loyalty.churn_cannot_estimated", reason=churn.reason))
    else:
        high, medium = (int((churn.users["risk"] == risk).sum()) for risk in ("high", "medium"))
        sentences.append(
            say(
                "loyalty.buyers_expected_order_within_days",
                returns=churn.users["returns"].sum(),
                n=len(churn.users),
                days=churn.horizon_days,
                high=high,
                medium=medium,
            )
        )
        sentences += skill_warning(churn.holdout, say)
        figures.append(churn_figure(churn, say))
        if churn.holdout_orders:
            footnotes.append(
                say(
                    "loyalty.one_horizon_earlier_order_days",
                    predicted=churn.holdout_orders[0],
                    came=churn.holdout_orders[1],
                )
            )
        footnotes += model_note(churn, say)
        checks += _calibration(churn.holdout, say("loyalty.does_will_order_hold"), say)
        proofs.append(_proof(churn.holdout, say("loyalty.order_within_days", days=churn.horizon_days), say))
    if isinstance(again, Absent):
        sentences.append(say("loyalty.repeat_purchases_cannot_estimated", reason=again.reason))
    else:
        likely = int((again.pairs["probability"] >= 0.5).sum())
        sentences.append(
            say(
                "loyalty.repeat_purchases_expected_within_days",
                expected=again.pairs["probability"].sum(),
                days=again.horizon_days,
                n=len(again.pairs),
                likely=likely,
            )
        )
        proofs.append(_proof(again.holdout, say("loyalty.same_item_within_days", days=again.horizon_days), say))
        tables.append(_due_items(findings, say))
        checks += _calibration(again.holdout, say("loyalty.does_buy_again_hold"), say)
    return Section(
        "loyalty",
        title,
        tuple(sentences),
        tuple(figures),
        tuple(table for table in tables if table.rows),
        tuple(footnotes),
        proof_figures=tuple(checks),
        proof_tables=tuple(table for table in proofs if table.rows),
    )


def _calibration(holdout: Holdout | None, title: str, say: Language) -> list[Figure]:
    if holdout is None or len(holdout.calibration) < 2:
        return []
    table = holdout.calibration.sort_values("predicted")
    svg = line_chart(
        table["predicted"].to_numpy(np.float64),
        [(say("loyalty.came_true"), list(table["actual"]))],
        bands=[(list(table["low"]), list(table["high"]))],
        chance=list(table["predicted"]),
        chance_name=say("loyalty.perfect"),
        label=say("loyalty.share_came_true"),
        x_label=say("loyalty.predicted_chance"),
        form="{:.0%}",
        x_form="{:.0%}",
    )
    caption = say("loyalty.predictions_made_one_horizon_earlier", n=holdout.num)
    return [Figure(svg, caption, title)]


def _proof(holdout: Holdout | None, name: str, say: Language) -> Table:
    heads = (
        say("loyalty.prediction"),
        "n",
        say("loyalty.came_true"),
        "AUC",
        say("loyalty.squared_error"),
        say("loyalty.without_model"),
    )
    if holdout is None:
        return Table(heads, (), name)
    row = (
        name,
        f"{holdout.num:,}",
        f"{holdout.num_positive:,}",
        with_interval(holdout.auc, holdout.auc_low, holdout.auc_high, "{:.2f}") if np.isfinite(holdout.auc) else "–",
        f"{holdout.brier:.4f}",
        f"{holdout.naive_brier:.4f}",
    )
    return Table(heads, (row,), say("loyalty.checked_last_horizon_which_model"))


def _due_items(findings: Findings, say: Language) -> Table:
    again = findings.buy_again
    assert not isinstance(again, Absent)
    due = again.pairs.groupby("item_id").agg(
        expected=("probability", "sum"), users=("user_id", "size"), interval=("interval_days", "median")
    )
    rows = tuple(
        (
            findings.title_of(str(row.Index)),
            f"{row.expected:,.1f}",
            f"{row.users:,}",
            f"{row.interval:,.0f}" if np.isfinite(row.interval) else "–",
        )
        for row in due.nlargest(10, "expected").itertuples()
    )
    heads = (
        say("heads.item"),
        say("loyalty.expected_repeats"),
        say("loyalty.buyers_so_far"),
        say("loyalty.days_between"),
    )
    caption = say(
        "loyalty.items_most_buyers_will_want",
        days=again.horizon_days,
    )
    return Table(heads, rows, caption)
