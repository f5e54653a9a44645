"""Writes the known orders as WooCommerce, Magento, PrestaShop and BigCommerce export them."""

import dataclasses
import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.layouts.exports import Export, sold, taken_back, write_csv
from tests.layouts.known_orders import RATE, Order

_WOO_STATES = {"paid": "completed", "cancelled": "cancelled", "refunded": "refunded"}


def _customer(order: Order) -> str:
    return str(order.user) if order.user else ""


def woocommerce_api(folder: Path, orders: Sequence[Order]) -> Export:
    """Orders of the REST API, an object a line; guests have customer 0 and an address."""
    rows = [
        {
            "id": order.number + 40_000,
            "number": str(order.number),
            "status": _WOO_STATES[order.state],
            "currency": order.currency,
            "date_created": f"{order.local:%Y-%m-%dT%H:%M:%S}",
            "date_created_gmt": f"{order.at:%Y-%m-%dT%H:%M:%S}",
            "customer_id": order.user,
            "billing": {"first_name": "Ann", "email": order.email, "country": "DE"},
            "shipping": {"first_name": "Ann", "country": "DE"},
            "line_items": [
                {
                    "id": order.number * 10 + place,
                    "name": line.item.title,
                    "product_id": line.item.number,
                    "variation_id": 0,
                    "quantity": line.quantity,
                    "subtotal": f"{line.list_total:.2f}",
                    "total": f"{line.total:.2f}",
                    "sku": line.item.sku,
                    "price": line.paid,
                    "meta_data": [{"id": 7, "key": "gift", "value": "no"}],
                }
                for place, line in enumerate(order.lines)
            ],
            "shipping_lines": [{"method_title": "Flat rate", "total": "4.90"}],
            "fee_lines": [],
            "refunds": [{"id": 1, "reason": "", "total": "-1.00"}] if order.state == "refunded" else [],
        }
        for order in orders
    ]
    path = folder / "orders.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    events = sold(orders, user=_customer, item=lambda item: str(item.number))
    return Export([path], events, currency="EUR")


def woocommerce_lines(folder: Path, orders: Sequence[Order]) -> Export:
    """A row for each line item, with the pieces that were refunded."""
    rows = [
        {
            "order_id": order.number + 40_000,
            "order_number": order.number,
            "order_date": f"{order.at:%Y-%m-%d %H:%M:%S}",
            "status": _WOO_STATES[order.state],
            "shipping_total": "4.90",
            "order_total": f"{sum(line.total for line in order.lines) + 4.9:.2f}",
            "order_currency": order.currency,
            "customer_id": order.user,
            "billing_email": order.email,
            "billing_country": "DE",
            "customer_note": "please ring,\ntwice",
            "item_id": order.number * 10 + place,
            "item_product_id": line.item.number,
            "item_name": line.item.title,
            "item_sku": line.item.sku,
            "item_quantity": line.quantity,
            "item_subtotal": f"{line.list_total:.2f}",
            "item_total": f"{line.total:.2f}",
            "item_refunded": f"{line.returned * line.paid:.2f}",
            "item_refunded_qty": -line.returned,
            "item_meta": "",
        }
        for order in orders
        for place, line in enumerate(order.lines)
    ]
    path = write_csv(folder / "orders-export.csv", rows)
    return Export([path], sold(orders, user=_customer), taken_back(orders, currencies=("EUR",)), currency="EUR")


def woocommerce_cells(folder: Path, orders: Sequence[Order]) -> Export:
    """A row for each order, a cell for each line item."""
    width = max(len(order.lines) for order in orders)
    rows = []
    for order in orders:
        cells = [
            f"name:{line.item.title.replace('|', '/')}|product_id:{line.item.number}|sku:{line.item.sku}"
            f"|quantity:{line.quantity}|total:{line.total:.2f}|sub_total:{line.list_total:.2f}"
            for line in order.lines
        ]
        rows.append(
            {
                "order_id": order.number + 40_000,
                "order_number": order.number,
                "order_date": f"{order.at:%Y-%m-%d %H:%M:%S}",
                "status": _WOO_STATES[order.state],
                "order_currency": order.currency,
                "customer_id": order.user,
                "customer_email": order.email,
                **{f"line_item_{at + 1}": cells[at] if at < len(cells) else "" for at in range(width)},
            }
        )
    path = write_csv(folder / "order_export.csv", rows)
    return Export([path], sold(orders, user=_customer), currency="EUR")


