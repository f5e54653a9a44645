"""Adds `--key`, the file of a secret under which user ids are exported as pseudonyms."""

import argparse
from pathlib import Path

KEY_TEXT = """\
A key is a file with a secret of at least 16 bytes. Exports hold HMAC-SHA256 pseudonyms under it in place of user ids:
they can be matched with users by those alone who have both the ids and the key. Make one key for each receiver, and
keep it, as another key gives other pseudonyms:
  head -c 32 /dev/urandom > partner.key
"""
"""What help texts say of a key."""


def add_key(parser: argparse.ArgumentParser, *, purpose: str) -> None:
    """Adds the option.

    Args:
        parser: takes the option.
        purpose: what the key is needed for.
    """
    parser.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help=f"file of the secret that turns user ids into pseudonyms, {purpose} "
        "(make one: head -c 32 /dev/urandom > FILE)",
    )
