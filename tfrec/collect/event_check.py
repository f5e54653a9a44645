"""Turns a line of JSON into the row of an event, or states why it is none."""

import dataclasses
import datetime as dt
import hashlib
import json
import math
import re
import zoneinfo
from collections.abc import Callable
from typing import Any, NoReturn

from tfrec.collect.batches import IMPRESSION, Row
from tfrec.errors import ConfigError, nearest_hint
from tfrec.schema.event_types import EVENT_TYPES, RETURN

LONGEST_LINE = 262_144
"""Bytes of a line; a longer one is rejected unread."""
_LONGEST_ID, _LONGEST_EVENT_ID, _LONGEST_QUERY, _LONGEST_MORE = 128, 64, 512, 8_000
_LARGEST = 1e12  # a quantity or price above is an error, and has no place in the columns
_TYPES = frozenset((*EVENT_TYPES, RETURN))
_KNOWN = frozenset(
    (
        *("event_id", "event_type", "timestamp", "user_id", "item_id", "order_id", "session_id"),
        *("quantity", "price", "currency", "rating", "query", "slate_id", "position", "propensity"),
    )
)
_OF_IMPRESSIONS = frozenset(("slate_id", "position", "propensity"))
"""Known fields that tables have of impressions alone; a click or order that names its slate keeps them in `more`."""
_KNOWN_ELSE = _KNOWN - _OF_IMPRESSIONS
_FIRST_YEAR = 1990
_AHEAD = dt.timedelta(days=1)  # clocks of browsers are wrong by hours
_MILLISECONDS = 1e11  # as seconds, this is the year 5138; as milliseconds, 1973
_IN_UTC = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?Z", re.ASCII).fullmatch
_DECODER = json.JSONDecoder(parse_constant=lambda name: _refuse(f"{name} is no number"))
_DEEPEST = 64
_QUOTED, _BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"'), re.compile(rb"[\[\]{}]")
_MANY_PSEUDONYMS = 200_000


class NoEventError(ValueError):
    """A line is no event; the message is the reason under which it is counted."""


