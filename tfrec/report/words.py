"""Loads a `Language` by its code: the messages of `messages/*.toml`, which hold English and Chinese side by side."""

import dataclasses
import functools
import importlib.resources
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from tfrec.errors import ConfigError, nearest_hint

LANGUAGES = ("en", "zh")
_BROWSER_CODES = {"en": "en", "zh": "zh-CN"}
_GAPS = {"en": (", ", " "), "zh": ("、", "")}  # between names, between sentences
_NAMES = "names"


@dataclasses.dataclass(frozen=True)
class Language:
    """Says messages by their ids; names and numbers from a shop are not translated.

    Attributes:
        code: one of `LANGUAGES`.
        messages: id → text with `{name}` for each value. An id is the file's name, a full stop and the entry's name.
    """

    code: str
    messages: Mapping[str, str]

    def __call__(self, message: str, **values: Any) -> str:
        """Returns a message with its values filled in as `str.format` does.

        Example: `say("customers.users_of_share", users=1200)` is `1,200 users`, or `1,200 位用户`.
        """
        return self.messages[message].format(**values)

    @property
    def browser_code(self) -> str:
        """Code of the language for a browser."""
        return _BROWSER_CODES[self.code]

    def name(self, code: str) -> str:
        """Returns the word for a code that an analysis gives: a segment, a level, a signal, a verdict, a metric.

        What is no code, such as a column of the user's own, is returned as it is.
        """
        return self.messages.get(f"{_NAMES}.{code}", code)

    def names(self, codes: Iterable[str]) -> str:
        """Returns the words for codes, one after the other."""
        return self.listed(map(self.name, codes))

    def listed(self, texts: Iterable[str]) -> str:
        """Returns texts, one after the other."""
        return _GAPS[self.code][0].join(texts)

    def sentences(self, *texts: str) -> str:
        """Returns whole sentences, one after the other."""
        return _GAPS[self.code][1].join(texts)


@functools.cache
def language(code: str) -> Language:
    """Returns the language of a code.

    Raises:
        ConfigError: it is unknown.
    """
    if code not in LANGUAGES:
        raise ConfigError(
            f"The languages of the report are {', '.join(LANGUAGES)}; got {code!r}.{nearest_hint(code, LANGUAGES)}"
        )
    return Language(code, {message: texts[code] for message, texts in read_messages().items()})


@functools.cache
def read_messages() -> dict[str, dict[str, str]]:
    """Returns id → language → text, of all files."""
    messages: dict[str, dict[str, str]] = {}
    for file in sorted(
        importlib.resources.files("tfrec.report").joinpath("messages").iterdir(), key=lambda one: one.name
    ):
        if file.name.endswith(".toml"):
            area = file.name.removesuffix(".toml")
            entries = tomllib.loads(file.read_text(encoding="utf-8"))
            messages |= {f"{area}.{name}": texts for name, texts in entries.items()}
    return messages
