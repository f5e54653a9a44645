"""Turns sentences, tables and charts into one self-contained HTML page; every page of the package is made here."""
