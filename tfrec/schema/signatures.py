"""The serving contract: inputs, defaults and outputs of each signature; exporter, client, server and tests read it.

Raw values in, raw values out. Every input is batch-major, `[B]` or `[B, n]`. Every input is optional: what a request
leaves out takes its default, a single row that stands for each query of the batch.

**Each row of a list begins with one padding value** (`""` for strings, 0 for numbers); short rows are padded behind.
The cart of A and B is `["", "A", "B"]`. A padding value anywhere in a row changes no answer. The first one is needed
wherever TF Serving merges requests (`--enable_batching` with `pad_variable_length_inputs`): it widens each request's
lists to the longest of the batch with *the list's own first element*, so that a cart `["A"]` merged with a longer one
would be read as `["A", "A", "A"]`, and answered wrongly without an error. With `--enable_batching` every input must be
sent, all with the same number of rows. Leave `output_filter` empty, as `tfrec.client` does: in TF Serving the first
request with another filter waits 3 to 4 s until TensorFlow has optimised the graph for it, and the result is kept.
`tfrec serve` computes all outputs and sends those that are asked for.

Outputs are `[B, k]`, padded behind the end of a short row; in a merged batch k is that of the widest request.

Free of TensorFlow and pandas.
"""

import dataclasses
from collections.abc import Mapping

from tfrec.errors import SchemaError, nearest_hint


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
    """

    name: str
    dtype: str
    rank: int
    padding: str | float | int
    meaning: str
    choices: tuple[str, ...] = ()
    is_attribute: bool = False


@dataclasses.dataclass(frozen=True)
class OutputSpec:
    """One output of a signature, `[B, k]`; of `rank` `[B, C]`, one column a candidate."""

    name: str
    dtype: str
    meaning: str


@dataclasses.dataclass(frozen=True, eq=False)
class Signature:
    """A named function of a servable.

    Attributes:
        servable: `"shop"`, `"retrieval"` or `"ranking"`.
        name: signature name in the SavedModel.
        inputs: in the order of the exported function's arguments.
        outputs: by name.
        meaning: one line for humans.
    """

    servable: str
    name: str
    inputs: tuple[InputSpec, ...]
    outputs: tuple[OutputSpec, ...]
    meaning: str

    def input(self, name: str) -> InputSpec:
        """Returns the input called `name`.

        Raises:
            SchemaError: this signature has no such input.
        """
        for spec in self.inputs:
            if spec.name == name:
                return spec
        raise SchemaError(
            f"Signature `{self.name}` has no input {name!r}.{nearest_hint(name, [spec.name for spec in self.inputs])}"
        )


OBJECTIVES = ("purchase", "revenue", "margin")
"""What `upsell` may maximise: the probability that an item is taken, or that times the price or the profit that it has
beyond the anchor's."""

