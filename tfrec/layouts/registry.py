"""Lists the known layouts of exports."""

from tfrec.layouts import amazon
from tfrec.layouts.layout import Layout

LAYOUTS: tuple[Layout, ...] = (
    amazon.TRACKING,
    amazon.FULFILMENT,
)
"""Every known layout; of those that fit some files the one with most columns is taken."""
