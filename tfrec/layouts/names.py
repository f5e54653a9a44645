"""Scores how well the name of a column fits a role; `names.toml` lists what columns are called in several languages."""

import dataclasses
import functools
import importlib.resources
import re
import tomllib
import unicodedata
from collections.abc import Mapping

_MARKS = re.compile(r"[^0-9a-z\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


@dataclasses.dataclass(frozen=True)
class RoleWords:
    """What columns of one role are called.

    Attributes:
        names: whole names, the surest first.
        words: single words that suit the role.
        never: words of names that do not mean it.
    """

    names: tuple[str, ...]
    words: frozenset[str]
    never: frozenset[str]


@functools.cache
def role_words() -> Mapping[str, RoleWords]:
    """Returns role → what its columns are called."""
    text = (importlib.resources.files("tfrec.layouts") / "names.toml").read_text(encoding="utf-8")
    return {
        role: RoleWords(tuple(row["names"]), frozenset(row.get("words", ())), frozenset(row.get("never", ())))
        for role, row in tomllib.loads(text).items()
    }


def normal_name(name: str) -> str:
    """Returns a name in lower case, without accents, its words parted by blanks.

    Example: `normal_name("InvoiceNo.")` is `"invoice no"`, `normal_name("Währung_Code")` is `"wahrung code"`.
    """
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return _MARKS.sub(" ", plain_letters(parted)).strip()


def plain_letters(text: str) -> str:
    """Returns a text in lower case without accents."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign)).casefold().replace("ł", "l")


def name_score(name: str, role: str) -> float:
    """Returns from 0 to 100 how well the name of a column fits a role; whole names before single words."""
    normal = normal_name(name)
    joined = normal.replace(" ", "")
    words = role_words()[role]
    for at, known in enumerate(words.names):
        if normal == known or joined == known.replace(" ", ""):
            return 100 - at * 0.5
    tokens = set(normal.split())
    if tokens & words.never:
        return 0
    found = tokens & words.words
    if not found and not any(word in normal for word in words.words if not word.isascii()):
        return 0
    has_id = bool(tokens & {"id", "no", "nr", "number", "code", "key"})
    bonus = 10 if has_id and role.endswith("_id") else 0
    return 40 + bonus - 2 * min(len(tokens), 8)
