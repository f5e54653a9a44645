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

Outputs are `[B, k]`, padded behind the end of a short row; in a merged batch k is that of the widest request. Those of
`rank` and `arrange_cart` are as wide as what is sent.

Free of TensorFlow and pandas.
"""

import dataclasses
from collections.abc import Mapping

from tfrec.errors import SchemaError, nearest_hint
from tfrec.schema import inputs
from tfrec.schema.inputs import InputSpec


@dataclasses.dataclass(frozen=True)
class OutputSpec:
    """One output of a signature, `[B, k]`; of `rank` `[B, C]`, one column a candidate, of `arrange_cart` one a line."""

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

    @property
    def is_slate(self) -> bool:
        """Whether it answers with offers of a shop, `k` of them or of each widget."""
        return self.servable == "shop" and any(spec.name == "k" for spec in self.inputs)

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


SETS = ("bundle", "page")
"""Signatures whose items belong together: an order drawn at random, or another number of them, is another answer."""
_SLATE = (
    OutputSpec("item_ids", "string", "offered items, best first; empty behind the end of a short row"),
    OutputSpec(
        "scores",
        "float32",
        "ranking score, or expected earnings where these order offers; descending in a slate; -inf behind the end",
    ),
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
_PAGE = (
    OutputSpec("widgets", "string", "the widget that offers the item, under whose heading it belongs"),
    OutputSpec(
        "places",
        "int32",
        "which of the page's widgets, from 1, has the place where the item stands: that of `widgets`, unless "
        "`places_by` gave it to another; 0 behind the end",
    ),
)
_OBJECTIVES = OutputSpec(
    "objectives",
    "string",
    "objective that the score is of, with ` by price` behind it where the shop states no margins and prices stand in",
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
            (
                inputs.USER,
                *inputs.HISTORY,
                *inputs.RECENT,
                inputs.CART,
                *inputs.LIMITS,
                inputs.BOUGHT_BEFORE,
                *inputs.STRATEGY_SETTINGS,
            ),
            _SLATE,
            "what this shopper is likely to choose next",
        ),
        Signature(
            "shop",
            "cross_sell",
            (
                inputs.USER,
                *inputs.HISTORY,
                *inputs.RECENT,
                inputs.CART,
                inputs.ANCHOR,
                *inputs.LIMITS,
                inputs.SHARED,
                inputs.OUTSIDE,
                *inputs.STRATEGY_SETTINGS,
            ),
            _SLATE,
            "complements of the item on the page, or of the cart, that this shopper has not bought before",
        ),
        Signature(
            "shop",
            "upsell",
            (
                *(
                    inputs.USER,
                    *inputs.HISTORY,
                    *inputs.RECENT,
                    inputs.CART,
                    inputs.ANCHOR,
                    *inputs.LIMITS,
                    inputs.SHARED,
                ),
                *(inputs.STEP, inputs.RATIO, inputs.OBJECTIVE, *inputs.STRATEGY_SETTINGS),
            ),
            (*_SLATE, _OBJECTIVES),
            "clearly dearer items of the anchor's category, by what they are expected to earn beyond it",
        ),
        Signature(
            "shop",
            "complete_cart",
            (
                inputs.USER,
                *inputs.HISTORY,
                *inputs.RECENT,
                inputs.CART,
                *inputs.LIMITS,
                inputs.OUTSIDE,
                *inputs.THRESHOLD,
                *inputs.STRATEGY_SETTINGS,
            ),
            (*_SLATE, _THRESHOLD_SETS),
            "what is still missing in this cart, repeat purchases included",
        ),
        Signature(
            "shop",
            "similar",
            (inputs.USER, *inputs.HISTORY, inputs.ANCHOR, *inputs.LIMITS, inputs.SHARED, *inputs.STRATEGY_SETTINGS),
            _SLATE,
            "items that can stand in for the anchor",
        ),
        Signature(
            "shop",
            "bundle",
            (
                *(
                    inputs.USER,
                    *inputs.HISTORY,
                    *inputs.RECENT,
                    inputs.CART,
                    inputs.ANCHOR,
                    *inputs.LIMITS,
                    inputs.SHARED,
                ),
                InputSpec("k", "int32", 1, 2, "number of items beside the anchor; each row its own"),
                *inputs.OCCASION,
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
                *(
                    inputs.USER,
                    *inputs.HISTORY,
                    *inputs.RECENT,
                    inputs.CART,
                    inputs.ANCHOR,
                    *inputs.LIMITS,
                    *inputs.PAGE,
                    *inputs.THRESHOLD,
                ),
                InputSpec("k", "int32", 1, 10, "number of items of each widget; each row its own"),
                *(*inputs.VARIETY, *inputs.OCCASION),
            ),
            (*_SLATE, *_PAGE, _THRESHOLD_SETS),
            "the items of all widgets of a page, none of them twice",
        ),
        Signature(
            "shop",
            "arrange_cart",
            (
                inputs.USER,
                *inputs.HISTORY,
                *inputs.RECENT,
                inputs.CART,
                inputs.LIMITS[0],
                inputs.OBJECTIVE,
                *inputs.RULED,
            ),
            (
                OutputSpec(
                    "item_ids",
                    "string",
                    "lines of the cart, first those beside which a complement earns most; empty behind the end",
                ),
                OutputSpec(
                    "scores",
                    "float32",
                    "what the complement is expected to bring, by the objective; 0 without one, -inf behind the end",
                ),
                OutputSpec(
                    "complement_item_ids",
                    "string",
                    "item to be offered beside this line, beside no other one; empty = none",
                ),
                OutputSpec(
                    "complement_probabilities",
                    "float32",
                    "probability that the complement is bought next; 0 without one",
                ),
                _OBJECTIVES,
            ),
            "the lines of the cart in the order of what the complement beside each is expected to earn",
        ),
        Signature(
            "retrieval",
            "retrieve",
            (
                inputs.USER,
                *inputs.HISTORY,
                *inputs.RECENT,
                inputs.CART,
                InputSpec("k", "int32", 1, 100, "number of candidates wanted"),
            ),
            (_SLATE[0], _SLATE[1]),
            "candidates of the two-tower model by inner product",
        ),
        Signature(
            "ranking",
            "rank",
            (
                inputs.USER,
                *inputs.HISTORY,
                *inputs.RECENT,
                inputs.CART,
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