def woocommerce_analytics(folder: Path, orders: Sequence[Order]) -> Export:
    """The analytics report: items by name in one cell, neither prices nor users."""
    rows = [
        {
            "Date": f"{order.at:%Y-%m-%d %H:%M:%S}",
            "Order #": order.number,
            "Status": _WOO_STATES[order.state],
            "Customer": "returning",
            "Product(s)": ", ".join(f"{line.quantity}× {line.item.title}" for line in order.lines),
            "Items Sold": sum(line.quantity for line in order.lines),
            "Coupon(s)": "",
            "N. Revenue": sum(line.total for line in order.lines),
        }
        for order in orders
    ]
    path = write_csv(folder / "orders.csv", rows)
    events = sold(
        orders,
        user=lambda order: "",
        item=lambda item: item.title,
        price=lambda line: float("nan"),
        currencies=("EUR", "USD"),
    )
    return Export([path], events)


def magento(folder: Path, orders: Sequence[Order], *, has_base: bool = True) -> Export:
    """Orders and their lines: tees are a parent and a child, lamps a bundle of two.

    Amounts are in the buyer's currency, and in euros as base amounts where `has_base`.
    """
    heads, lines = [], []
    for order in orders:
        rate = RATE if order.currency == "USD" else 1.0
        heads.append(
            {
                "entity_id": order.number - 1000,
                "state": {"paid": "complete", "cancelled": "canceled", "refunded": "closed"}[order.state],
                "status": {"paid": "complete", "cancelled": "canceled", "refunded": "closed"}[order.state],
                "customer_id": order.user or "NULL",
                "customer_email": order.email or "NULL",
                "customer_is_guest": int(not order.user),
                "base_currency_code": "EUR",
                "order_currency_code": order.currency,
                "base_to_order_rate": f"{1 / rate:.6f}",
                "created_at": f"{order.at:%Y-%m-%d %H:%M:%S}",
                "updated_at": f"{order.at + dt.timedelta(days=5):%Y-%m-%d %H:%M:%S}",
                "increment_id": f"{order.number:09}",
                "grand_total": "1.0000",
            }
        )
        for place, line in enumerate(order.lines):
            number = order.number * 100 + place * 10
            is_tee, is_lamp = line.item.sku.startswith("TEE"), line.item.sku.startswith("LAMP")
            kind = "configurable" if is_tee else "bundle" if is_lamp else "simple"
            cancelled = line.quantity if order.state == "cancelled" else 0
            refunded = line.quantity if order.state == "refunded" else line.returned
            row = {
                "item_id": number,
                "order_id": order.number - 1000,
                "parent_item_id": "NULL",
                "product_id": line.item.number,
                "product_type": kind,
                "sku": line.item.sku,
                "name": line.item.title,
                "qty_ordered": f"{line.quantity:.4f}",
                "qty_canceled": f"{cancelled:.4f}",
                "qty_refunded": f"{refunded:.4f}",
                "price": f"{line.item.price / rate:.4f}",
                "base_price": f"{line.item.price * rate / rate:.4f}",
                "row_total": f"{line.list_total / rate:.4f}",
                "base_row_total": f"{line.list_total:.4f}",
                "discount_amount": f"{line.off / rate:.4f}",
                "base_discount_amount": f"{line.off:.4f}",
            }
            lines.append(row)
            children = [f"{line.item.sku}"] if is_tee else ["BULB", "SHADE"] if is_lamp else []
            for at, sku in enumerate(children, start=1):
                lines.append(
                    {
                        **row,
                        "item_id": number + at,
                        "parent_item_id": number,
                        "product_type": "simple",
                        "sku": sku,
                        "price": "0.0000",
                        "base_row_total": "0.0000",
                        "row_total": "0.0000",
                        "discount_amount": "0.0000",
                        "base_discount_amount": "0.0000",
                    }
                )
    if not has_base:
        lines = [{name: value for name, value in line.items() if not name.startswith("base_")} for line in lines]
    paths = [write_csv(folder / "sales_order.csv", heads), write_csv(folder / "sales_order_item.csv", lines)]
    # A refunded order is sold and taken back: Magento has no state of its own for it.
    kept = [order if order.state != "refunded" else _all_back(order) for order in orders if order.state != "cancelled"]
    name = {"order": lambda order: f"{order.number:09}"}
    return Export(
        paths,
        sold(kept, user=_customer, currencies=("EUR", "USD"), **name),
        taken_back(kept, **name),
        currency="EUR",
    )


def _all_back(order: Order) -> Order:
    lines = tuple(dataclasses.replace(line, returned=line.quantity) for line in order.lines)
    return dataclasses.replace(order, lines=lines, state="paid")


