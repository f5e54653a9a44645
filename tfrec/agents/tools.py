"""Turns signatures of the serving contract into tools with typed inputs, as an assistant is shown them."""

from collections.abc import Mapping
from typing import Any

from tfrec.schema.inputs import HISTORY_INPUTS, InputSpec
from tfrec.schema.signatures import Signature

MOST = 50
"""Items of one answer: a conversation shows few, and each costs the assistant's context."""
_LONGEST_LIST = 200
_LEFT_OUT = frozenset({*HISTORY_INPUTS, "recent_event_types", "recent_ages", "shown_item_ids", "at_minute", "is_adult"})
"""Inputs that a history store brings; lists that must be as long as another, which assistants miscount; what was shown,
which the page knows; and what would let a conversation pass by the shop's rules: another moment, and the word of a
shopper that they are of age."""
_REQUIRED = {name: ["item_id"] for name in ("upsell", "similar", "bundle")}
NO_TOOL = ("page",)
"""What a conversation does not ask for: it shows one thing at a time."""
_ANNOTATIONS = {
    "readOnlyHint": True,
    "destructiveHint": False,
    "idempotentHint": True,
    "openWorldHint": False,
}
FIND_ITEMS = "find_items"

INSTRUCTIONS = """\
Tools of a shop's recommender system. They read; nothing is bought or changed.
- Item ids are those of the shop. Take them from the conversation, from an earlier answer, or from find_items; never
  make one up.
- Offer what the tools return, in their order, by title. Prices are in the shop's currency; state none where price is
  null.
- `reason` is why an item is offered; say it to the shopper in your own words. `chance` orders the items: do not read it
  out.
- Limits in the shopper's words (a budget, a category, a brand, a colour, nothing from the cart's own category) are
  inputs: send them, do not filter afterwards. Attributes are spelt as the shop spells them (`brand=Acme`); an unknown
  one leaves nothing.
- An empty list has its cause in `notes`. An error text says what to do; where no server answers, say that offers are
  not available now.
"""


def tool_of(signature: Signature, *, with_user: bool) -> dict[str, Any]:
    """Returns a signature as a tool, as MCP writes it.

    Args:
        signature: a signature of `shop`.
        with_user: whether the assistant may name the user.
    """
    inputs = [spec for spec in signature.inputs if spec.name not in _LEFT_OUT and (with_user or spec.name != "user_id")]
    return {
        "name": signature.name,
        "title": signature.name.replace("_", " ").capitalize(),
        "description": f"Offers {signature.meaning}. Each item has a title, a price and the reason why it is offered.",
        "inputSchema": {
            "type": "object",
            "properties": {spec.name: _schema_of(spec) for spec in inputs},
            "required": _REQUIRED.get(signature.name, []),
            "additionalProperties": False,
        },
        "outputSchema": _OFFERS,
        "annotations": _ANNOTATIONS,
    }


def search_tool() -> dict[str, Any]:
    """Returns the tool that finds items by words of their titles, as MCP writes it."""
    return {
        "name": FIND_ITEMS,
        "title": "Find items",
        "description": "Finds items by words of their titles, best match first: the ids that the other tools take.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "words": {"type": "string", "minLength": 1, "maxLength": 200, "description": "words of the title"},
                "k": _count("number of items wanted", default=10),
            },
            "required": ["words"],
            "additionalProperties": False,
        },
        "outputSchema": {
            "type": "object",
            "properties": {
                "items": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"item_id": {"type": "string"}, "title": {"type": "string"}},
                        "required": ["item_id", "title"],
                    },
                }
            },
            "required": ["items"],
        },
        "annotations": _ANNOTATIONS,
    }


def _schema_of(spec: InputSpec) -> dict[str, Any]:
    """Returns the JSON schema of an input of one query."""
    if spec.name == "k":
        return _count(spec.meaning.partition(";")[0], default=int(spec.padding))
    one: dict[str, Any] = {"type": {"string": "string", "int32": "integer"}.get(spec.dtype, "number")}
    if spec.dtype == "string":
        one |= {"enum": list(spec.choices)} if spec.choices else {"minLength": 1}
        one |= {"pattern": "^[^=]+=."} if spec.is_attribute else {}
    else:
        one["minimum"] = spec.least
        one |= {} if spec.most is None else {"maximum": spec.most}
    if spec.rank == 2:
        one = {"type": "array", "items": one, "maxItems": _LONGEST_LIST}
    return {**one, "description": spec.meaning}


def _count(meaning: str, *, default: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "maximum": MOST, "default": default, "description": meaning}


_OFFERS: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "offers": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "item_id": {"type": "string"},
                    "title": {"type": ["string", "null"]},
                    "price": {"type": ["number", "null"], "description": "in the shop's currency; null = not known"},
                    "reason": {"type": "string"},
                    "chance": {"type": "number", "description": "probability that it is bought next"},
                },
                "required": ["item_id", "title", "price", "reason", "chance"],
            },
        },
        "recommendation_id": {"type": "string", "description": "send it along with clicks and orders"},
        "answered_by": {"type": "string", "description": "servable and version"},
        "notes": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["offers", "recommendation_id", "answered_by", "notes"],
}
