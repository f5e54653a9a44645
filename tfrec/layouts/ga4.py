"""Recognises Google Analytics 4's export to BigQuery, as JSON lines or Parquet.

Schema: https://support.google.com/analytics/answer/7029846.
"""

from tfrec.layouts.currencies import currency_entries, rate_entries
from tfrec.layouts.draft import Entry, Part, Section, column_section, drop_rule
from tfrec.layouts.layout import Layout, Roles
from tfrec.layouts.raw_files import RawFiles
from tfrec.layouts.rules import any_of

_TYPES = {
    "view_item": "view",
    "select_item": "view",
    "add_to_cart": "cart",
    "view_search_results": "search",
    "search": "search",
    "view_item_list": "impression",
    "refund": "return",
}
_PARAMETER = "event_params[key={}].value.{}"
_SESSION = _PARAMETER.format("ga_session_id", "int_value")
_TERM = _PARAMETER.format("search_term", "string_value")
_CURRENCY = _PARAMETER.format("currency", "string_value")


def _propose(roles: Roles) -> Part:
    raw = roles["events"]
    head, currency = currency_entries(raw, _CURRENCY if raw.is_filled(_CURRENCY) else "")
    users = [name for name in ("user_id", "user_pseudo_id") if raw.is_filled(name)]
    levels = [name for name in map("items[].item_category{}".format, ("", 2, 3, 4, 5)) if raw.is_filled(name)]
    columns = (
        Entry("event_type", "event_name"),
        Entry("timestamp", "event_timestamp"),
        Entry(
            "user_id",
            users[0] if len(users) == 1 else {"first_of": users},
            "the shop's id of a user who is logged in, else Google's of the browser",
        ),
        Entry("item_id", "items[].item_id", "each entry of `items` becomes a row"),
        Entry("order_id", "ecommerce.transaction_id"),
        *(
            [Entry("session_id", ["user_pseudo_id", _SESSION], "numbers of sessions repeat between users")]
            if raw.has(_SESSION)
            else []
        ),
        Entry("quantity", "items[].quantity"),
        Entry("price", "items[].price", "of a piece, after its discount"),
        *([Entry("query", _TERM)] if raw.has(_TERM) else []),
        *currency,
    )
    items = [
        *([Entry("title", "items[].item_name")] if raw.is_filled("items[].item_name") else []),
        *([Entry("brand", "items[].item_brand")] if raw.is_filled("items[].item_brand") else []),
        *([Entry("category", levels[0] if len(levels) == 1 else levels)] if levels else []),
    ]
    time = (
        Entry("time_zone", "UTC", "the times are counts since 1970; their days are days in UTC"),
        Entry("time_format", "epoch_us", "microseconds"),
    )
    return Part(
        title="Google Analytics 4 export to BigQuery",
        head=head,
        tables=(
            Section("events", (*raw.entries, *time, *rate_entries(raw, _CURRENCY))),
            column_section("events", columns),
            _types(raw),
            *([column_section("items", items)] if items else []),
        ),
        clean=(Entry("duplicates", "keep", "equal events of one microsecond are entries of one list"),),
        rules=tuple(_other_events(raw)),
    )


def _types(raw: RawFiles) -> Section:
    names = raw.cells("event_name")
    entries = [
        Entry(name, kind, f"{names.rows_with([name]):,} rows") for name, kind in _TYPES.items() if name in names.values
    ]
    return Section("events.types", tuple(entries), "`purchase` is an event type as it is")


def _other_events(raw: RawFiles) -> list[Section]:
    names = raw.cells("event_name").values
    others = [name for name in names if name not in _TYPES and name != "purchase"]
    if not others:
        return []
    why = "events of pages and of the check-out are about no item"
    return [drop_rule(any_of(others), "event that is about no item", column="event_type", why=why)]


LAYOUT = Layout(
    title="Google Analytics 4 export to BigQuery",
    table="events",
    signs={"events": ("event_name", "event_timestamp", "user_pseudo_id", "items[].item_id")},
    propose=_propose,
)