def _prestashop_rows(orders: Sequence[Order]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    heads, lines = [], []
    for order in orders:
        units = 1 / RATE if order.currency == "USD" else 1.0  # of the order's currency for one euro
        heads.append(
            {
                "id_order": order.number - 1000,
                "reference": f"REF{order.number}X",
                "id_customer": order.user,
                "id_currency": 2 if order.currency == "USD" else 1,
                "current_state": {"paid": 5, "cancelled": 6, "refunded": 7}[order.state],
                "conversion_rate": f"{units:.6f}",
                "total_paid": "1.000000",
                "valid": int(order.state != "cancelled"),
                "date_add": f"{order.at:%Y-%m-%d %H:%M:%S}",
                "date_upd": f"{order.at + dt.timedelta(days=5):%Y-%m-%d %H:%M:%S}",
            }
        )
        for place, line in enumerate(order.lines):
            lines.append(
                {
                    "id_order_detail": order.number * 10 + place,
                    "id_order": order.number - 1000,
                    "product_id": line.item.number,
                    "product_attribute_id": 0,
                    "product_name": line.item.title,
                    "product_quantity": line.quantity,
                    "product_quantity_refunded": line.returned,
                    "product_quantity_return": 0,
                    "product_price": f"{line.item.price * units / 1.19:.6f}",
                    "reduction_percent": "0.00",
                    "product_reference": line.item.sku,
                    "unit_price_tax_incl": f"{line.paid * units:.6f}",
                    "unit_price_tax_excl": f"{line.paid * units / 1.19:.6f}",
                    "total_price_tax_incl": f"{line.total * units:.6f}",
                }
            )
    return heads, lines


def prestashop_tables(folder: Path, orders: Sequence[Order]) -> Export:
    """Two files with semicolons; dollars at the rate of the order."""
    heads, lines = _prestashop_rows(orders)
    paths = [
        write_csv(folder / "ps_orders.csv", heads, delimiter=";"),
        write_csv(folder / "ps_order_detail.csv", lines, delimiter=";"),
    ]
    return _prestashop_export(paths, orders)


def prestashop_single(folder: Path, orders: Sequence[Order]) -> Export:
    """One file of the SQL Manager, heads and lines joined."""
    heads, lines = _prestashop_rows(orders)
    of = {head["id_order"]: head for head in heads}
    rows = [{**of[line["id_order"]], **line} for line in lines]
    return _prestashop_export([write_csv(folder / "sql_manager.csv", rows, delimiter=";")], orders)


def _prestashop_export(paths: list[Path], orders: Sequence[Order]) -> Export:
    names = {"order": lambda order: str(order.number - 1000), "item": lambda item: str(item.number)}
    return Export(
        paths,
        sold(orders, user=_customer, rate=1.0, currencies=("EUR",), **names),
        taken_back(orders, **names),
        currency="XXX",
    )


def _bigcommerce_head(order: Order) -> dict[str, Any]:
    return {
        "Order ID": order.number,
        "Customer ID": order.user,
        "Customer Name": "Ann O'Neill",
        "Customer Email": order.email,
        "Order Date": f"{order.at:%d/%m/%Y}",
        "Order Time": f"{order.at:%H:%M:%S}",
        "Order Status": {"paid": "Shipped", "cancelled": "Cancelled", "refunded": "Refunded"}[order.state],
        "Order Currency Code": order.currency,
        "Order Currency Exchange Rate": f"{1 / RATE if order.currency == 'USD' else 1.0:.10f}",
        "Shipping Country": "Germany",
    }


def bigcommerce_cells(folder: Path, orders: Sequence[Order]) -> Export:
    """One row for each order, its products in one cell."""
    rows = []
    for order in orders:
        units = 1 / RATE if order.currency == "USD" else 1.0
        products = [
            f"Product ID: {line.item.number}, Product Qty: {line.quantity}, Product SKU: {line.item.sku}, "
            f"Product Name: {line.item.title}, Product Weight: 0.8000, Product Variation Details: Size: S (4), "
            f"Product Unit Price: {line.paid * units:.4f}, Product Total Price: {line.total * units:.4f}"
            for line in order.lines
        ]
        rows.append({**_bigcommerce_head(order), "Product Details": "|".join(products), "Order Notes": ""})
    return _bigcommerce_export([write_csv(folder / "orders-2024.csv", rows)], orders)


def bigcommerce_rows(folder: Path, orders: Sequence[Order]) -> Export:
    """One row for each product."""
    rows = [
        {
            **_bigcommerce_head(order),
            "Product ID": line.item.number,
            "Product Qty": line.quantity,
            "Product SKU": line.item.sku,
            "Product Name": line.item.title,
            "Product Unit Price": f"{line.paid * (1 / RATE if order.currency == 'USD' else 1.0):.4f}",
        }
        for order in orders
        for line in order.lines
    ]
    return _bigcommerce_export([write_csv(folder / "orders-2024.csv", rows)], orders)


def _bigcommerce_export(paths: list[Path], orders: Sequence[Order]) -> Export:
    return Export(paths, sold(orders, user=_customer, rate=1.0), currency="EUR")
