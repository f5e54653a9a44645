"""Renders the fixed text of findings: `ENGLISH` as written in the code, or another language."""

from collections.abc import Iterable
from typing import Any, Protocol


class Wording(Protocol):
    """Says fixed text; `tfrec.report.words.Language` is one."""

    def __call__(self, text: str, **values: Any) -> str:
        """Returns the text with `{name}` filled in as `str.format` does."""

    def name(self, name: str) -> str:
        """Returns what an analysis called something: a segment, a level, a signal."""

    def listed(self, names: Iterable[str]) -> str:
        """Returns such names, one after the other."""

    def taste(self, phrase: str) -> str:
        """Returns `Home (1.5 times the usual share)` in short where the language has no words for it."""


class _English:
    def __call__(self, text: str, **values: Any) -> str:
        return text.format(**values)

    def name(self, name: str) -> str:
        return name

    def listed(self, names: Iterable[str]) -> str:
        return ", ".join(names)

    def taste(self, phrase: str) -> str:
        return phrase


ENGLISH: Wording = _English()
