"""Turns the text of an audience expression into a tree, or into an error that points at the place."""

import dataclasses
import re
from typing import Any, NoReturn

from tfrec.errors import ConfigError

UNITS = {"": 1.0, "%": 0.01, "h": 1 / 24, "d": 1.0, "w": 7.0, "y": 365.25}
"""Unit → what one of it is in days, or as a share."""

_MAX_LENGTH, _MAX_DEPTH = 4000, 40
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"[^"]*"|'[^']*')|(?P<number>-?\d+(?:\.\d+)?)(?P<unit>%|[A-Za-z]+)?"""
    r"""|(?P<word>[^\W\d]\w*)|(?P<sign><=|>=|!=|=|<|>|\(|\)|,)|(?P<end>$))"""
)


@dataclasses.dataclass(frozen=True)
class Compare:
    """`field sign value`, or `field in (value, …)`; what it reads stands at `text[start:end]`."""

    field: str
    argument: str | None  # of interest("…") and response("…")
    measure: str  # of response("…", "profit"); empty where none is named
    sign: str
    values: tuple[str | float, ...]
    units: tuple[str, ...]
    places: tuple[int, ...]  # where the values stand
    start: int
    end: int


@dataclasses.dataclass(frozen=True)
class Join:
    """Parts joined by a word; `not` has one part."""

    word: str  # and, or, not
    parts: tuple["Node", ...]
    start: int
    end: int


Node = Compare | Join
"""An expression as a tree."""


def parse_expression(text: str) -> Node:
    """Returns the tree of an expression such as `segment = "Loyal" and (recency < 30d or value >= 500)`.

    `or` binds weaker than `and`, `and` weaker than `not`. Words are not evaluated: nothing in a text can run.

    Raises:
        ConfigError: the text cannot be read, is longer than 4,000 characters or nests deeper than 40 levels.

    Examples:
        >>> tree = parse_expression('segment = "Loyal" and (recency < 30d or value >= 500)')
        >>> tree.word, [type(part).__name__ for part in tree.parts]
        ('and', ['Compare', 'Join'])
        >>> tree.parts[1].parts[0].field, tree.parts[1].parts[0].units
        ('recency', ('d',))
    """
    return _Parser(text).parse()


def fail_at(text: str, place: int, message: str) -> NoReturn:
    """Raises a ConfigError that shows `text` with a mark under `place`."""
    line = " ".join(text.splitlines()) if "\n" in text else text
    end = "" if message.endswith((".", "?")) else "."
    raise ConfigError(f"{message}{end}\n  {line}\n  {' ' * place}^")


@dataclasses.dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    unit: str
    start: int
    end: int


class _Parser:
    """Recursive descent: or ← and ← not ← comparison; the deepest nesting is bounded."""

    def __init__(self, text: str) -> None:
        if len(text) > _MAX_LENGTH:
            raise ConfigError(f"An expression has at most {_MAX_LENGTH} characters; got {len(text)}.")
        self._text = text
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0

    def parse(self) -> Node:
        node = self._or()
        if self._token.kind != "end":
            fail_at(self._text, self._token.start, "Expected `and`, `or` or the end")
        return node

    @property
    def _token(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _is(self, *texts: str) -> bool:
        return self._token.kind in ("word", "sign") and self._token.text.lower() in texts

    def _or(self) -> Node:
        return self._joined("or", self._and)

    def _and(self) -> Node:
        return self._joined("and", self._not)

    def _joined(self, word: str, part: Any) -> Node:
        parts = [part()]
        while self._is(word):
            self._next()
            parts.append(part())
        return parts[0] if len(parts) == 1 else Join(word, tuple(parts), parts[0].start, parts[-1].end)

    def _not(self) -> Node:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            fail_at(self._text, self._token.start, f"At most {_MAX_DEPTH} levels can be nested")
        try:
            if self._is("not"):
                start = self._next().start
                inner = self._not()
                return Join("not", (inner,), start, inner.end)
            if self._is("("):
                start = self._next().start
                inner = self._or()
                return dataclasses.replace(inner, start=start, end=self._expect(")").end)
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Compare:
        name = self._next()
        if name.kind != "word" or name.text.lower() in ("and", "or", "in"):
            fail_at(self._text, name.start, 'Expected what to compare, such as `recency` or `interest("…")`')
        argument, measure = None, ""
        if self._is("("):
            self._next()
            argument = str(self._value().text)
            if self._is(","):
                self._next()
                measure = str(self._value().text).lower()
            self._expect(")")
        if self._is("in"):
            self._next()
            self._expect("(")
            values = [self._value()]
            while self._is(","):
                self._next()
                values.append(self._value())
            end, sign = self._expect(")").end, "in"
        else:
            if not self._is("=", "!=", "<", "<=", ">", ">="):
                fail_at(self._text, self._token.start, f"Expected =, !=, <, <=, >, >= or `in` after {name.text!r}")
            sign = self._next().text
            values = [self._value()]
            end = values[0].end
        constants = tuple(float(value.text) if value.kind == "number" else value.text for value in values)
        units, places = tuple(value.unit for value in values), tuple(value.start for value in values)
        return Compare(name.text, argument, measure, sign, constants, units, places, name.start, end)

    def _value(self) -> _Token:
        token = self._next()
        if token.kind == "word":
            fail_at(self._text, token.start, f'Texts stand in quotes: "{token.text}"')
        if token.kind not in ("number", "string"):
            fail_at(self._text, token.start, "Expected a number or a text in quotes")
        return token

    def _expect(self, sign: str) -> _Token:
        if not self._is(sign):
            fail_at(self._text, self._token.start, f"Expected `{sign}`")
        return self._next()


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    place = 0
    while not tokens or tokens[-1].kind != "end":
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            start = place + len(text[place:]) - len(text[place:].lstrip())
            fail_at(
                text, start, "A quote is not closed" if text[start] in "\"'" else f"{text[start]!r} means nothing here"
            )
        kind = "number" if match.lastgroup == "unit" else match.lastgroup
        content, unit = match[kind], match["unit"] or ""
        if unit not in UNITS:
            fail_at(text, match.start("unit"), f"{unit!r} is no unit; use h, d, w, y or %")
        tokens.append(
            _Token(kind, content[1:-1] if kind == "string" else content, unit, match.start(kind), match.end())
        )
        place = match.end()
    return tokens
