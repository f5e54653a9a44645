"""Writes the known orders as the exports of shop systems, with what preparing each must give."""

import csv
import dataclasses
import datetime as dt
import html
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.layouts.known_orders import BERLIN, Item, Line, Order

Event = tuple[str, str, str, float, float, str]
"""Order, user, item, pieces, price of a piece, time in UTC."""


@dataclasses.dataclass(frozen=True)
class Export:
    """Files of a system.

    Attributes:
        paths: what `tfrec init` is given.
        events: the purchases that are known.
        returns: order, item and pieces of what came back.
        currency: the shop's.
        guests: ids of users that must not appear.
    """

    paths: list[Path]
    events: list[Event]
    returns: list[tuple[str, str, float]] = dataclasses.field(default_factory=list)
    currency: str = ""


def sold(
    orders: Iterable[Order],
    *,
    order: Callable[[Order], str] = lambda order: str(order.number),
    user: Callable[[Order], str] = lambda order: order.email,
    item: Callable[[Item], str] = lambda item: item.sku,
    rate: float | None = None,
    price: Callable[[Line], float] = lambda line: line.paid,
    currencies: Sequence[str] = ("EUR",),
) -> list[Event]:
    """Returns the purchases of orders that were paid; dollars at a rate, or left out without one."""
    accepted = (*currencies, *(("USD",) if rate else ()))
    return sorted(
        (
            order(one),
            user(one),
            item(line.item),
            float(line.quantity),
            round(price(line) * (rate if one.currency == "USD" and rate else 1.0), 4),
            f"{one.at:%Y-%m-%d %H:%M:%S}",
        )
        for one in orders
        if one.state == "paid" and one.currency in accepted
        for line in one.lines
    )


def taken_back(
    orders: Iterable[Order],
    *,
    order: Callable[[Order], str] = lambda order: str(order.number),
    item: Callable[[Item], str] = lambda item: item.sku,
    currencies: Sequence[str] = ("EUR", "USD"),
) -> list[tuple[str, str, float]]:
    """Returns what came back of orders that were paid."""
    return sorted(
        (order(one), item(line.item), float(line.returned))
        for one in orders
        if one.state == "paid" and one.currency in currencies
        for line in one.lines
        if line.returned
    )


def write_csv(path: Path, rows: Sequence[dict[str, Any]], *, columns: Sequence[str] = (), **how: Any) -> Path:
    """Writes rows under the columns given, or those of the first row."""
    encoding = how.pop("encoding", "utf-8")
    with path.open("w", encoding=encoding, newline="") as stream:
        writer = csv.DictWriter(stream, [*(columns or rows[0])], restval="", extrasaction="ignore", **how)
        writer.writeheader()
        writer.writerows(rows)
    return path


SHOPIFY_COLUMNS = (
    *("Name", "Email", "Financial Status", "Paid at", "Fulfillment Status", "Fulfilled at", "Accepts Marketing"),
    *("Currency", "Subtotal", "Shipping", "Taxes", "Total", "Discount Code", "Discount Amount", "Shipping Method"),
    *(
        "Created at",
        "Lineitem quantity",
        "Lineitem name",
        "Lineitem price",
        "Lineitem compare at price",
        "Lineitem sku",
    ),
    *(
        "Lineitem requires shipping",
        "Lineitem taxable",
        "Lineitem fulfillment status",
        "Billing Name",
        "Billing Street",
    ),
    *("Billing Address1", "Billing Address2", "Billing Company", "Billing City", "Billing Zip", "Billing Province"),
    *("Billing Country", "Billing Phone", "Shipping Name", "Shipping Street", "Shipping Address1", "Shipping Address2"),
    *("Shipping Company", "Shipping City", "Shipping Zip", "Shipping Province", "Shipping Country", "Shipping Phone"),
    *("Notes", "Note Attributes", "Cancelled at", "Payment Method", "Payment Reference", "Refunded Amount", "Vendor"),
    *("Outstanding Balance", "Employee", "Location", "Device ID", "Id", "Tags", "Risk Level", "Source"),
    *("Lineitem discount", "Tax 1 Name", "Tax 1 Value", "Tax 2 Name", "Tax 2 Value", "Tax 3 Name", "Tax 3 Value"),
    *("Tax 4 Name", "Tax 4 Value", "Tax 5 Name", "Tax 5 Value", "Phone", "Receipt Number", "Duties"),
    *("Billing Province Name", "Shipping Province Name", "Payment ID", "Payment Terms Name", "Next Payment Due At"),
    "Payment References",
)


