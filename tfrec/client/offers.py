"""`Offers`: the slate that a servable answers with, for one query or a batch, readable by humans and by NumPy."""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

from tfrec.errors import SchemaError, ServingError
from tfrec.schema.signatures import REASONS
from tfrec.schema.slate import Slate

_EXTRAS = ("probabilities", "prices", "reasons", "reason_item_ids", "reason_counts", "sources")


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
    """

    item_id: str
    score: float
    probability: float
    price: float
    reason: str
    reason_item_id: str
    reason_count: int
    source: str

    def reason_sentence(self, titles: Mapping[str, str] | None = None) -> str:
        """Returns the reason as a sentence to the shopper; `titles` maps item ids to names that a shopper knows."""
        item = (titles or {}).get(self.reason_item_id, self.reason_item_id)
        sentence = REASONS.get(self.reason, self.reason).format(item=item, count=self.reason_count)
        return sentence.replace(" 1 orders", " 1 order").replace(" 1 times", " once").replace(" 2 times", " twice")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Offers:
    """Ranked items, best first: of one query, or of a batch (`is_batch`).

    One query: columns are `[k]` and hold the offered items only; iterating gives each `OfferedItem`.
    A batch: columns are `[B, k]`, `""` behind the end of a short row; iterate over `queries()`.

    Attributes:
        item_ids: offered items.
        scores: ranking scores, descending; `-inf` behind the end.
        probabilities: probability that the item is bought next.
        prices: current prices; 0 when unknown.
        reasons: reason codes.
        reason_item_ids: the items that the reasons refer to.
        reason_counts: how many times the evidence was seen.
        sources: the candidate source that ranked the item highest.
        model_version: the version of the servable that answered.
        servable: its name: `shop`, or the fall-back where `shop` did not answer.
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
    model_version: int
    servable: str = "shop"
    history: str = ""

    @classmethod
    def from_outputs(
        cls, outputs: Mapping[str, np.ndarray], model_version: int, servable: str = "shop", history: str = ""
    ) -> "Offers":
        """Returns a servable's outputs `[B, k]` as the offers of a batch.

        Raises:
            ServingError: an output is missing; the servable is not a shop of this version of `tfrec`.
        """
        names = ("item_ids", "scores", *_EXTRAS)
        missing = [name for name in names if name not in outputs]
        if missing:
            raise ServingError(
                f"The servable (version {model_version}) does not answer with {', '.join(missing)}. "
                "Export it with the same version of `tfrec` as the client's."
            )
        columns = {name: outputs[name] for name in names}
        return cls(**columns, model_version=model_version, servable=servable, history=history)

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
        columns = [_plain_values(getattr(self, name)) for name in ("item_ids", "scores", *_EXTRAS)]
        return (OfferedItem(*values) for values in zip(*columns, strict=True))

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
        return dataclasses.replace(
            self, **{name: getattr(self, name)[row][is_offered] for name in ("item_ids", "scores", *_EXTRAS)}
        )

    def to_slate(self) -> Slate:
        """Returns the same as a `Slate` `[B, k]` (B = 1 for one query), for the metrics of `tfrec.evaluation`."""
        return Slate(
            np.atleast_2d(self.item_ids),
            np.atleast_2d(self.scores),
            {name: np.atleast_2d(getattr(self, name)) for name in _EXTRAS},
        )

    def __repr__(self) -> str:
        version = (
            f"version {self.model_version}" if self.servable == "shop" else f"{self.servable} {self.model_version}"
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


def _plain_values(column: np.ndarray) -> list:
    """Returns a column as Python values; a float32 as the shortest decimal that it is read from: 49.99."""
    return [float(str(value)) for value in column] if column.dtype == np.float32 else column.tolist()
