"""Writes the section on the figures of the shop."""

from tfrec.report.blocks import Absent, Figure, Section, Table
from tfrec.report.charts import bar_chart, line_chart
from tfrec.report.findings import Findings
from tfrec.report.words import Language


def shop_section(findings: Findings, say: Language) -> Section:
    """Returns orders, value and buyers who come back; months, categories and items."""
    title, shop, about = say("The shop in figures"), findings.shop, findings.manifest
    if isinstance(shop, Absent):
        return Section("shop", title, (say("No purchases were found: {reason}", reason=shop.reason),), is_absent=True)
    mean, low, high = shop.order_value
    share, share_low, share_high = shop.repeat_share
    sentences = [
        say(
            "From {first} to {last} the shop took {orders:,} orders worth {value:,.0f} {currency}; an order is worth "
            "{mean:,.2f} on average (95 % interval {low:,.2f} to {high:,.2f}, n = {orders:,}).",
            first=f"{shop.period[0]:%Y-%m-%d}",
            last=f"{shop.period[1]:%Y-%m-%d}",
            orders=shop.num_orders,
            value=shop.value,
            currency=about.currency,
            mean=mean,
            low=low,
            high=high,
        ),
        say(
            "{share:.0%} of {buyers:,} known buyers ordered again (95 % interval {low:.0%} to {high:.0%}): every point "
            "more is {point:,.0f} buyers won for a second order.",
            share=share,
            buyers=shop.num_buyers,
            low=share_low,
            high=share_high,
            point=max(shop.num_buyers / 100, 1),
        ),
    ]
    figures = [_months(findings, say)] if len(shop.months) > 1 else []
    if len(shop.categories) > 1:
        best = shop.categories.head(10)
        caption = say(
            "The {n} categories of highest value, of {all}; sums of all {orders:,} orders, so without interval.",
            n=len(best),
            all=len(shop.categories),
            orders=shop.num_orders,
        )
        svg = bar_chart(
            list(best["name"]), list(best["value"]), label=say("Value, {currency}", currency=about.currency)
        )
        figures.append(Figure(svg, caption, say("Value by category")))
    facts = [
        (say("Users with any event"), f"{shop.num_users:,}"),
        (say("Buyers"), f"{shop.num_buyers:,}"),
        (say("Orders of guests"), f"{shop.guest_share:.0%}"),
        (say("Items seen or bought"), f"{shop.num_items:,}"),
        *((say("Events: {kind}", kind=say.name(kind)), f"{count:,}") for kind, count in shop.events.items()),
        (
            say("Rows set aside as faulty"),
            say("{set:,} of {rows:,}", set=sum(about.rejected.values()), rows=about.rows),
        ),
    ]
    items = tuple(
        (row.title, row.item_id, f"{row.pieces:,.0f}", f"{row.value:,.0f}", f"{row.value / max(shop.value, 1e-9):.1%}")
        for row in shop.items.itertuples()
    )
    heads = (say("Item"), say("Number"), say("Pieces"), say("Value"), say("Share of all"))
    return Section(
        "shop",
        title,
        tuple(sentences),
        tuple(figures),
        (
            Table((say("Figure"), say("Count")), tuple(facts), say("Counts of the whole log.")),
            Table(heads, items, say("The ten items of highest value, of {orders:,} orders.", orders=shop.num_orders)),
        ),
    )


def _months(findings: Findings, say: Language) -> Figure:
    shop = findings.shop
    assert not isinstance(shop, Absent)
    whole = shop.months[shop.months["is_whole"]]
    is_cut = len(whole) < len(shop.months)
    months = whole if len(whole) > 1 else shop.months
    svg = line_chart(
        months["month"].to_numpy(),
        [(say("value"), list(months["value"]))],
        label=say("Value a month, {currency}", currency=findings.manifest.currency),
    )
    caption = say("Sums of {orders:,} orders.", orders=int(months["orders"].sum()))
    if is_cut and months is whole:
        caption += " " + say("Months of which the log holds a part only are left out.")
    elif is_cut:
        caption += " " + say("The first and the last month may be cut.")
    return Figure(svg, caption, say("Month by month"))