@dataclasses.dataclass(frozen=True)
class EventRules:
    """What events must be like.

    Attributes:
        time_zone: IANA name of the zone of times without an offset.
        derive_ids: an event without an id gets one made of its content, so that equal events count once; else it is
            rejected.
        keep_unknown: fields that are not known are kept together as JSON; else they are dropped.
        key: secret under which user ids become pseudonyms, or None.
    """

    time_zone: str = "UTC"
    derive_ids: bool = False
    keep_unknown: bool = True
    key: bytes | None = dataclasses.field(default=None, repr=False)

    def __post_init__(self) -> None:
        try:
            zoneinfo.ZoneInfo(self.time_zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            hint = nearest_hint(self.time_zone, zoneinfo.available_timezones())
            raise ConfigError(f"`time_zone` {self.time_zone!r} is unknown.{hint}") from None


class EventCheck:
    """Checks events by rules.

    Attributes:
        rules: what they must be like.
        dropped: number of events of which unknown fields were dropped.
    """

    def __init__(self, rules: EventRules) -> None:
        self.rules = rules
        self.dropped = 0
        self._zone = zoneinfo.ZoneInfo(rules.time_zone)
        self._pseudonym: Callable[[str], str] = _pseudonyms_under(rules.key) if rules.key else lambda text: text
        self._latest = ""

    def row_of_line(self, line: bytes) -> Row:
        """Returns the event in a line.

        Raises:
            NoEventError: it holds none.
        """
        return self.row_of(read_json(line))

    def row_of(self, event: Any) -> Row:
        """Returns an event as a row.

        Raises:
            NoEventError: a field that it must have is missing, or one cannot be read.
        """
        if type(event) is not dict:
            raise NoEventError("no object")
        get = event.get
        kind = get("event_type")
        if type(kind) is not str or kind not in _TYPES:
            raise NoEventError("missing event_type" if kind in (None, "") else "unknown event type")
        time = self._time(get("timestamp"))
        user = _id(get("user_id"), "user_id")
        item = _id(get("item_id"), "item_id")
        if not item and kind != "search":
            raise NoEventError("missing item_id")
        if user:
            user = self._pseudonym(user)
        event_id = _id(get("event_id"), "event_id", _LONGEST_EVENT_ID) or self._derived(event, user, time)
        position = _number(get("position"), "position")
        if position is not None and not (position.is_integer() and 0 <= position < 2**31):
            raise NoEventError("impossible position")
        propensity = _number(get("propensity"), "propensity")
        if propensity is not None and not 0 < propensity <= 1:
            raise NoEventError("impossible propensity")
        known = _KNOWN if kind == IMPRESSION else _KNOWN_ELSE
        return (
            event_id,
            kind,
            time,
            user,
            item,
            _id(get("order_id"), "order_id"),
            _id(get("session_id"), "session_id"),
            _number(get("quantity"), "quantity"),
            _number(get("price"), "price"),
            _currency(get("currency")),
            _number(get("rating"), "rating"),
            _query(get("query")),
            _id(get("slate_id"), "slate_id"),
            None if position is None else int(position),
            propensity,
            self._more(event, known) if not event.keys() <= known else None,
        )

    def _time(self, value: Any) -> str:
        """Returns a moment in UTC as text of equal width, so that later moments are greater texts."""
        if value is None or value == "":
            raise NoEventError("missing timestamp")
        try:
            if type(value) is str:
                moment = dt.datetime.fromisoformat(value)
                if _IN_UTC(value):
                    return self._possible(moment.year, f"{value[:10]} {value[11:19]}.{value[20:-1]:0<6}")
                if moment.tzinfo is None:
                    moment = moment.replace(tzinfo=self._zone)
                if moment.utcoffset():
                    moment = moment.astimezone(dt.UTC)
            elif type(value) in (int, float):
                seconds = value / 1000 if abs(value) >= _MILLISECONDS else value
                moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
            else:
                raise NoEventError("unreadable timestamp")
        except (ValueError, OverflowError, OSError):
            raise NoEventError("unreadable timestamp") from None
        return self._possible(moment.year, moment.replace(tzinfo=None).isoformat(" ", "microseconds"))

    def _possible(self, year: int, text: str) -> str:
        if year < _FIRST_YEAR:
            raise NoEventError("impossible timestamp")
        if text > self._latest and text > self._latest_now():
            raise NoEventError("timestamp in the future")
        return text

    def _latest_now(self) -> str:
        self._latest = (dt.datetime.now(dt.UTC) + _AHEAD).replace(tzinfo=None).isoformat(" ", "microseconds")
        return self._latest

    def _derived(self, event: dict[str, Any], user: str, time: str) -> str:
        """Returns an id made of the content; of the pseudonym, as a digest of a plain id could be guessed."""
        if not self.rules.derive_ids:
            raise NoEventError("missing event_id")
        content = {**event, "user_id": user, "timestamp": time}
        content.pop("event_id", None)
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return f"derived-{hashlib.sha256(text.encode()).hexdigest()[:32]}"

    def _more(self, event: dict[str, Any], known: frozenset[str]) -> str | None:
        if not self.rules.keep_unknown:
            self.dropped += 1
            return None
        more = {name: value for name, value in event.items() if name not in known}
        text = json.dumps(more, ensure_ascii=False, separators=(",", ":"))
        if len(text) > _LONGEST_MORE:
            raise NoEventError("further fields too long")
        return text


def read_json(content: bytes) -> Any:
    """Returns what JSON holds.

    Raises:
        NoEventError: it is no JSON in UTF-8, or holds what no text may hold.
    """
    if content.count(b"[") + content.count(b"{") > _DEEPEST and _depth(content) > _DEEPEST:
        raise NoEventError("nested too deep")
    try:
        text = content.decode()
        value, end = _DECODER.raw_decode(text, len(text) - len(text.lstrip(" \t\r\n\ufeff")))
    except UnicodeDecodeError:
        raise NoEventError("no UTF-8") from None
    except NoEventError:
        raise
    except ValueError:
        raise NoEventError("no JSON") from None
    if text[end:].strip(" \t\r\n"):
        raise NoEventError("no JSON")
    if "\\u" in text:  # alone, an escape can bring in what UTF-8 cannot hold
        if "\\u0000" in text:
            raise NoEventError("the character NUL in a text")
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise NoEventError("half a character in a text") from None
    return value


def _depth(content: bytes) -> int:
    """Returns how deep brackets are nested, before a parser meets the limit of its stack."""
    deepest = depth = 0
    for bracket in _BRACKETS.findall(_QUOTED.sub(b"", content)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _refuse(reason: str) -> NoReturn:
    raise NoEventError(reason)


def _id(value: Any, name: str, longest: int = _LONGEST_ID) -> str:
    if type(value) is str:
        text = value.strip()
        if len(text) > longest:
            raise NoEventError(f"{name} too long")
        return text
    if value is None:
        return ""
    if type(value) is int and abs(value) < 2**64:
        return str(value)
    raise NoEventError(f"unreadable {name}")


def _number(value: Any, name: str) -> float | None:
    if value is None or value == "":
        return None
    if type(value) is str or type(value) is int or type(value) is float:
        try:
            number = float(value)
        except (ValueError, OverflowError):
            raise NoEventError(f"unreadable {name}") from None
        if not math.isfinite(number):
            raise NoEventError(f"unreadable {name}")
        if abs(number) > _LARGEST:
            raise NoEventError(f"impossible {name}")
        return number
    raise NoEventError(f"unreadable {name}")


def _currency(value: Any) -> str:
    if value is None or value == "":
        return ""
    if type(value) is str and re.fullmatch("[A-Za-z]{3}", value.strip()):
        return value.strip().upper()
    raise NoEventError("unreadable currency")


def _query(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is not str:
        raise NoEventError("unreadable query")
    return value.strip()[:_LONGEST_QUERY]


def _pseudonyms_under(key: bytes) -> Callable[[str], str]:
    """Returns what makes pseudonyms of ids, equal to those of `tfrec prepare`."""
    from tfrec.schema.pseudonyms import pseudonym

    known: dict[str, str] = {}

    def make(user: str) -> str:
        if user not in known:
            if len(known) >= _MANY_PSEUDONYMS:
                known.clear()
            known[user] = pseudonym(_bare(user), key)
        return known[user]

    return make


def _bare(text: str) -> str:
    """Returns an id as `tfrec.ingest.mapping.id_text` reads it."""
    text = re.sub(r'^="(.*)"$', r"\1", re.sub(r"^'(\d+)$", r"\1", text))
    return re.sub(r"^(-?\d+)\.0+$", r"\1", text)
