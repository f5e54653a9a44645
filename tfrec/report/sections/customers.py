"""Writes the sections on segments and interests."""

import numpy as np
import pandas as pd

from tfrec.analysis.interests import LEVELS
from tfrec.analysis.segments import NOISE, VISITORS, Segments
from tfrec.report.blocks import Absent, Figure, Section, Table
from tfrec.report.charts import bar_chart, line_chart
from tfrec.report.findings import Findings
from tfrec.report.words import Language

_AT_RISK = ("At risk", "Cannot lose", "Hibernating", "About to sleep", "Lost")


def segments_section(findings: Findings, say: Language) -> Section:
    """Returns RFM, K-means and DBSCAN segments: sizes, values, tastes, stability, noise."""
    title, rfm, kmeans, dbscan = say("Segments"), findings.rfm, findings.kmeans, findings.dbscan
    if isinstance(rfm, Absent):
        return Section(
            "segments", title, (say("Too few buyers for segments: {reason}", reason=rfm.reason),), is_absent=True
        )
    best = rfm.profiles.iloc[0]
    at_risk = rfm.profiles[rfm.profiles["segment"].isin(_AT_RISK)]
    sentences = [
        say(
            "{name}: {users:,} users ({share:.0%} of {all:,}) bring {value:.0%} of the value. Thank them first: early "
            "access and service are worth more here than discounts.",
            name=say.name(best["segment"]),
            users=best["num_users"],
            share=best["share"],
            all=len(rfm.assignments),
            value=best["value_share"],
        )
    ]
    if len(at_risk):
        sentences.append(
            say(
                "{users:,} users who brought {value:.0%} of the value have not ordered for long ({names}): write to "
                "them before they are lost.",
                users=int(at_risk["num_users"].sum()),
                value=float(at_risk["value_share"].sum()),
                names=say.listed(at_risk["segment"]),
            )
        )
    figures = [_shares(rfm, say("RFM segments: share of value"), say)]
    tables = [_profiles(rfm, say("RFM: five steps each of recency, frequency and value; fixed rules."), say)]
    footnotes = []
    if not isinstance(kmeans, Absent):
        figures.append(_choice(kmeans, say))
        row = kmeans.choice.loc[(kmeans.choice["stability"] - kmeans.stability).abs().idxmin()]
        caption = say(
            "K-means, k = {k}: stability under resampling (adjusted Rand, 1 = the same segments) {value:.2f}, 5th to "
            "95th percentile {low:.2f} to {high:.2f}, n = {n:,} buyers, {times} resamples.",
            k=int(row["k"]),
            value=row["stability"],
            low=row["stability_low"],
            high=row["stability_high"],
            n=int(row["num_users"]),
            times=int(row["num_resamples"]),
        )
        tables.append(_profiles(kmeans, caption, say))
    if not isinstance(dbscan, Absent):
        row = dbscan.choice.iloc[0]
        buyers = int((~dbscan.profiles["segment"].isin([VISITORS])) @ dbscan.profiles["num_users"])
        noisy = dbscan.profiles[dbscan.profiles["segment"] == NOISE]
        footnotes.append(
            say(
                "DBSCAN (dense regions of behaviour, no number of segments given): {num} regions; {noise:.1%} of "
                "{buyers:,} buyers are like no segment (noise) and bring {value:.0%} of the value; stability "
                "{stability:.2f} ({low:.2f} to {high:.2f}).",
                num=int(row["num_segments"]),
                noise=dbscan.noise_share,
                buyers=buyers,
                value=float(noisy["value_share"].sum()),
                stability=dbscan.stability,
                low=row["stability_low"],
                high=row["stability_high"],
            )
        )
        if int(row["num_segments"]) <= 1:
            footnotes.append(say("Behaviour changes gradually here: DBSCAN sees one crowd; prefer K-means."))
    footnotes.append(say("“Buys more” compares with the usual share of a category (or item), by number of buyers."))
    return Section("segments", title, tuple(sentences), tuple(figures), tuple(tables), tuple(footnotes))