def shopify_orders(folder: Path, orders: Sequence[Order]) -> Export:
    """One file, cells of the order on its first row; some orders have a tip or a gift card, which have no SKU."""
    rows: list[dict[str, Any]] = []
    for order in orders:
        when = f"{order.local:%Y-%m-%d %H:%M:%S %z}"
        lines = [
            {
                "Lineitem quantity": line.quantity,
                "Lineitem name": line.item.title,
                "Lineitem price": f"{line.item.price:.2f}",
                "Lineitem sku": line.item.sku,
                "Lineitem discount": f"{line.off:.2f}",
                "Vendor": line.item.brand,
            }
            for line in order.lines
        ]
        if order.number % 5 == 0:
            lines.append({"Lineitem quantity": 1, "Lineitem name": "Tip", "Lineitem price": "2.00"})
        if order.number % 8 == 0:
            lines.append({"Lineitem quantity": 1, "Lineitem name": "Gift card - $25.00", "Lineitem price": "25.00"})
        head = {
            "Email": order.email,
            "Financial Status": {"paid": "paid", "cancelled": "voided", "refunded": "refunded"}[order.state],
            "Paid at": when,
            "Currency": order.currency,
            "Created at": when,
            "Cancelled at": when if order.state == "cancelled" else "",
            "Refunded Amount": "0.00",
            "Shipping": "4.90",
            "Shipping Country": "DE",
            "Billing Name": 'Ann "Annie" O, Neill',
            "Notes": "please ring,\ntwice",
            "Id": 5_000_000_000_000 + order.number,
        }
        rows += [{"Name": f"#{order.number}", **(head if at == 0 else {}), **line} for at, line in enumerate(lines)]
    path = write_csv(folder / "orders_export.csv", rows, columns=SHOPIFY_COLUMNS)
    events = sold(orders, order=lambda order: f"#{order.number}")
    return Export([path], events, currency="EUR")


SHOPIFY_PRODUCT_COLUMNS = (
    *("Handle", "Title", "Body (HTML)", "Vendor", "Product Category", "Type", "Tags", "Published", "Option1 Name"),
    *(
        "Option1 Value",
        "Option2 Name",
        "Option2 Value",
        "Option3 Name",
        "Option3 Value",
        "Variant SKU",
        "Variant Grams",
    ),
    *("Variant Inventory Tracker", "Variant Inventory Qty", "Variant Inventory Policy", "Variant Fulfillment Service"),
    *("Variant Price", "Variant Compare At Price", "Variant Requires Shipping", "Variant Taxable", "Variant Barcode"),
    *("Image Src", "Image Position", "Image Alt Text", "Gift Card", "SEO Title", "SEO Description", "Variant Image"),
    *("Variant Weight Unit", "Variant Tax Code", "Cost per item", "Status"),
)


def write_shopify_products(folder: Path, items: Sequence[Item]) -> Path:
    """Writes a catalogue with tees as two variants of one product, and a further picture of each product."""
    rows: list[dict[str, Any]] = []
    handles: set[str] = set()
    for item in items:
        is_tee = item.sku.startswith("TEE")
        handle = "tee" if is_tee else f"item-{item.number}"
        head = {
            "Title": "Tee" if is_tee else item.title,
            "Body (HTML)": '<p class="x">A thing,\nnice</p>',
            "Vendor": item.brand,
            "Product Category": " > ".join(item.category),
            "Published": "true",
            "Status": "active",
        }
        rows.append(
            {
                "Handle": handle,
                **({} if handle in handles else head),
                "Option1 Value": item.sku[-1] if is_tee else "Default Title",
                "Variant SKU": item.sku,
                "Variant Price": f"{item.price:.2f}",
                "Variant Inventory Qty": item.number - 100,
                "Cost per item": f"{item.cost:.2f}",
                "Image Src": f"https://cdn.example.org/{item.number}.jpg",
                "Image Position": 1,
            }
        )
        handles.add(handle)
    rows += [
        {"Handle": handle, "Image Src": "https://cdn.example.org/more.jpg", "Image Position": 2}
        for handle in sorted(handles)
    ]
    return write_csv(folder / "products_export.csv", rows, columns=SHOPIFY_PRODUCT_COLUMNS)


def write_merchant_feed(folder: Path, items: Sequence[Item]) -> Path:
    """Writes a product feed as a tab-separated file."""
    rows = [
        {
            "id": item.sku,
            "title": item.title.replace("\n", " "),
            "description": "A thing, nice",
            "link": f"https://shop.example.org/{item.number}",
            "image_link": f"https://cdn.example.org/{item.number}.jpg",
            "availability": "in stock",
            "price": f"{item.price:.2f} EUR",
            "brand": item.brand,
            "gtin": f"40000000{item.number:05}",
            "google_product_category": "632",
            "product_type": " > ".join(item.category),
            "item_group_id": "tee" if item.sku.startswith("TEE") else "",
            "condition": "new",
        }
        for item in items
    ]
    return write_csv(folder / "feed.tsv", rows, delimiter="\t")