_USER = InputSpec("user_id", "string", 1, "", "who asks; an unknown or empty id is a guest")
_RECENT = (
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
_CART = InputSpec("cart_item_ids", "string", 2, "", "items in the cart now; never offered again")
_HISTORY = (
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
HISTORY_INPUTS = tuple(spec.name for spec in _HISTORY)
"""Inputs that bring what a servable does not store of its user; a client's `HistoryStore` fills them in."""
_ANCHOR = InputSpec("item_id", "string", 1, "", "the item on the page")
_LIMITS = (
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
_SHARED = InputSpec(
    "same_as_anchor",
    "string",
    2,
    "",
    "relations (`brand`) of which an item must have one of the values of the item on the page; empty = none",
)
_OUTSIDE = InputSpec(
    "outside_cart_level",
    "int32",
    1,
    0,
    "offer only what is of another category than the cart's, compared at this level of the path; 1 = top, 0 = the "
    "model's default (no limit, unless configured), -1 = no limit",
)
_RATIO = InputSpec(
    "max_price_ratio",
    "float32",
    1,
    0.0,
    "dearest price as a multiple of the anchor's; 0 = the model's default",
)
_STEP = InputSpec(
    "min_price_ratio",
    "float32",
    1,
    0.0,
    "cheapest price as a multiple of the anchor's, above 1; 0 = the model's default",
)
_OBJECTIVE = InputSpec(
    "objective",
    "string",
    1,
    "",
    "what the order maximises: `purchase` (that the item is taken), `revenue` or `margin` (what it is expected to "
    "bring beyond the anchor); empty or another = the model's default",
    choices=OBJECTIVES,
)
_BOUGHT_BEFORE = InputSpec(
    "bought_before",
    "string",
    1,
    "",
    "`only`: what this shopper bought before, to be bought again; `never`: what is new to them; empty = both",
    choices=("only", "never"),
)
_OCCASION = (
    InputSpec(
        "shown_item_ids",
        "string",
        2,
        "",
        "items that this shopper was shown lately and did not click, once for each time: they sink",
    ),
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
_THRESHOLD = (
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
_DIVERSITY = InputSpec(
    "diversity",
    "float32",
    1,
    0.0,
    "variety of the slate, up to 1 = most categories; 0 = the model's default (by score alone, unless configured), "
    "-1 = by score alone",
)
VARIETIES = ("content", "random", "unexplored", "calibrated")
"""Kinds of variety that a request may ask for."""
_DIVERSITY_BY = InputSpec(
    "diversity_by",
    "string",
    1,
    "",
    "kind of variety: `content`: unlike items; `random`: top categories in random order, another one each minute; "
    "`unexplored`: categories of which the shopper bought little; `calibrated`: the shopper's own mix of categories; "
    "empty = by content",
    choices=VARIETIES,
)
_VARIETY = (_DIVERSITY, _DIVERSITY_BY)
_STRATEGY_SETTINGS = (
    InputSpec("k", "int32", 1, 10, "number of items wanted; each row its own"),
    *_VARIETY,
    *_OCCASION,
)
WIDGETS = ("recommend", "cross_sell", "upsell", "complete_cart", "similar", "buy_again")
"""What a page may be filled with: the signatures of that name, and `buy_again`: what the shopper bought before."""
SETS = ("bundle", "page")
"""Signatures whose items belong together: an order drawn at random, or another number of them, is another answer."""
STANDARD_WIDGETS = ("upsell", "cross_sell", "recommend")
"""Widgets of a page that names none."""
_WIDGETS = (
    InputSpec(
        "widgets",
        "string",
        2,
        "",
        "widgets of the page, the one that chooses first first; empty = " + ", ".join(STANDARD_WIDGETS),
        choices=WIDGETS,
    ),
    InputSpec("widget_sizes", "int32", 2, 0, "number of items of each of these widgets; 0 = `k`"),
)
_SLATE = (
    OutputSpec("item_ids", "string", "offered items, best first; empty behind the end of a short row"),
    OutputSpec("scores", "float32", "ranking score, descending in a slate; -inf behind the end"),
    OutputSpec("probabilities", "float32", "probability that the item is bought next; 0 behind the end"),
    OutputSpec("prices", "float32", "current price; 0 when unknown"),
    OutputSpec("reasons", "string", "why: a code of the table of reasons"),
    OutputSpec("reason_item_ids", "string", "the item that the reason refers to, or empty"),
    OutputSpec("reason_counts", "int32", "how many times the evidence was seen, 0 where it is not a count"),
    OutputSpec("sources", "string", "the candidate source that ranked the item highest"),
)
_THRESHOLD_SETS = OutputSpec(
    "threshold_sets",
    "int32",
    "number of the set, from 1, that brings the cart to the `threshold` and that the item belongs to; 0 = of none",
)

REASONS: Mapping[str, str] = {
    "bought_together": "bought together with {item} in {count} orders",
    "bought_by_you": "you bought it {count} times",
    "because_of": "goes with {item}, which you chose before",
    "upgrade_of": "a better choice than {item}",
    "similar_to": "similar to {item}",
    "popular_now": "bought {count} times lately",
    "new": "new in the shop",
    "for_you": "recommended for you",
}
"""Reason code → sentence for humans, with `{item}` and `{count}` to fill in."""

SOURCES = ("cart", "history", "own", "towers", "popular", "content", "session", "friends", "complements")
"""Candidate sources: item weights of the cart, of the history, own frequent items, two-tower index, popular now,
content neighbours, weights of what was seen in this visit, what friends bought, categories that complete the cart's."""

SIGNATURES: Mapping[str, Signature] = {
    signature.name: signature
    for signature in (
        Signature(
            "shop",
            "recommend",
            (_USER, *_HISTORY, *_RECENT, _CART, *_LIMITS, _BOUGHT_BEFORE, *_STRATEGY_SETTINGS),
            _SLATE,
            "what this shopper is likely to choose next",
        ),
        Signature(
            "shop",
            "cross_sell",
            (_USER, *_HISTORY, *_RECENT, _CART, _ANCHOR, *_LIMITS, _SHARED, _OUTSIDE, *_STRATEGY_SETTINGS),
            _SLATE,
            "complements of the item on the page, or of the cart, that this shopper has not bought before",
        ),
        Signature(
            "shop",
            "upsell",
            (
                *(_USER, *_HISTORY, *_RECENT, _CART, _ANCHOR, *_LIMITS, _SHARED),
                *(_STEP, _RATIO, _OBJECTIVE, *_STRATEGY_SETTINGS),
            ),
            _SLATE,
            "clearly dearer items of the anchor's category, by what they are expected to earn beyond it",
        ),
        Signature(
            "shop",
            "complete_cart",
            (_USER, *_HISTORY, *_RECENT, _CART, *_LIMITS, _OUTSIDE, *_THRESHOLD, *_STRATEGY_SETTINGS),
            (*_SLATE, _THRESHOLD_SETS),
            "what is still missing in this cart, repeat purchases included",
        ),
        Signature(
            "shop",
            "similar",
            (_USER, *_HISTORY, _ANCHOR, *_LIMITS, _SHARED, *_STRATEGY_SETTINGS),
            _SLATE,
            "items that can stand in for the anchor",
        ),
        Signature(
            "shop",
            "bundle",
            (
                *(_USER, *_HISTORY, *_RECENT, _CART, _ANCHOR, *_LIMITS, _SHARED),
                InputSpec("k", "int32", 1, 2, "number of items beside the anchor; each row its own"),
                *_OCCASION,
            ),
            (
                *_SLATE,
                OutputSpec("total_prices", "float32", "price of the anchor and of all items up to this one; 0 unknown"),
            ),
            "items that are sold with the anchor as one set: complements of it and of each other, all or none",
        ),
        Signature(
            "shop",
            "page",
            (
                *(_USER, *_HISTORY, *_RECENT, _CART, _ANCHOR, *_LIMITS, *_WIDGETS, *_THRESHOLD),
                InputSpec("k", "int32", 1, 10, "number of items of each widget; each row its own"),
                *(*_VARIETY, *_OCCASION),
            ),
            (*_SLATE, OutputSpec("widgets", "string", "the widget in which the item stands"), _THRESHOLD_SETS),
            "the items of all widgets of a page, none of them twice",
        ),
        Signature(
            "retrieval",
            "retrieve",
            (_USER, *_HISTORY, *_RECENT, _CART, InputSpec("k", "int32", 1, 100, "number of candidates wanted")),
            (_SLATE[0], _SLATE[1]),
            "candidates of the two-tower model by inner product",
        ),
        Signature(
            "ranking",
            "rank",
            (
                _USER,
                *_HISTORY,
                *_RECENT,
                _CART,
                InputSpec("candidate_item_ids", "string", 2, "", "items to be scored"),
            ),
            (
                OutputSpec(
                    "item_ids",
                    "string",
                    "the candidates in the order sent, without padding between them; empty behind the end",
                ),
                OutputSpec("scores", "float32", "ranking score of each candidate; -inf where unknown"),
                OutputSpec("click_probabilities", "float32", "probability of a click; 0 where the log has no views"),
                OutputSpec(
                    "cart_probabilities",
                    "float32",
                    "probability that it is put in the cart; 0 where the log has no carts",
                ),
                OutputSpec(
                    "purchase_probabilities",
                    "float32",
                    "probability of a purchase; 0 where the log has no purchases",
                ),
            ),
            "scores for the caller's own candidates",
        ),
    )
}


def signature_named(name: str) -> Signature:
    """Returns the signature called `name`.

    Raises:
        SchemaError: there is none; the message names the nearest.

    Examples:
        >>> signature_named("similar").meaning
        'items that can stand in for the anchor'
        >>> [spec.name for spec in signature_named("retrieve").inputs][-2:]
        ['cart_item_ids', 'k']
    """
    if name not in SIGNATURES:
        raise SchemaError(f"There is no signature {name!r}.{nearest_hint(name, SIGNATURES)}")
    return SIGNATURES[name]
