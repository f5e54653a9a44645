"""Writes the section on next purchases and churn."""

import numpy as np

from tfrec.analysis.repurchase import Holdout
from tfrec.report.blocks import Absent, Figure, Section, Table, with_interval
from tfrec.report.charts import bar_chart, line_chart
from tfrec.report.findings import Findings
from tfrec.report.words import Language


def loyalty_section(findings: Findings, say: Language) -> Section:
    """Returns who comes back, who may be lost, and which items are due again."""
    title, churn, again = say("Next purchase and churn"), findings.churn, findings.buy_again
    if isinstance(churn, Absent) and isinstance(again, Absent):
        return Section(
            "loyalty", title, (say("No purchase can be predicted: {reason}", reason=churn.reason),), is_absent=True
        )
    sentences, figures, tables, footnotes = [], [], [], []
    if isinstance(churn, Absent):
        sentences.append(say("Churn cannot be estimated: {reason}", reason=churn.reason))
    else:
        high, medium = (int((churn.users["risk"] == risk).sum()) for risk in ("high", "medium"))
        sentences.append(
            say(
                "{returns:,.0f} of {n:,} buyers are expected to order within {days:g} days. {high:,} probably will "
                "not; {medium:,} may go either way: a reminder or a coupon is best spent on these.",
                returns=churn.users["returns"].sum(),
                n=len(churn.users),
                days=churn.horizon_days,
                high=high,
                medium=medium,
            )
        )
        counts = churn.users.groupby("risk").agg(n=("returns", "size"), expected=("expected_orders", "sum"))
        order = [risk for risk in ("low", "medium", "high") if risk in counts.index]
        svg = bar_chart(
            [say.name(risk) for risk in order], list(counts.loc[order, "n"]), label=say("buyers by churn risk")
        )
        caption = say(
            "n = {n:,} buyers; risk = 1 − chance of an order in {days:g} days; low under 30 %, high from 70 %.",
            n=len(churn.users),
            days=churn.horizon_days,
        )
        figures.append(Figure(svg, caption, say("Churn risk")))
        if churn.holdout_orders:
            footnotes.append(
                say(
                    "One horizon earlier {predicted:,.0f} order days were predicted, {came:,} came.",
                    predicted=churn.holdout_orders[0],
                    came=churn.holdout_orders[1],
                )
            )
        figures += _calibration(churn.holdout, say("Does “will order” hold?"), say)
        tables.append(_proof(churn.holdout, say("Order within {days:g} days", days=churn.horizon_days), say))
    if isinstance(again, Absent):
        sentences.append(say("Repeat purchases cannot be estimated: {reason}", reason=again.reason))
    else:
        likely = int((again.pairs["probability"] >= 0.5).sum())
        sentences.append(
            say(
                "{expected:,.0f} repeat purchases are expected within {days:g} days, of {n:,} pairs of user and item; "
                "{likely:,} pairs are more likely than not: remind these users on their “buy again” shelf.",
                expected=again.pairs["probability"].sum(),
                days=again.horizon_days,
                n=len(again.pairs),
                likely=likely,
            )
        )
        tables.append(_proof(again.holdout, say("Same item within {days:g} days", days=again.horizon_days), say))
        tables.append(_due_items(findings, say))
        figures += _calibration(again.holdout, say("Does “buy again” hold?"), say)
    tables = [table for table in tables if table.rows]
    return Section("loyalty", title, tuple(sentences), tuple(figures), tuple(tables), tuple(footnotes))


def _calibration(holdout: Holdout | None, title: str, say: Language) -> list[Figure]:
    if holdout is None or len(holdout.calibration) < 2:
        return []
    table = holdout.calibration.sort_values("predicted")
    svg = line_chart(
        table["predicted"].to_numpy(np.float64),
        [(say("came true"), list(table["actual"]))],
        bands=[(list(table["low"]), list(table["high"]))],
        chance=list(table["predicted"]),
        chance_name=say("perfect"),
        label=say("share that came true"),
        x_label=say("predicted chance"),
        form="{:.0%}",
        x_form="{:.0%}",
    )
    caption = say("Predictions made one horizon earlier, in tenths of n = {n:,}; band: 95 % interval.", n=holdout.num)
    return [Figure(svg, caption, title)]


def _proof(holdout: Holdout | None, name: str, say: Language) -> Table:
    heads = (say("Prediction"), "n", say("Came true"), "AUC", say("Squared error"), say("Without a model"))
    if holdout is None:
        return Table(heads, (), name)
    row = (
        name,
        f"{holdout.num:,}",
        f"{holdout.num_positive:,}",
        with_interval(holdout.auc, holdout.auc_low, holdout.auc_high, "{:.2f}"),
        f"{holdout.brier:.4f}",
        f"{holdout.naive_brier:.4f}",
    )
    return Table(heads, (row,), say("Checked on the last horizon, which the model had not seen. AUC: .5 = chance."))


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
    heads = (say("Item"), say("Expected repeats"), say("Buyers so far"), say("Days between"))
    caption = say(
        "Items that most buyers will want again within {days:g} days; days between are medians of those who repeated.",
        days=again.horizon_days,
    )
    return Table(heads, rows, caption)
