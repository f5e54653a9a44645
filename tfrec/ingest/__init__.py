"""Prepares a shop: reads a raw log into checked, cleaned tables, split in time."""
