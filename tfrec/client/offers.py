"""`Offers`: the slate that a servable answers with, for one query or a batch, readable by humans and by NumPy."""

import dataclasses
import importlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tfrec.client.batches import join_rows
from tfrec.errors import EnvironmentSetupError, SchemaError, ServingError, install_hint
from tfrec.schema.inputs import WIDGETS
from tfrec.schema.signatures import REASONS
from tfrec.schema.slate import Slate

_EXTRAS = ("probabilities", "prices", "reasons", "reason_item_ids", "reason_counts", "sources")
_OF_SOME: Mapping[str, Any] = {"total_prices": 0.0, "widgets": "", "places": 0, "threshold_sets": 0, "objectives": ""}
"""Columns that some signatures alone have, and what they hold elsewhere."""
_COLUMNS = ("item_ids", "scores", *_EXTRAS, *_OF_SOME)


class _ByWidget(dict[str, "Offers"]):
    """Widget → its offers; none of a widget that got no item, so that a page's template needs no exception."""

    def __init__(self, none: "Offers") -> None:
        super().__init__()
        self._none = none

    def __missing__(self, name: str) -> "Offers":
        if name not in WIDGETS:
            raise KeyError(name)
        return self._none


@dataclasses.dataclass(frozen=True)
class OfferedItem:
    """One offered item.

    Attributes:
        item_id: the item.
        score: ranking score; comparable within one slate only.
        probability: probability that the item is bought next.
        price: current price; 0 when unknown.
        reason: reason code, see `tfrec.schema.signatures.REASONS`.
        reason_item_id: the item that the reason refers to, or "".
        reason_count: how many times the evidence was seen; 0 where it is not a count.
        source: the candidate source that ranked the item highest.
        total_price: of a bundle, price of the anchor and of all items up to this one; 0 when unknown, and elsewhere.
        widget: of a page, the widget that offers the item; "" elsewhere.
        place: of a page, which of its widgets, from 1, has the place where the item stands; another than that of
            `widget` where `places_by` gave it away; 0 elsewhere.
        threshold_set: number of the set, from 1, that brings the cart to the threshold of the query and that the item
            belongs to; 0 = of none.
        objective: of `upsell`, what the score is of, such as `margin`, with ` by price` behind it where the shop states
            no margins and prices stand in; "" elsewhere.
    """

    item_id: str
    score: float
    probability: float
    price: float
    reason: str
    reason_item_id: str
    reason_count: int
    source: str
    total_price: float = 0.0
    widget: str = ""
    place: int = 0
    threshold_set: int = 0
    objective: str = ""

    def reason_sentence(self, titles: Mapping[str, str] | None = None) -> str:
        """Returns the reason as a sentence to the shopper; `titles` maps item ids to names that a shopper knows."""
        item = (titles or {}).get(self.reason_item_id, self.reason_item_id)
        sentence = REASONS.get(self.reason, self.reason).format(item=item, count=self.reason_count)
        return sentence.replace(" 1 orders", " 1 order").replace(" 1 times", " once").replace(" 2 times", " twice")


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where the slate of one query comes from.

    Attributes:
        recommendation_id: an id of this slate, by which clicks are joined with what was shown.
        servable: servable that answered: `shop`, the fall-back, or `best_sellers` where no server did.
        version: its version.
        arm: arm of the client's experiment; "" = in none.
    """

    recommendation_id: str
    servable: str
    version: int
    arm: str = ""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Offers:
    """Ranked items, best first: of one query, or of a batch (`is_batch`).

    One query: columns are `[k]` and hold the offered items only; iterating gives each `OfferedItem`.
    A batch: columns are `[B, k]`, `""` behind the end of a short row; iterate over `queries()`.

    Attributes:
        item_ids: offered items.
        scores: ranking scores, descending unless the slate was drawn, in each widget of a page; `-inf` behind the end.
        probabilities: probability that the item is bought next.
        prices: current prices; 0 when unknown.
        reasons: reason codes.
        reason_item_ids: the items that the reasons refer to.
        reason_counts: how many times the evidence was seen.
        sources: the candidate source that ranked the item highest.
        total_prices: of bundles, prices of the anchor and of all items up to each; 0 when unknown, and elsewhere.
        widgets: of pages, the widget that offers each item (`by_widget` gives each its own offers); "" elsewhere.
        places: of pages, which of the page's widgets, from 1, has the place of each item; 0 elsewhere.
        threshold_sets: number of the set, from 1, that brings the cart to the threshold of the query and that each item
            belongs to; 0 = of none.
        objectives: of `upsell`, what each score is of (`OfferedItem.objective`); "" elsewhere.
        propensities: chance of each place's item given those above it, where the slate was drawn (`explore`); else NaN.
        origins: of each query, where its slate comes from; of one query a single one.
        history: of a client with a history store: `sent`, or `missing` where the store failed or was too slow, so that
            users whom the servable does not store were answered as guests; "" = nothing was asked.
    """

    item_ids: np.ndarray  # [k] or [B, k]
    scores: np.ndarray
    probabilities: np.ndarray
    prices: np.ndarray
    reasons: np.ndarray
    reason_item_ids: np.ndarray
    reason_counts: np.ndarray
    sources: np.ndarray
    total_prices: np.ndarray
    widgets: np.ndarray
    places: np.ndarray
    threshold_sets: np.ndarray
    objectives: np.ndarray
    propensities: np.ndarray
    origins: tuple[Origin, ...]
    history: str = ""

    @classmethod
    def from_outputs(
        cls, outputs: Mapping[str, np.ndarray], origins: Sequence[Origin], *, propensities: np.ndarray | None = None
    ) -> "Offers":
        """Returns a servable's outputs `[B, k]` as the offers of a batch.

        Args:
            outputs: by name.
            origins: B of them.
            propensities: `[B, k]`; None = the slates were not drawn.

        Raises:
            ServingError: an output is missing; the servable is not a shop of this version of `tfrec`.
        """
        shape = outputs["item_ids"].shape if "item_ids" in outputs else ()
        outputs = {**{name: np.full(shape, value) for name, value in _OF_SOME.items()}, **outputs}
        missing = [name for name in _COLUMNS if name not in outputs]
        if missing:
            raise ServingError(
                f"The servable does not answer with {', '.join(missing)}. "
                "Export it with the same version of `tfrec` as the client's."
            )
        if propensities is None:
            propensities = np.full(shape, np.nan)
        columns: dict[str, Any] = {name: outputs[name] for name in _COLUMNS}
        return cls(**columns, propensities=propensities, origins=tuple(origins))

    @property
    def recommendation_id(self) -> str:
        """The id of this slate; rows of a batch have their own: `offers.queries()`."""
        return self._common("recommendation_id", "")

    @property
    def servable(self) -> str:
        """The servable that answered: `shop`, the fall-back, or `best_sellers` where no server did."""
        return self._common("servable", "")

    @property
    def model_version(self) -> int:
        """The version of the servable that answered."""
        return self._common("version", 0)

    @property
    def arm(self) -> str:
        """The arm of the experiment; "" = in none."""
        return self._common("arm", "")

    @property
    def is_batch(self) -> bool:
        """Whether these are the offers of a batch."""
        return self.item_ids.ndim == 2

    def __len__(self) -> int:
        """Returns the number of offered items; of a batch, number of queries B."""
        return len(self.item_ids)

    def __iter__(self) -> Iterator[OfferedItem]:
        if self.is_batch:
            raise SchemaError("These are the offers of a batch. Iterate over `offers.queries()`.")
        columns = [_plain_values(getattr(self, name)) for name in _COLUMNS]
        return (OfferedItem(*values) for values in zip(*columns, strict=True))

    def outputs(self) -> dict[str, np.ndarray]:
        """Returns the columns by the names of the signature's outputs."""
        return {name: getattr(self, name) for name in _COLUMNS}

    def queries(self) -> list["Offers"]:
        """Returns the offers of each query of a batch; of one query, itself alone."""
        return [self.query(row) for row in range(len(self))] if self.is_batch else [self]

    def query(self, row: int) -> "Offers":
        """Returns the offers of one query of a batch, without the padding behind its end.

        Raises:
            SchemaError: these are the offers of one query already.
        """
        if not self.is_batch:
            raise SchemaError("These are the offers of one query. Only the offers of a batch have rows.")
        is_offered = self.item_ids[row] != ""
        columns = {name: getattr(self, name)[row][is_offered] for name in (*_COLUMNS, "propensities")}
        return Offers(**columns, origins=(self.origins[row],), history=self.history)

    def by_widget(self) -> dict[str, "Offers"]:
        """Returns the offers of each widget of one page, in the order of its widgets.

        They are of one recommendation: `recommendation_id` is that of the page. Widgets that got no item are not among
        the keys; asked for by name they have no offers.

        Raises:
            SchemaError: these are the offers of a batch, or not of a page.
        """
        if self.is_batch:
            raise SchemaError("These are the offers of a batch. Ask each of `offers.queries()` for its widgets.")
        if len(self) and not self.widgets[0]:
            raise SchemaError("These are the offers of one slate. Only those of `page` have widgets.")
        none = Offers(
            **{one: getattr(self, one)[:0] for one in (*_COLUMNS, "propensities")},
            origins=self.origins,
            history=self.history,
        )
        found = _ByWidget(none)
        for name in dict.fromkeys(self.widgets.tolist()):
            columns = {one: getattr(self, one)[self.widgets == name] for one in (*_COLUMNS, "propensities")}
            found[name] = Offers(**columns, origins=self.origins, history=self.history)
        return found

    def to_slate(self) -> Slate:
        """Returns the same as a `Slate` `[B, k]` (B = 1 for one query), for the metrics of `tfrec.evaluation`.

        A slate that was drawn keeps its order: an item's score is then at most that of the item above it.
        """
        return Slate(
            np.atleast_2d(self.item_ids),
            np.minimum.accumulate(np.atleast_2d(self.scores), axis=1),
            {name: np.atleast_2d(getattr(self, name)) for name in _EXTRAS},
        )

    def to_pandas(self) -> Any:
        """Returns a `pandas.DataFrame`, an item a row.

        Its columns are `query` (row of the batch), `position` from 0, those of `Offers` and those of `Origin`.

        Raises:
            EnvironmentSetupError: pandas is not installed; the client does not need it otherwise.
        """
        try:
            pd = importlib.import_module("pandas")
        except ImportError as error:
            raise EnvironmentSetupError(f"`to_pandas` needs pandas. {install_hint('analysis')}.") from error
        row, position = np.nonzero(np.atleast_2d(self.item_ids) != "")
        columns = {name: np.atleast_2d(getattr(self, name))[row, position] for name in (*_COLUMNS, "propensities")}
        origins = [dataclasses.astuple(self.origins[one]) for one in row]
        names = [field.name for field in dataclasses.fields(Origin)]
        return pd.DataFrame(
            {"query": row, "position": position, **columns}
            | {name: [origin[at] for origin in origins] for at, name in enumerate(names)}
        )

    def _common(self, name: str, of_none: Any) -> Any:
        """Returns what all origins have in common."""
        found = {getattr(origin, name) for origin in self.origins}
        if len(found) > 1:
            raise SchemaError(f"The rows of this batch differ in `{name}`. Read it of each of `offers.queries()`.")
        return found.pop() if found else of_none

    def __repr__(self) -> str:
        found = sorted({(origin.servable, origin.version) for origin in self.origins}) or [("shop", 0)]
        version = ", ".join(
            f"version {number}" if servable == "shop" else f"{servable} {number}" for servable, number in found
        )
        if self.is_batch:
            return f"Offers for {len(self)} queries, up to {self.item_ids.shape[1]} each ({version})"
        if not len(self):
            return f"Offers: none ({version})"
        width = max(map(len, self.item_ids))
        lines = [
            f"{rank:>3}. {item.item_id:<{width}}  {item.price:>9,.2f}  {item.reason_sentence()}"
            for rank, item in enumerate(self, start=1)
        ]
        return "\n".join([f"Offers ({version}):", *lines])


def in_order(parts: Sequence[Offers], rows: np.ndarray) -> Offers:
    """Returns the offers of several arms as those of one batch.

    Args:
        parts: offers of each arm.
        rows: `[B]` row of the batch of each of their queries.
    """
    if len(parts) == 1:
        return parts[0]
    order = np.argsort(rows)
    joined = {name: array[order] for name, array in join_rows([part.outputs() for part in parts]).items()}
    width = joined["item_ids"].shape[1]
    propensities = np.concatenate(
        [
            np.pad(part.propensities, [(0, 0), (0, width - part.propensities.shape[1])], constant_values=np.nan)
            for part in parts
        ]
    )
    origins = [origin for part in parts for origin in part.origins]
    return Offers.from_outputs(joined, [origins[at] for at in order], propensities=propensities[order])


def _plain_values(column: np.ndarray) -> list:
    """Returns a column as Python values; a float32 as the shortest decimal that it is read from: 49.99."""
    return [float(str(value)) for value in column] if column.dtype == np.float32 else column.tolist()