def write_merchant_feed_xml(folder: Path, items: Sequence[Item]) -> Path:
    """Writes the same feed as RSS."""
    with write_merchant_feed(folder, items).open(encoding="utf-8", newline="") as stream:
        rows = [*csv.DictReader(stream, delimiter="\t")]
    entries = "".join(
        "<item>" + "".join(f"<g:{name}>{html.escape(value)}</g:{name}>" for name, value in row.items() if value)
        + "<g:shipping><g:country>DE</g:country><g:price>4.90 EUR</g:price></g:shipping></item>\n"
        for row in rows
    )  # fmt: skip
    path = folder / "feed.xml"
    path.write_text(
        '<?xml version="1.0"?>\n<rss xmlns:g="http://base.google.com/ns/1.0" version="2.0"><channel>'
        f"<title>Shop</title><link>https://shop.example.org</link>\n{entries}</channel></rss>\n",
        encoding="utf-8",
    )
    (folder / "feed.tsv").unlink()
    return path


AMAZON_COLUMNS = (
    *("amazon-order-id", "merchant-order-id", "purchase-date", "last-updated-date", "order-status"),
    *("fulfillment-channel", "sales-channel", "order-channel", "ship-service-level", "product-name", "sku", "asin"),
    *("item-status", "quantity", "currency", "item-price", "item-tax", "shipping-price", "shipping-tax"),
    *("gift-wrap-price", "gift-wrap-tax", "item-promotion-discount", "ship-promotion-discount", "ship-city"),
    *("ship-state", "ship-postal-code", "ship-country", "promotion-ids", "is-business-order"),
    *("purchase-order-number", "price-designation"),
)


def _amazon_number(order: Order) -> str:
    return f"302-{order.number:07}-{order.number * 7:07}"


def _amazon_amounts(order: Order, line: Line) -> dict[str, Any]:
    return {
        "quantity": line.quantity,
        "currency": order.currency,
        "item-price": f"{line.list_total:.2f}",
        "item-promotion-discount": f"{line.off:.2f}" if line.off else "",
    }


def amazon_tracking(folder: Path, orders: Sequence[Order]) -> Export:
    """All orders, as the report by order date has them: no buyers; cancelled lines have no quantity and no price."""
    rows = [
        {
            "amazon-order-id": _amazon_number(order),
            "purchase-date": f"{order.at:%Y-%m-%dT%H:%M:%S+00:00}",
            "last-updated-date": f"{order.at + dt.timedelta(days=2):%Y-%m-%dT%H:%M:%S+00:00}",
            "order-status": "Shipped" if order.state == "paid" else "Cancelled",
            "item-status": "Shipped" if order.state == "paid" else "Cancelled",
            "fulfillment-channel": "Amazon",
            "sales-channel": "Amazon.com" if order.currency == "USD" else "Amazon.de",
            "product-name": line.item.title.replace("\n", " "),
            "sku": line.item.sku,
            "asin": f"B0{line.item.number:08}",
            "ship-country": "DE",
            "quantity": 0,
            **(_amazon_amounts(order, line) if order.state == "paid" else {}),
        }
        for order in orders
        for line in order.lines
    ]
    path = folder / "orders.txt"
    how = {"columns": AMAZON_COLUMNS, "delimiter": "\t", "quoting": csv.QUOTE_NONE, "quotechar": None}
    write_csv(path, rows, **how)
    events = sold(orders, order=_amazon_number, user=lambda order: "")
    return Export([path], events, currency="EUR")


def amazon_fulfilment(folder: Path, orders: Sequence[Order]) -> Export:
    """Orders to be shipped, with addresses of their buyers."""
    rows = [
        {
            "order-id": _amazon_number(order),
            "order-item-id": order.number * 10 + place,
            "purchase-date": f"{order.at:%Y-%m-%dT%H:%M:%S+00:00}",
            "payments-date": f"{order.at:%Y-%m-%dT%H:%M:%S+00:00}",
            "buyer-email": order.email,
            "buyer-name": "Ann O'Neill",
            "sku": line.item.sku,
            "product-name": line.item.title.replace("\n", " "),
            "quantity-purchased": line.quantity,
            "currency": order.currency,
            "item-price": f"{line.list_total:.2f}",
            "item-tax": "0.00",
            "shipping-price": "4.90",
            "item-promotion-discount": f"{-line.off:.2f}",
            "ship-country": "DE",
        }
        for order in orders
        if order.state == "paid"
        for place, line in enumerate(order.lines)
    ]
    path = folder / "unshipped.txt"
    write_csv(path, rows, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None)
    return Export([path], sold(orders, order=_amazon_number), currency="EUR")


