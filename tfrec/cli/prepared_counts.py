"""Prints what a preparation gave: tables, rows that were set aside with their reasons, notes."""

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfrec.ingest.prepared import Manifest


def print_counts(about: "Manifest") -> None:
    """Prints the counts of a prepared shop and what its owner should check."""
    test_from = about.calendar.moment_text(about.test_from)
    print(
        f"  training   {about.train_events:>10,} events, {about.train_orders:,} orders, {about.users:,} users, "
        f"{about.items:,} items"
    )
    print(f"  test       {about.test_events:>10,} events, {about.test_orders:,} orders, from {test_from}")
    if about.facts:
        print(f"  facts      {about.facts:>10,} of items")
    if about.relations:
        print(f"  relations  {about.relations:>10,} of users, each way")
    if about.impressions:
        print(f"  impressions {about.impressions:>9,} of items in slates")
    if about.returns is not None and about.returns.rows:
        print(
            f"  returns    {about.returns.rows:>10,} rows, {about.returns.matched_pieces:,.0f} of "
            f"{about.returns.pieces:,.0f} pieces matched with the purchases that they take back"
        )
    of = f"of {about.rows:,} rows of events"
    _print_counts("excluded", f"{of}, by the recipe's own rules", about.excluded)
    _print_counts("taken back", f"{of}, which are returns and no sales", about.returned)
    _print_counts("rejected", f"{of}, as faulty", about.faulty)
    _print_counts("rejected", "rows of other tables, as faulty", about.catalogue_rejected)
    _print_counts("incomplete", "rows stay without a value", about.incomplete)
    if about.notes:
        print("Please check:")
    for note in about.notes:
        print(textwrap.fill(note.text, 110, initial_indent="  - ", subsequent_indent="    "))


def _print_counts(title: str, what: str, counts: Mapping[str, int]) -> None:
    """Prints the number of rows and each reason; nothing where there are none."""
    if not counts:
        return
    print(f"  {title:<10} {sum(counts.values()):>10,} {what}")
    for reason, count in sorted(counts.items(), key=lambda entry: -entry[1]):
        print(f"             {count:>10,} {reason}")