def interests_section(findings: Findings, say: Language) -> Section:
    """Returns how many users have which level of interest in the top categories, else the items of most interest."""
    title, interests = say("Interests"), findings.interests
    if isinstance(interests, Absent):
        reason = say("No user has viewed, bought or rated anything: {reason}", reason=interests.reason)
        return Section("interests", title, (reason,), is_absent=True)
    users = int(interests.items["user_id"].nunique())
    counts = interests.items["interest"].value_counts().reindex(list(LEVELS)).fillna(0)
    sentences = [
        say(
            "{users:,} users have {pairs:,} interests in items; {core:,} of them are core interests, the strongest of "
            "four levels. An event counts half after {days:g} days.",
            users=users,
            pairs=len(interests.items),
            core=int(counts["core"]),
            days=interests.config.half_life_days,
        )
    ]
    tables, figures = [], []
    top = interests.categories[interests.categories["level"] == 0]
    if len(top):
        table = _level_counts(top, "category").head(12)
        name = table.index[0]
        sentences.append(
            say(
                "Most core fans are in {name}: {core:,} users. They are the audience for its news; a discount there "
                "goes to people who buy anyway.",
                name=name,
                core=int(table.iloc[0]["core"]),
            )
        )
        figures.append(_interest_figure(table, list(table.index), users, say))
        tables.append(_level_table(table, list(table.index), say, say("Category"), users))
    items = _level_counts(interests.items, "item_id").head(12)
    names = [findings.title_of(item) for item in items.index]
    if not len(top):
        figures.append(_interest_figure(items, names, users, say))
    tables.append(_level_table(items, names, say, say("Item"), users))
    footnotes = (
        say(
            "Score = {w1:.2f}·views + {w2:.2f}·purchases + {w3:.2f}·rating, each faded by age and at most 1; core from "
            "{a:g}, regular from {b:g}, occasional from {c:g}. Counts of all {users:,} users, not a sample.",
            w1=interests.weights[0],
            w2=interests.weights[1],
            w3=interests.weights[2],
            a=interests.config.bounds[0],
            b=interests.config.bounds[1],
            c=interests.config.bounds[2],
            users=users,
        ),
    )
    return Section("interests", title, tuple(sentences), tuple(figures), tuple(tables), footnotes)


def _shares(segments: Segments, title: str, say: Language) -> Figure:
    rows = segments.profiles[segments.profiles["value_share"] > 0]
    svg = bar_chart(
        [f"{say.name(row.segment)} ({row.num_users:,})" for row in rows.itertuples()],
        list(rows["value_share"]),
        label=say("share of value"),
        form="{:.0%}",
    )
    caption = say(
        "In brackets the number of users; shares of the whole value of {n:,} users.", n=len(segments.assignments)
    )
    return Figure(svg, caption, title)


def _choice(segments: Segments, say: Language) -> Figure:
    choice = segments.choice
    svg = line_chart(
        choice["k"].to_numpy(),
        [(say("stability"), list(choice["stability"])), (say("silhouette"), list(choice["silhouette"]))],
        bands=[(list(choice["stability_low"]), list(choice["stability_high"])), None],
        label=say("1 = perfect"),
        x_label=say("number of segments k"),
        form="{:.1f}",
        x_form="{:.0f}",
    )
    caption = say(
        "Of the numbers that come out stable (adjusted Rand ≥ 0.8) the one of highest silhouette is taken. Band: 5th "
        "to 95th percentile of {times} resamples, n = {n:,} buyers.",
        times=int(choice["num_resamples"].iloc[0]),
        n=int(choice["num_users"].iloc[0]),
    )
    return Figure(svg, caption, say("How many segments?"))


def _profiles(segments: Segments, caption: str, say: Language) -> Table:
    heads = (
        say("Segment"),
        say("Users"),
        say("Share of value"),
        say("Days since order"),
        say("Orders"),
        say("Value an order"),
        say("Buys more"),
    )
    rows = tuple(
        (
            say.name(row.segment),
            (f"{row.num_users:,}", f"{row.share:.0%}"),
            f"{row.value_share:.0%}",
            _number(row.recency_days),
            _number(row.num_orders),
            _number(row.value_per_order),
            ", ".join(say.taste(phrase) for phrase in row.taste[:2]) or "–",
        )
        for row in segments.profiles.itertuples()
    )
    return Table(heads, rows, say("{caption} Days, orders and value are medians.", caption=caption))


def _level_counts(frame: pd.DataFrame, target: str) -> pd.DataFrame:
    counts = pd.crosstab(frame[target], frame["interest"]).reindex(columns=list(LEVELS), fill_value=0)
    return counts.assign(users=counts.sum(axis=1)).sort_values(["core", "regular", "users"], ascending=False)


def _interest_figure(table: pd.DataFrame, names: list[str], users: int, say: Language) -> Figure:
    strong = (table["core"] + table["regular"]).to_numpy()
    order = np.argsort(-strong, kind="stable")
    svg = bar_chart([names[place] for place in order], strong[order], label=say("users"))
    return Figure(svg, say("Counts among {n:,} users.", n=users), say("Users with core or regular interest"))


def _level_table(table: pd.DataFrame, names: list[str], say: Language, head: str, users: int) -> Table:
    heads = (head, *(say.name(level) for level in LEVELS), say("All"))
    rows = tuple(
        (name, *(f"{row[level]:,}" for level in LEVELS), f"{row['users']:,}")
        for name, (_, row) in zip(names, table.iterrows(), strict=True)
    )
    return Table(heads, rows, say("Number of users by level of interest, n = {n:,} users.", n=users))


def _number(value: float) -> str:
    return f"{value:,.0f}" if np.isfinite(value) else "–"
