"""Lists the known layouts of exports."""

from tfrec.layouts import (
    amazon,
    bigcommerce,
    ga4,
    magento,
    merchant_feed,
    prestashop,
    shopify_orders,
    shopify_products,
    woocommerce,
)
from tfrec.layouts.layout import Layout

LAYOUTS: tuple[Layout, ...] = (
    amazon.TRACKING,
    amazon.FULFILMENT,
    bigcommerce.CELLS,
    bigcommerce.ROWS,
    ga4.LAYOUT,
    magento.LAYOUT,
    merchant_feed.LAYOUT,
    prestashop.TABLES,
    prestashop.SINGLE,
    shopify_orders.LAYOUT,
    shopify_products.LAYOUT,
    woocommerce.API,
    woocommerce.LINES,
    woocommerce.CELLS,
    woocommerce.ANALYTICS,
)
"""Every known layout; of those that fit some files the one with most columns is taken."""
