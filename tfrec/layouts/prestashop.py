"""Recognises the tables of PrestaShop, `ps_orders` and `ps_order_detail`, or both in one file of its SQL Manager.

Columns: install-dev/data/db_structure.sql of https://github.com/PrestaShop/PrestaShop.
"""

from tfrec.layouts.amounts import money_share
from tfrec.layouts.currencies import rate_entries
from tfrec.layouts.draft import Entry, Part, Section, column_section, drop_rule
from tfrec.layouts.layout import Layout, Roles
from tfrec.layouts.raw_files import RawFiles
from tfrec.layouts.shared_entries import (
    NOTHING_BACK,
    duplicate_entry,
    no_item_rules,
    returned_table,
    user_entry,
)
from tfrec.layouts.times import zone_entry

_VOID_STATES = "^(6|7|8)$"  # of a new shop: cancelled, refunded, payment error


def _propose_tables(roles: Roles) -> Part:
    lines, orders = roles["lines"], roles["orders"]
    join = Section(
        "events.join",
        (*orders.entries, Entry("on", {"id_order": "id_order"}), Entry("prefix", "order.")),
        "the order of each line",
        is_list=True,
    )
    return _part(lines, orders, "order.", (join,))


def _propose_single(roles: Roles) -> Part:
    return _part(roles["lines"], roles["lines"], "", ())


def _part(lines: RawFiles, orders: RawFiles, prefix: str, joins: tuple[Section, ...]) -> Part:
    price = lines.first("unit_price_tax_incl", "unit_price_tax_excl", "product_price")
    currency, rates = _currency(orders, prefix)
    columns = column_section(
        "events",
        (
            Entry("order_id", "id_order"),
            *user_entry(orders, "id_customer", prefix=prefix, absent="the orders name no customers"),
            Entry("item_id", "product_id", "`product_attribute_id` is the combination (size, colour)"),
            Entry("timestamp", f"{prefix}date_add"),
            Entry("quantity", "product_quantity"),
            Entry("price", price, "of a piece, after reductions of the product; vouchers of the order are not split"),
            *currency,
        ),
    )
    zone = zone_entry(orders.cells("date_add"), None)
    entries = (*lines.entries, Entry("type", "purchase", "each line of an order"), zone, *rates)
    sales = Section("events", entries, is_list=True)
    tables = [sales, columns, *joins]
    returned = [
        name
        for name in ("product_quantity_refunded", "product_quantity_return")
        if lines.has(name) and any(value.strip("0.") for value in lines.cells(name).values)
    ]
    if returned:
        when = prefix + orders.first("date_upd", "date_add")
        why = (
            "Lines state how many pieces came back, and not when: the last change of the order stands for it, which is "
            "never before the sale"
        )
        tables += [*returned_table(sales, columns, quantity=returned[0], when=when, why=why), *joins]
    return Part(
        title="PrestaShop tables of orders and their lines",
        head=(_shop_currency(is_needed=bool(currency)),),
        tables=(*tables, column_section("items", [Entry("title", "product_name")])),
        clean=(*_guests(orders), *duplicate_entry(lines, "each line has a number of its own (`id_order_detail`)")),
        rules=(*_rules(orders, prefix), *no_item_rules(lines, "product_name"), *([NOTHING_BACK] if returned else [])),
    )


def _currency(orders: RawFiles, prefix: str) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Returns the column of currencies and the rates, where there are several; the default currency has rate 1."""
    if not orders.has("id_currency", "conversion_rate") or len(shares := money_share(orders, "id_currency")) < 2:
        return (), ()
    main = max(shares, key=lambda code: shares[code])
    others = rate_entries(orders, "id_currency", rate="conversion_rate", main=main, is_inverse=True)
    rates = [Entry("rates", {main: 1.0, **entry.value}, entry.why, entry.is_open) for entry in others]
    return (Entry("currency", f"{prefix}id_currency", "numbers of PrestaShop's currencies, see rates"),), tuple(rates)


def _shop_currency(*, is_needed: bool) -> Entry:
    """Returns the line of the shop's currency, which these tables name by number alone."""
    why = "the tables name currencies by number: put the code of the shop's default currency"
    return (
        Entry("currency", "XXX", f"{why} in place of XXX (none)")
        if is_needed
        else Entry("currency", "EUR", why, is_open=True)
    )


def _guests(orders: RawFiles) -> tuple[Entry, ...]:
    has_none = "0" in orders.cells("id_customer").values
    return (Entry("guest_ids", ["0"], "orders without a customer"),) if has_none else ()


def _rules(orders: RawFiles, prefix: str) -> list[Section]:
    rules = []
    if orders.has("valid"):
        why = (
            f"{orders.cells('valid').rows_with(['0']):,} rows are not valid: cancelled, never paid, or a payment error"
        )
        rules.append(drop_rule("^0$", "order that is not valid", raw_column=f"{prefix}valid", why=why))
    if orders.has("current_state"):
        why = (
            "states of a new shop: 6 cancelled, 7 refunded, 8 payment error; add those of your own (ps_order_state). "
            f"Values of the column: {orders.cells('current_state').example(8)}"
        )
        rule = drop_rule(_VOID_STATES, "cancelled or refunded order", raw_column=f"{prefix}current_state", why=why)
        rules.append(rule)
    return rules


TABLES = Layout(
    title="PrestaShop tables of orders and their lines",
    table="events",
    signs={
        "lines": ("id_order_detail", "id_order", "product_id", "product_name", "product_quantity"),
        "orders": ("id_order", "id_customer", "date_add", "current_state"),
    },
    propose=_propose_tables,
)
"""Two files."""

SINGLE = Layout(
    title="PrestaShop tables of orders and their lines",
    table="events",
    signs={
        "lines": (
            *("id_order", "id_customer", "date_add", "product_id", "product_name", "product_quantity"),
            "unit_price_tax_incl",
        )
    },
    propose=_propose_single,
)
"""Both tables in one file."""
