"""Writes the section on the figures of the shop."""

import math

from tfrec.analysis.shop_figures import ShopFigures
from tfrec.pages.blocks import Figure, Section, Table
from tfrec.pages.charts import bar_chart, line_chart
from tfrec.report.absent import Absent
from tfrec.report.findings import Findings
from tfrec.report.words import Language

_MOST_TO_GAIN = 0.98
"""Share of buyers with a second order above which a further percentage point is no aim."""


def shop_section(findings: Findings, say: Language) -> Section:
    """Returns orders, value and buyers who come back; months, categories and items."""
    title, shop, about = say("shop.shop_figures"), findings.shop, findings.manifest
    if isinstance(shop, Absent):
        return Section("shop", title, (say("shop.no_purchases_found", reason=shop.reason),), is_absent=True)
    share, share_low, share_high = shop.repeat_share
    sentences = [
        _taken(shop, about.currency, say),
        say(
            "shop.known_buyers_ordered_again_95",
            share=share,
            buyers=shop.num_buyers,
            low=share_low,
            high=share_high,
        ),
    ]
    point = shop.num_buyers / 100
    if point >= 1 and share <= _MOST_TO_GAIN:
        sentences.append(say("shop.every_point_more", point=point))
    if shop.has_returns:
        sentences.append(
            say(
                "shop.returns_taken_off",
                gross=shop.gross_value,
                share=1 - shop.value / max(shop.gross_value, 1e-9),
                currency=about.currency,
                orders=shop.gross_orders - shop.num_orders,
            )
        )
    footnotes = (
        (say("shop.returns_without_purchase", value=shop.unmatched_value, currency=about.currency),)
        if shop.unmatched_value > 0
        else ()
    )
    figures = [_months(findings, say)] if len(shop.months) > 1 else []
    if len(shop.categories) > 1:
        best = shop.categories.head(10)
        caption = say(
            "shop.categories_highest_value_sums_all",
            n=len(best),
            all=len(shop.categories),
            orders=shop.num_orders,
        )
        svg = bar_chart(list(best["name"]), list(best["value"]), label=say("shop.value", currency=about.currency))
        figures.append(Figure(svg, caption, say("shop.value_category")))
    facts = [
        (say("shop.users_any_event"), f"{shop.num_users:,}"),
        (say("heads.buyers"), f"{shop.num_buyers:,}"),
        (say("shop.orders_guests"), f"{shop.guest_share:.0%}"),
        (say("shop.items_seen_bought"), f"{shop.num_items:,}"),
        *((say("shop.events", kind=say.name(kind)), f"{count:,}") for kind, count in shop.events.items()),
        *(
            (title, say("shop.of", set=sum(counts.values()), rows=about.rows))
            for title, counts in (
                (say("shop.rows_excluded_by_rules"), about.excluded),
                (say("shop.rows_of_returns"), about.returned),
                (say("shop.rows_rejected_as_faulty"), about.faulty),
            )
            if counts
        ),
    ]
    items = tuple(
        (
            row.title,
            row.item_id,
            f"{row.pieces:,.0f}",
            f"{row.value:,.0f}",
            f"{row.value / max(shop.value, 1e-9):.1%}",
            *((f"{row.gross_pieces:,.0f}", f"{row.gross_value:,.0f}") if shop.has_returns else ()),
        )
        for row in shop.items.itertuples()
    )
    heads = (
        say("heads.item"),
        say("shop.number"),
        say("shop.pieces"),
        say("heads.value"),
        say("heads.share_all"),
        *((say("shop.gross_pieces"), say("shop.gross_value")) if shop.has_returns else ()),
    )
    return Section(
        "shop",
        title,
        tuple(sentences),
        tuple(figures),
        (
            Table((say("shop.figure"), say("shop.count")), tuple(facts), say("shop.counts_whole_log")),
            Table(heads, items, say("shop.ten_items_highest_value_orders", orders=shop.num_orders)),
        ),
        footnotes,
    )


def _taken(shop: ShopFigures, currency: str, say: Language) -> str:
    mean, low, high = shop.order_value
    figures = {
        "first": f"{shop.period[0]:%Y-%m-%d}",
        "last": f"{shop.period[1]:%Y-%m-%d}",
        "orders": shop.num_orders,
        "value": shop.value,
        "currency": currency,
        "mean": mean,
    }
    if not math.isfinite(low):  # of one order there is no interval
        return say("shop.shop_took_one_order", **figures)
    return say("shop.shop_took_orders_worth_order", low=low, high=high, **figures)


def _months(findings: Findings, say: Language) -> Figure:
    shop = findings.shop
    assert not isinstance(shop, Absent)
    whole = shop.months[shop.months["is_whole"]]
    is_cut = len(whole) < len(shop.months)
    months = whole if len(whole) > 1 else shop.months
    svg = line_chart(
        months["month"].to_numpy(),
        [
            (say("shop.net_value") if shop.has_returns else say("heads.value"), list(months["value"])),
            *([(say("shop.gross_value"), list(months["gross_value"]))] if shop.has_returns else []),
        ],
        label=say("shop.value_month", currency=findings.manifest.currency),
    )
    caption = say("shop.sums_orders", orders=int(months["orders"].sum()))
    if is_cut and months is whole:
        caption += " " + say("shop.months_which_log_holds_part")
    elif is_cut:
        caption += " " + say("shop.first_last_month_may_cut")
    return Figure(svg, caption, say("shop.month_month"))
