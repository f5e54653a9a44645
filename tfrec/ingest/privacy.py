"""Turns user ids into keyed pseudonyms: equal for equal ids, and not reversible without the key."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pandas as pd

from tfrec.errors import RecipeError, SourceError
from tfrec.schema.pseudonyms import pseudonym
from tfrec.sources.cells import id_text

_MIN_KEY_BYTES = 16


@dataclasses.dataclass(frozen=True)
class Privacy:
    """Whether users appear under pseudonyms.

    Attributes:
        key_file: file with the secret key (at least 16 bytes; make one with `head -c 32 /dev/urandom > FILE`), found
            like the data files; empty = ids stay as they are. The key is never written; keep it to serve the same
            pseudonyms.
        keep_days: events that are older than so many days before the end of the log are dropped; 0 = none.
        free_text: columns out of which mail addresses and phone numbers are taken: of events, items or users.
    """

    key_file: str = ""
    keep_days: int = 0
    free_text: tuple[str, ...] = ("query", "title")

    def __post_init__(self) -> None:
        if self.keep_days < 0:
            raise RecipeError(f"keep_days must not be below 0; got {self.keep_days}.")


def read_key(path: Path) -> bytes:
    """Returns the key.

    Raises:
        SourceError: there is none, or it is shorter than 16 bytes, and so could be guessed.
    """
    try:
        key = path.read_bytes()
    except OSError as error:
        raise SourceError(
            f"The key file {path} cannot be read ({error.strerror}). It holds the secret under which user ids become "
            "pseudonyms. Make one, and keep it, as another key gives other pseudonyms: "
            f"head -c 32 /dev/urandom > {path}"
        ) from error
    if len(key) < _MIN_KEY_BYTES:
        raise SourceError(
            f"The key in {path} has {len(key)} bytes; it must have at least {_MIN_KEY_BYTES}. "
            f"Make one with: head -c 32 /dev/urandom > {path}"
        )
    return key


def pseudonyms(ids: pd.Series, *, key: bytes) -> pd.Series:
    """Returns the pseudonyms of `tfrec.schema.pseudonyms`; `""` (a guest) stays `""`.

    Args:
        ids: user ids as text.
        key: the secret.
    """
    unique = pd.unique(ids)
    table = {user_id: pseudonym(user_id, key) if user_id else "" for user_id in unique}
    return ids.map(table).astype("str")


def pseudonymise(table: ir.Table, *, key: bytes, guest_ids: Sequence[str] = (), column: str = "user_id") -> ir.Table:
    """Returns a table of text with pseudonyms in `column`; guests become `""`.

    Args:
        table: text columns.
        key: the secret.
        guest_ids: ids that stand for guests.
        column: column with the user ids.
    """
    plain = id_text(table[column].fill_null("").strip())
    ids = table.select(_plain=plain).distinct().execute()["_plain"]
    names = pd.DataFrame({"_plain": ids, "_pseudonym": pseudonyms(ids.where(~ids.isin(guest_ids), ""), key=key)})
    joined = table.mutate(_plain=plain).join(ibis.memtable(names), "_plain", how="left")
    return joined.mutate(**{column: joined["_pseudonym"]}).select(*table.columns)


def key_check(key: bytes) -> str:
    """Returns a short check word: equal for two runs with the same key, and without further information on the key."""
    return pseudonym("tfrec key check", key)[:8]


def verify_key(key: bytes | None, expected: str, *, of: str) -> None:
    """Checks that pseudonyms under a key are those of something that was made earlier.

    Args:
        key: the secret, or None where ids stay as they are.
        expected: `key_check` of what was made earlier, `""` where its ids are plain.
        of: what that is, for the message.

    Raises:
        SourceError: they are not: nothing of the one would be found in the other.
    """
    found = key_check(key) if key is not None else ""
    if found == expected:
        return
    has = f"pseudonyms under the key {expected}" if expected else "plain user ids"
    given = f"the key {found}" if found else "no key"
    raise SourceError(
        f"{of} has {has}, but {given} is given: the same user would be another one. Give the key that {of} was made "
        "with, or make it again. (Keys are named by their check words, which do not disclose them.)"
    )
