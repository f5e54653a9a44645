"""Writes the sections on segments and interests."""

import numpy as np
import pandas as pd

from tfrec.analysis.interests import LEVELS
from tfrec.analysis.segments import NOISE, VISITORS, Segments
from tfrec.pages.blocks import Figure, Section, Table
from tfrec.pages.charts import bar_chart, line_chart
from tfrec.report.absent import Absent
from tfrec.report.findings import Findings
from tfrec.report.plots import segments_figure
from tfrec.report.terminal.customers import segment_name, taste_text
from tfrec.report.words import Language

_AT_RISK = ("At risk", "Cannot lose", "Hibernating", "About to sleep", "Lost")


def segments_section(findings: Findings, say: Language) -> Section:
    """Returns RFM, K-means and DBSCAN segments: sizes, values, tastes, stability, noise."""
    title, rfm, kmeans, dbscan = say("customers.segments"), findings.rfm, findings.kmeans, findings.dbscan
    if isinstance(rfm, Absent):
        return Section(
            "segments", title, (say("customers.too_few_buyers_segments", reason=rfm.reason),), is_absent=True
        )
    best = rfm.profiles.iloc[0]
    at_risk = rfm.profiles[rfm.profiles["segment"].isin(_AT_RISK)]
    sentences = [
        say(
            "customers.users_bring_value_thank_them",
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
                "customers.users_who_brought_value_have",
                users=int(at_risk["num_users"].sum()),
                value=float(at_risk["value_share"].sum()),
                names=say.names(at_risk["segment"]),
            )
        )
    figures = [segments_figure(rfm, say("customers.rfm_segments_share_value"), say)]
    tables = [_profiles(rfm, say("customers.rfm_five_steps_each_recency"), say)]
    footnotes, proofs = [], []
    if not isinstance(kmeans, Absent):
        proofs.append(_choice(kmeans, say))
        row = kmeans.choice.loc[(kmeans.choice["stability"] - kmeans.stability).abs().idxmin()]
        footnotes.append(
            say(
                "customers.k_means_k_stability_under",
                k=int(row["k"]),
                value=row["stability"],
                low=row["stability_low"],
                high=row["stability_high"],
                n=int(row["num_users"]),
                times=int(row["num_resamples"]),
            )
        )
        tables.append(_profiles(kmeans, say("customers.k_means", k=int(row["k"])), say))
    if not isinstance(dbscan, Absent):
        row = dbscan.choice.iloc[0]
        buyers = int((~dbscan.profiles["segment"].isin([VISITORS])) @ dbscan.profiles["num_users"])
        noisy = dbscan.profiles[dbscan.profiles["segment"] == NOISE]
        footnotes.append(
            say(
                "customers.dbscan_dense_regions_behaviour_no",
                num=int(row["num_segments"]),
                noise=dbscan.noise_share,
                buyers=buyers,
                outliers=say.names(noisy["traits"].iloc[0]) if len(noisy) and noisy["traits"].iloc[0] else "–",
                value=float(noisy["value_share"].sum()),
                stability=dbscan.stability,
                low=row["stability_low"],
                high=row["stability_high"],
            )
        )
        if int(row["num_segments"]) <= 1:
            footnotes.append(say("customers.behaviour_changes_gradually_here_dbscan"))
    footnotes.append(say("customers.buys_more_compares_usual_share"))
    return Section(
        "segments",
        title,
        tuple(sentences),
        tuple(figures),
        tuple(tables),
        tuple(footnotes),
        proof_figures=tuple(proofs),
    )


