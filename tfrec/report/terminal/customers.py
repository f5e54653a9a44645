"""Writes what `tfrec segments`, `tfrec interests` and `tfrec audience` print."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfrec.analysis.audiences import Audience
from tfrec.analysis.interests import LEVELS, Interests
from tfrec.analysis.lookalikes import Lookalikes
from tfrec.analysis.segment_names import Taste
from tfrec.analysis.segments import NOISE, Segments
from tfrec.report.words import Language
from tfrec.schema.text_columns import cut, text_table

_TYPICAL = {
    "recency_days": "customers.typical_recency",
    "num_orders": "customers.typical_orders",
    "value_per_order": "customers.typical_value_per_order",
    "items_per_order": "customers.typical_items_per_order",
    "repeat_share": "customers.typical_repeat_share",
    "value": "customers.typical_value",
    "tenure_days": "customers.typical_tenure",
    "num_views": "customers.typical_views",
}
_METHODS = {
    "rfm": "customers.method_rfm",
    "kmeans": "customers.method_kmeans",
    "dbscan": "customers.method_dbscan",
}
_NOTES = {
    "k chosen on a sample": "customers.random_sample_buyers_k_chosen",
    "no k is stable": "customers.no_k_reached_stability_most",
    "regions found on a sample": ("customers.random_sample_buyers_dense_regions"),
    "at most one region": "customers.dbscan_found_dense_region_behaviour",
}


def segments_text(segments: Segments, say: Language, *, out: Any = None) -> str:
    """Returns the segments, most valuable first: how they differ, and a table of their sizes.

    Args:
        segments: the segments.
        say: language.
        out: path of the export, where there is one.
    """
    lines = [
        say(
            "customers.users_segments",
            users=len(segments.assignments),
            n=len(segments.profiles),
            method=say(_METHODS[segments.method], **segments.settings),
        )
    ]
    if np.isfinite(segments.stability):
        lines.append(
            say(
                "customers.stability_under_resampling_adjusted_rand",
                value=segments.stability,
            )
        )
    names = [segment_name(row, say) for row in segments.profiles.itertuples()]
    described = zip(names, segments.profiles.iterrows(), strict=True)
    lines += [f"{name}: {_description(row, segments.usual, say)}" for name, (_, row) in described]
    lines += [say(_NOTES[note.code], **note.values) for note in segments.notes]
    # Files and expressions hold the key; a language whose names differ from it shows both.
    has_keys = names != list(segments.profiles["segment"])
    rows = [
        [
            name,
            *([str(row.segment)] if has_keys else []),
            f"{row.num_users:,}",
            f"{row.share:.0%}",
            f"{row.value_share:.0%}",
            f"{row.total_value:,.0f}",
            *([f"{row.gross_value:,.0f}"] if segments.has_returns else []),
        ]
        for name, row in zip(names, segments.profiles.itertuples(), strict=True)
    ]
    heads = [
        say("customers.segment"),
        *([say("customers.segment_key")] if has_keys else []),
        say("heads.users"),
        say("customers.share"),
        say("customers.share_value"),
        say("shop.net_value") if segments.has_returns else say("heads.value"),
        *([say("shop.gross_value")] if segments.has_returns else []),
    ]
    lines += ["", text_table(heads, rows)]
    if out is not None:
        path = f"{out}/{{users.parquet,popular.parquet,segments.json}}"
        lines += ["", say("customers.export_path", path=path)]
    return "\n".join(lines)


def segment_name(row: Any, say: Language) -> str:
    """Returns the name of a segment in words.

    Args:
        row: row of `Segments.profiles`, as `itertuples` gives it.
        say: language.
    """
    if not row.traits:
        return say.name(row.segment)
    traits = say.names(row.traits)
    if row.segment == NOISE:
        name = say("customers.outliers_with_traits", traits=traits)
    else:
        name = say("customers.traits_of_buyers", traits=traits)
    number = f" {row.number}" if row.number > 1 else ""
    return name[:1].upper() + name[1:] + number


def taste_text(taste: Taste, say: Language) -> str:
    """Returns what a segment buys more, and how many times the usual share."""
    return say("customers.taste", name=taste.name, times=taste.times)


def interests_text(interests: Interests, say: Language) -> str:
    """Returns how many users care for which categories and items."""
    lines = [
        say(
            "customers.interests_users_user_item_pairs",
            users=interests.num_users,
            day=f"{interests.now:%Y-%m-%d}",
            pairs=len(interests.items),
            days=interests.config.half_life_days,
        )
    ]
    for category, row in interests.by_category.head(5).iterrows():
        counts = row[["core", "regular", "users"]]
        lines.append(say("customers.core_regular_all", category=category, **counts))
    rows = [
        [cut(interests.titles.get(str(item)) or str(item)), *(f"{row[level]:,}" for level in LEVELS)]
        for item, row in interests.by_item().iterrows()
    ]
    return "\n".join([*lines, "", text_table([say("heads.item"), *map(say.name, LEVELS)], rows)])


def audience_text(audience: Audience, say: Language, *, out: Any = None) -> str:
    """Returns size, value and what each part of the expression leaves.

    Args:
        audience: the users.
        say: language.
        out: path of the export, where there is one.
    """
    if not audience.is_large_enough:
        return say(
            "customers.fewer_users_too_few_report",
            least=audience.min_users,
            known=audience.num_known,
        )
    size = {"users": len(audience), "known": audience.num_known, "share": audience.published_share}
    if audience.published_value_share is None:
        lines = [say("customers.size", **size)]
    else:
        value = audience.published_value_share
        lines = [say("customers.size_and_value", value=value, **size)]
    few = say("customers.fewer", least=audience.min_users)
    for clause, alone, left in audience.published_clauses:
        counts = {"alone": few if alone is None else alone, "left": few if left is None else left}
        lines.append(say("customers.clause", clause=clause, **counts))
    if out is not None:
        lines.append(say("customers.export_pseudonyms", path=out, n=len(audience)))
    return "\n".join(lines)


def overlaps_text(audiences: Mapping[str, Audience], overlaps: pd.DataFrame, say: Language) -> str:
    """Returns the sizes of audiences and how far each pair overlaps; too small numbers are withheld.

    Args:
        audiences: expression → its users.
        overlaps: as `compare_audiences` gives them.
        say: language.
    """
    sizes = [
        [
            cut(name),
            "–" if audience.published_users is None else f"{audience.published_users:,}",
            _share(audience.published_share),
        ]
        for name, audience in audiences.items()
    ]
    rows = [
        [
            cut(row.first),
            cut(row.second),
            f"{row.both:,.0f}" if np.isfinite(row.both) else "–",
            _share(row.of_first),
            _share(row.of_second),
            f"{row.jaccard:.2f}" if np.isfinite(row.jaccard) else "–",
        ]
        for row in overlaps.itertuples()
    ]
    heads = [
        say("customers.first"),
        say("customers.second"),
        say("customers.both"),
        say("customers.share_first"),
        say("customers.share_second"),
        say("customers.jaccard_similarity"),
    ]
    least = max(audience.min_users for audience in audiences.values())
    return "\n".join(
        [
            text_table([say("customers.audience"), say("heads.users"), say("customers.share")], sizes),
            "",
            text_table(heads, rows),
            "",
            say("customers.fewer_users_so_no_number", least=least),
        ]
    )


def lookalikes_text(lookalikes: Lookalikes, say: Language, *, out: Any = None) -> str:
    """Returns how many users are like an audience, and how well members are recognised.

    Args:
        lookalikes: the users.
        say: language.
        out: path of the export, where there is one.
    """
    lines = [
        say(
            "customers.users_most_like_audience_members",
            users=lookalikes.num_users,
            seeds=lookalikes.num_seeds,
            auc=lookalikes.auc,
            low=lookalikes.auc_low,
            high=lookalikes.auc_high,
        )
    ]
    if not lookalikes.is_informative:
        lines.append(say("customers.no_better_chance_nothing_known"))
    if out is not None:
        lines.append(say("customers.export_pseudonyms", path=out, n=lookalikes.num_users))
    return "\n".join(lines)


def _description(row: pd.Series, usual: pd.DataFrame, say: Language) -> str:
    """Returns size, value, the three medians that differ most from everybody's, and the taste."""
    spread = usual["spread"].where(usual["spread"] > 0, 1.0)
    distance = ((row[usual.index] - usual["median"]) / spread).abs()
    figures = []
    for feature in pd.to_numeric(distance).dropna().nlargest(3).index:
        median, of_all = float(row[feature]), float(usual["median"][feature])
        # What rounds to the same is no difference.
        if say(_TYPICAL[str(feature)], own=median, all=of_all) != say(_TYPICAL[str(feature)], own=of_all, all=of_all):
            figures.append(say(_TYPICAL[str(feature)], own=median, all=of_all))
    size = {"users": row["num_users"], "share": row["share"], "value": row["value_share"]}
    parts = [say("customers.users_with_value", **size)]
    if figures:
        parts.append(say("customers.typically", figures=say.listed(figures)))
    if row["taste"]:
        parts.append(say("customers.buys_more_2", things=say.listed(taste_text(taste, say) for taste in row["taste"])))
    return _sentence(parts, say)


def _sentence(parts: Sequence[str], say: Language) -> str:
    return say("customers.full_stop", sentence=say("customers.semicolon").join(parts))


def _share(value: float | None) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:.1%}"
