"""Loads a `Language` by its code, with the report's fixed text; names and numbers are not translated."""

import dataclasses
import functools
import importlib.resources
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from tfrec.errors import ConfigError, nearest_hint

LANGUAGES = ("en", "zh")

_TASTE = re.compile(r"^(?P<thing>.*) \((?P<times>[\d.,]+) times the usual share\)$")


@dataclasses.dataclass(frozen=True)
class Language:
    """Says fixed text.

    Attributes:
        code: one of `LANGUAGES`.
        texts: English text → this language's; empty for English.
        names: English names made by analyses (segments, levels, signals) → this language's.
    """

    code: str
    texts: Mapping[str, str]
    names: Mapping[str, str]

    def __call__(self, text: str, **values: Any) -> str:
        """Returns the text in this language, with `{name}` filled in as `str.format` does.

        Example: `say("{n:,} users", n=1200)` is `1,200 users`, or `1,200 位用户`.
        """
        return (self.texts.get(text, text) if self.texts else text).format(**values)

    def name(self, name: str) -> str:
        """Returns what an analysis called something, translated whole or, of a segment, word by word."""
        if not self.names or name in self.names:
            return self.names.get(name, name)
        match = re.fullmatch(r"(.+) buyers( \d+)?", name)
        words = match[1].lower().split(", ") if match else []
        if match and all(word in self.names for word in words):
            return "、".join(self.names[word] for word in words) + self.names["buyers"] + (match[2] or "")
        return name

    def listed(self, names: Iterable[str]) -> str:
        """Returns names, each said in this language, one after the other."""
        return ("、" if self.code == "zh" else ", ").join(self.name(name) for name in names)

    def taste(self, phrase: str) -> str:
        """Returns `Home (1.5 times the usual share)` as `Home ×1.5`."""
        match = _TASTE.match(phrase)
        return f"{match['thing']} ×{match['times']}" if match else phrase


def language(code: str) -> Language:
    """Returns the language of a code.

    Raises:
        ConfigError: it is unknown.
    """
    if code == "en":
        return Language("en", {}, {})
    if code == "zh":
        return _read("chinese.toml")
    raise ConfigError(
        f"The languages of the report are {', '.join(LANGUAGES)}; got {code!r}.{nearest_hint(code, LANGUAGES)}"
    )


@functools.cache
def _read(name: str) -> Language:
    text = importlib.resources.files("tfrec.report").joinpath(name).read_text(encoding="utf-8")
    table = tomllib.loads(text)
    return Language("zh", table["texts"], table["names"])