def interests_section(findings: Findings, say: Language) -> Section:
    """Returns how many users have which level of interest in the top categories, else the items of most interest."""
    title, interests = say("customers.interests"), findings.interests
    if isinstance(interests, Absent):
        reason = say("customers.no_user_has_viewed_bought", reason=interests.reason)
        return Section("interests", title, (reason,), is_absent=True)
    users = int(interests.items["user_id"].nunique())
    counts = interests.items["interest"].value_counts().reindex(list(LEVELS)).fillna(0)
    sentences = [
        say(
            "customers.users_have_interests_items_them",
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
                "customers.most_core_fans_users_they",
                name=name,
                core=int(table.iloc[0]["core"]),
            )
        )
        figures.append(_interest_figure(table, list(table.index), users, say))
        tables.append(_level_table(table, list(table.index), say, say("customers.category"), users))
    items = _level_counts(interests.items, "item_id").head(12)
    names = [findings.title_of(item) for item in items.index]
    if not len(top):
        figures.append(_interest_figure(items, names, users, say))
    tables.append(_level_table(items, names, say, say("heads.item"), users))
    footnotes = (
        say(
            "customers.score_views_purchases_rating_each",
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


def _choice(segments: Segments, say: Language) -> Figure:
    choice = segments.choice
    svg = line_chart(
        choice["k"].to_numpy(),
        [
            (say("customers.stability"), list(choice["stability"])),
            (say("customers.silhouette"), list(choice["silhouette"])),
        ],
        bands=[(list(choice["stability_low"]), list(choice["stability_high"])), None],
        label=say("customers.one_is_perfect"),
        x_label=say("customers.number_segments_k"),
        form="{:.1f}",
        x_form="{:.0f}",
    )
    caption = say(
        "customers.numbers_come_out_stable_adjusted",
        times=int(choice["num_resamples"].iloc[0]),
        n=int(choice["num_users"].iloc[0]),
    )
    return Figure(svg, caption, say("customers.how_many_segments"))


def _profiles(segments: Segments, caption: str, say: Language) -> Table:
    heads = (
        say("customers.segment"),
        say("heads.users"),
        say("customers.share_value"),
        *([say("shop.net_value"), say("shop.gross_value")] if segments.has_returns else []),
        say("customers.days_since_order"),
        say("heads.orders"),
        say("customers.value_order"),
        say("customers.buys_more"),
    )
    rows = tuple(
        (
            segment_name(row, say),
            (f"{row.num_users:,}", f"{row.share:.0%}"),
            f"{row.value_share:.0%}",
            *((f"{row.total_value:,.0f}", f"{row.gross_value:,.0f}") if segments.has_returns else ()),
            _number(row.recency_days),
            _number(row.num_orders),
            _number(row.value_per_order),
            ", ".join(taste_text(taste, say) for taste in row.taste[:2]) or "–",
        )
        for row in segments.profiles.itertuples()
    )
    return Table(heads, rows, say("customers.days_orders_value_medians", caption=caption))


def _level_counts(frame: pd.DataFrame, target: str) -> pd.DataFrame:
    counts = pd.crosstab(frame[target], frame["interest"]).reindex(columns=list(LEVELS), fill_value=0)
    return counts.assign(users=counts.sum(axis=1)).sort_values(["core", "regular", "users"], ascending=False)


def _interest_figure(table: pd.DataFrame, names: list[str], users: int, say: Language) -> Figure:
    strong = (table["core"] + table["regular"]).to_numpy()
    order = np.argsort(-strong, kind="stable")
    svg = bar_chart([names[place] for place in order], strong[order], label=say("heads.users"))
    return Figure(svg, say("customers.counts_among_users", n=users), say("customers.users_core_regular_interest"))


def _level_table(table: pd.DataFrame, names: list[str], say: Language, head: str, users: int) -> Table:
    heads = (head, *(say.name(level) for level in LEVELS), say("customers.all"))
    rows = tuple(
        (name, *(f"{row[level]:,}" for level in LEVELS), f"{row['users']:,}")
        for name, (_, row) in zip(names, table.iterrows(), strict=True)
    )
    return Table(heads, rows, say("customers.number_users_level_interest_n", n=users))


def _number(value: float) -> str:
    return f"{value:,.0f}" if np.isfinite(value) else "–"
