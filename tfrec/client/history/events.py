"""`HistoryEvent` and `UserPast`: what a history store keeps of a user."""

import dataclasses
import datetime as dt

from tfrec.errors import SchemaError

_KINDS = ("view", "cart", "purchase", "rating")  # events with an item that count as behaviour
_LONGEST = 191
"""Characters of an id: what every database can index."""


@dataclasses.dataclass(frozen=True)
class HistoryEvent:
    """One event of a user.

    Attributes:
        item_id: the item.
        moment: when, with its time zone.
        event_type: `view`, `cart`, `purchase` or `rating`.
        order: id of the order that it belongs to, else of the session; "" = it stands alone.
    """

    item_id: str
    moment: dt.datetime
    event_type: str = "purchase"
    order: str = ""

    def __post_init__(self) -> None:
        if self.moment.tzinfo is None:
            raise SchemaError(
                f"`moment` must have a time zone, such as datetime.now(timezone.utc); got {self.moment.isoformat()}."
            )
        if self.event_type not in _KINDS:
            raise SchemaError(f"`event_type` must be one of {', '.join(_KINDS)}; got {self.event_type!r}.")
        check_id("item_id", self.item_id)
        if self.order:
            check_id("order", self.order)

    @property
    def microseconds(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return to_microseconds(self.moment)


@dataclasses.dataclass(frozen=True)
class UserPast:
    """What is known of a user.

    Attributes:
        events: latest events, oldest first.
        segment: segment of the user; "" = none.
    """

    events: tuple[HistoryEvent, ...] = ()
    segment: str = ""


def check_id(name: str, value: str) -> str:
    """Returns the id.

    Raises:
        SchemaError: it is empty, no text, or longer than a database can index.
    """
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        raise SchemaError(f"`{name}` must be a text of 1 to {_LONGEST} characters; got {value!r:.80}.")
    return value


def check_most(most: int) -> int:
    """Returns the number of events kept of each user.

    Raises:
        SchemaError: it is below 1.
    """
    if most < 1:
        raise SchemaError(f"`most` is the number of events kept of each user, at least 1; got {most}.")
    return most


def to_microseconds(moment: dt.datetime) -> int:
    """Returns microseconds since 1970-01-01 UTC, exactly."""
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def from_microseconds(number: int) -> dt.datetime:
    """Returns the moment, in UTC."""
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=number)
