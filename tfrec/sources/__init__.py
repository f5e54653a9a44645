"""Reads raw data of any kind into tables of text."""