def ga4(folder: Path, orders: Sequence[Order], *, as_parquet: bool = False) -> Export:
    """Events with nested items: page views, searches, lists, carts, and a purchase for each order that was paid."""
    rows: list[dict[str, Any]] = []

    def add(order: Order, name: str, seconds: int, lines: Sequence[Line], **parameters: str) -> None:
        moment = order.at + dt.timedelta(seconds=seconds)
        values = {"ga_session_id": order.number * 3, "currency": order.currency, **parameters}
        rows.append(
            {
                "event_date": f"{moment:%Y%m%d}",
                "event_timestamp": int(moment.timestamp() * 1_000_000),
                "event_name": name,
                "event_params": [
                    {
                        "key": key,
                        "value": {
                            "string_value": value if isinstance(value, str) else None,
                            "int_value": value if isinstance(value, int) else None,
                            "float_value": None,
                            "double_value": None,
                        },
                    }
                    for key, value in values.items()
                ],
                "user_id": f"c{order.user}" if order.user else None,
                "user_pseudo_id": f"{order.number % 17}.{1_700_000_000 + order.user}",
                "ecommerce": {"transaction_id": str(order.number) if name == "purchase" else "(not set)"},
                "items": [
                    {
                        "item_id": line.item.sku,
                        "item_name": line.item.title,
                        "item_brand": line.item.brand,
                        "item_category": line.item.category[0],
                        "item_category2": line.item.category[1],
                        "price": line.paid,
                        "quantity": line.quantity if name in ("purchase", "add_to_cart") else None,
                    }
                    for line in lines
                ],
            }
        )

    for order in orders:
        add(order, "session_start", -90, ())
        add(order, "page_view", -80, ())
        add(order, "view_search_results", -70, (), search_term="mug, large")
        add(order, "view_item_list", -60, order.lines)
        for place, line in enumerate(order.lines):
            add(order, "view_item", -50 + place, (line,))
            add(order, "add_to_cart", -40 + place, (line,))
        if order.state == "paid":
            add(order, "purchase", 0, order.lines)
    if as_parquet:
        path = folder / "events_20240101.parquet"
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path = folder / "events.jsonl"
        written = [{**row, "event_timestamp": str(row["event_timestamp"])} for row in rows]
        path.write_text("".join(json.dumps(row) + "\n" for row in written), encoding="utf-8")
    events = sold(orders, user=lambda order: f"c{order.user}" if order.user else _pseudo(order))
    return Export([path], events, currency="EUR")


def _pseudo(order: Order) -> str:
    return f"{order.number % 17}.{1_700_000_000 + order.user}"


def heads_and_lines(folder: Path, orders: Sequence[Order]) -> Export:
    """Two files of no system, in German, written by a spreadsheet: semicolons, decimal commas, Windows' letters."""
    heads = [
        {
            "Bestellnummer": order.number,
            "Bestelldatum": f"{order.local:%d.%m.%Y %H:%M:%S}",
            "Kundennummer": f"K{order.user:04}" if order.user else "",
            "Bestellstatus": {"paid": "abgeschlossen", "cancelled": "storniert", "refunded": "erstattet"}[order.state],
            "Währung": "EUR",
            "Lieferland": "Österreich" if order.number % 3 == 0 else "Deutschland",
        }
        for order in orders
    ]
    lines = [
        {
            "Bestellnummer": order.number,
            "Artikelnummer": line.item.sku,
            "Artikelbezeichnung": line.item.title.replace("\n", " ").replace("–", "-"),
            "Menge": line.quantity,
            "Einzelpreis": f"{line.paid:.2f}".replace(".", ","),
        }
        for order in orders
        for line in order.lines
    ]
    how = {"delimiter": ";", "encoding": "cp1252"}
    paths = [
        write_csv(folder / "bestellungen.csv", heads, **how),
        write_csv(folder / "positionen.csv", lines, **how),
    ]
    events = sold(orders, user=lambda order: f"K{order.user:04}" if order.user else "", currencies=("EUR", "USD"))
    return Export(paths, [(*event[:5], _as_local(event[5])) for event in events], currency="EUR")


def _as_local(moment: str) -> str:
    """Returns a time on the shop's clock, as a file without zones holds it."""
    read = dt.datetime.fromisoformat(moment).replace(tzinfo=dt.UTC)
    return f"{read.astimezone(BERLIN):%Y-%m-%d %H:%M:%S}"
