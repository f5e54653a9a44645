"""Finds items by words of their titles."""

import re
from collections.abc import Mapping

_WORD = re.compile(r"\w+")


class TitleSearch:
    """Titles that were split into words once.

    Args:
        titles: item id → title.
    """

    def __init__(self, titles: Mapping[str, str]) -> None:
        self._titles = titles
        self._words = {item_id: f" {' '.join(_words_of(title))} " for item_id, title in titles.items()}

    def find(self, words: str, *, k: int) -> list[str]:
        """Returns at most k ids of items whose titles have the words, or begin words with them, best match first.

        Titles with more of the words come first, then those with more of them as whole words, then shorter ones. An
        item is found by its id, too.
        """
        wanted = list(dict.fromkeys(_words_of(words)))
        found = []
        for item_id, text in self._words.items():
            begun = sum(f" {word}" in text for word in wanted)
            if begun or item_id.casefold() == words.strip().casefold():
                whole = sum(f" {word} " in text for word in wanted)
                is_id = item_id.casefold() == words.strip().casefold()
                found.append((not is_id, -begun, -whole, len(text), item_id))
        return [item_id for *_, item_id in sorted(found)[:k]]


def _words_of(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
