"""Inputs of the serving contract: what each means, its type, and its padding value; `signatures` says who takes which.

Free of TensorFlow and pandas.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class InputSpec:
    """One input of a signature.

    Attributes:
        name: alias in the request.
        dtype: `"string"`, `"float32"` or `"int32"`.
        rank: 1 for `[B]`, 2 for `[B, n]`.
        padding: begins each row of a list, fills short rows, and is the default value.
        meaning: one line for humans.
        choices: the texts that it takes, beside its padding; empty = any.
        is_attribute: its texts are attributes, `relation=value`.
        least: smallest number that the client takes of a whole number, or of a share.
        most: largest number that the client takes; None = any.
    """

    name: str
    dtype: str
    rank: int
    padding: str | float | int
    meaning: str
    choices: tuple[str, ...] = ()
    is_attribute: bool = False
    least: float = 0
    most: float | None = None


OBJECTIVES = ("purchase", "revenue", "margin", "incremental_margin")
"""What `upsell` and `arrange_cart` may maximise: the probability that an item is taken, or that times its price or
profit (in `upsell` what it has beyond the anchor's), or the profit times what the offer adds to that probability."""

USER = InputSpec("user_id", "string", 1, "", "who asks; an unknown or empty id is a guest")
RECENT = (
    InputSpec("recent_item_ids", "string", 2, "", "items of the latest events, oldest first"),
    InputSpec(
        "recent_event_types",
        "string",
        2,
        "",
        "types of these events (view, cart, purchase ...); view if empty",
    ),
    InputSpec("recent_ages", "float32", 2, 0.0, "ages of these events in hours"),
)
MOST_LINES = 20
"""Lines of a cart that `arrange_cart` asks for complements, each of which costs as much as a slate; those behind them
stay there."""
CART = InputSpec("cart_item_ids", "string", 2, "", "items in the cart now; never offered again")
HISTORY = (
    InputSpec(
        "history_item_ids",
        "string",
        2,
        "",
        "items of the user's earlier events, oldest first; they stand in for what the servable stores of the user",
    ),
    InputSpec("history_event_types", "string", 2, "", "types of these events; purchase if empty"),
    InputSpec("history_order_ages", "float32", 2, 0.0, "ages of these events in hours"),
    InputSpec(
        "history_orders",
        "string",
        2,
        "",
        "order of each of these events, or the session where it is of none; an event of neither stands alone",
    ),
    InputSpec("user_segment", "string", 1, "", "segment of the user; empty = the stored one"),
)
HISTORY_INPUTS = tuple(spec.name for spec in HISTORY)
"""Inputs that bring what a servable does not store of its user; a client's `HistoryStore` fills them in."""
ANCHOR = InputSpec("item_id", "string", 1, "", "the item on the page")
LIMITS = (
    InputSpec("exclude_item_ids", "string", 2, "", "items that must not be offered"),
    InputSpec(
        "include_categories",
        "string",
        2,
        "",
        "offer only these category paths and what is below them; empty = all",
    ),
    InputSpec(
        "include_attributes",
        "string",
        2,
        "",
        "offer only items with these attributes, `relation=value` (`brand=Acme`, `on_sale=yes`): of each relation "
        "named one of the values; empty = all",
        is_attribute=True,
    ),
    InputSpec(
        "exclude_attributes",
        "string",
        2,
        "",
        "offer no item that has one of these attributes, `relation=value`",
        is_attribute=True,
    ),
    InputSpec("min_price", "float32", 1, 0.0, "cheapest price offered"),
    InputSpec("max_price", "float32", 1, float("inf"), "dearest price offered"),
)
SHARED = InputSpec(
    "same_as_anchor",
    "string",
    2,
    "",
    "relations (`brand`) of which an item must have one of the values of the item on the page; empty = none",
)
OUTSIDE = InputSpec(
    "outside_cart_level",
    "int32",
    1,
    0,
    "offer only what is of another category than the cart's, compared at this level of the path; 1 = top, 0 = the "
    "model's default (no limit, unless configured), -1 = no limit",
    least=-1,
)
RATIO = InputSpec(
    "max_price_ratio",
    "float32",
    1,
    0.0,
    "dearest price as a multiple of the anchor's; 0 = the model's default",
)
STEP = InputSpec(
    "min_price_ratio",
    "float32",
    1,
    0.0,
    "cheapest price as a multiple of the anchor's, above 1; 0 = the model's default",
)
OBJECTIVE = InputSpec(
    "objective",
    "string",
    1,
    "",
    "what the order maximises: `purchase` (that the item is taken), `revenue` or `margin` (what it is expected to "
    "bring, of `upsell` beyond the anchor), `incremental_margin` (margin, without what would be bought anyway); empty "
    "or another = the model's default",
    choices=OBJECTIVES,
)
BOUGHT_BEFORE = InputSpec(
    "bought_before",
    "string",
    1,
    "",
    "`only`: what this shopper bought before, to be bought again; `never`: what is new to them; empty = both",
    choices=("only", "never"),
)
RULED = (
    InputSpec(
        "at_minute",
        "int32",
        1,
        0,
        "moment at which merchandising rules are in force, in minutes since 1970-01-01 UTC; 0 = the server's clock",
    ),
    InputSpec(
        "is_adult",
        "int32",
        1,
        0,
        "1 where the shopper is known to be of age; 0 = not known, and nothing for adults only is offered",
    ),
)
OCCASION = (
    InputSpec(
        "shown_item_ids",
        "string",
        2,
        "",
        "items that this shopper was shown lately and did not click, once for each time: they sink",
    ),
    *RULED,
)
THRESHOLD = (
    InputSpec("cart_total", "float32", 1, 0.0, "what the cart costs, in the shop's currency"),
    InputSpec(
        "threshold",
        "float32",
        1,
        0.0,
        "amount that the cart should reach, such as that of free shipping: what brings it there is offered first, the "
        "best set of few items before all; 0 = none",
    ),
)
DIVERSITY = InputSpec(
    "diversity",
    "float32",
    1,
    0.0,
    "variety of the slate, up to 1 = most categories; 0 = the model's default (by score alone, unless configured), "
    "-1 = by score alone",
    least=-1,
    most=1,
)
VARIETIES = ("content", "random", "unexplored", "calibrated")
"""Kinds of variety that a request may ask for."""
DIVERSITY_BY = InputSpec(
    "diversity_by",
    "string",
    1,
    "",
    "kind of variety: `content`: unlike items; `random`: top categories in random order, another one each minute; "
    "`unexplored`: categories of which the shopper bought little; `calibrated`: the shopper's own mix of categories; "
    "empty = by content",
    choices=VARIETIES,
)
VARIETY = (DIVERSITY, DIVERSITY_BY)
STRATEGY_SETTINGS = (
    InputSpec("k", "int32", 1, 10, "number of items wanted; each row its own"),
    *VARIETY,
    *OCCASION,
)
PLACES_BY = (*OBJECTIVES, "widget")
"""By what a request may have the places of a page given; by `widget` each widget has its own."""
WIDGETS = ("recommend", "cross_sell", "upsell", "complete_cart", "similar", "buy_again")
"""What a page may be filled with: the signatures of that name, and `buy_again`: what the shopper bought before."""
STANDARD_WIDGETS = ("upsell", "cross_sell", "recommend")
"""Widgets of a page that names none."""
PAGE = (
    InputSpec(
        "widgets",
        "string",
        2,
        "",
        "widgets of the page, the one that chooses first first; empty = " + ", ".join(STANDARD_WIDGETS),
        choices=WIDGETS,
    ),
    InputSpec("widget_sizes", "int32", 2, 0, "number of items of each of these widgets; 0 = `k`"),
    InputSpec(
        "places_by",
        "string",
        1,
        "",
        "objective by which the page is filled: each widget offers what is expected to earn most together, and the "
        "places of a widget go to the widget whose offers do: `purchase`, `revenue`, `margin` or `incremental_margin`; "
        "`widget`: each has its own places and order; empty or another = the model's default",
        choices=PLACES_BY,
    ),
)
