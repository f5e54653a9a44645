"""`Slate`: ranked items for a batch of queries, the value that every source, strategy and baseline returns."""

import dataclasses

import numpy as np

from tfrec.errors import SchemaError


@dataclasses.dataclass(frozen=True)
class Slate:
    """Ranked items for a batch of queries, best first.

    Attributes:
        item_ids: `[B, k]` item identifiers; `""` behind the end of a row that has fewer than k items.
        scores: `[B, k]` scores, descending along each row; `-inf` where `item_ids` is `""`.
        extras: further `[B, k]` columns by name (prices, reasons, sources ...).

    Raises:
        SchemaError: the shapes differ, or the scores of a row ascend.
    """

    item_ids: np.ndarray  # [B, k]
    scores: np.ndarray  # [B, k]
    extras: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, column in {"scores": self.scores, **self.extras}.items():
            if column.shape != self.item_ids.shape:
                raise SchemaError(
                    f"`{name}` must have the shape of `item_ids` {self.item_ids.shape}; got {column.shape}."
                )
        if self.item_ids.ndim != 2:
            raise SchemaError(f"`item_ids` must be [B, k]; got shape {self.item_ids.shape}.")
        with np.errstate(invalid="ignore"):
            if (np.diff(self.scores, axis=1) > 0).any():
                raise SchemaError("`scores` must descend along each row. Sort each row before making a Slate.")

    def __len__(self) -> int:
        """Returns the number of queries, B."""
        return len(self.item_ids)

    def top(self, k: int) -> "Slate":
        """Returns the first k columns.

        Examples:
            >>> slate = Slate(np.array([["a", "b", "c"]]), np.array([[0.9, 0.5, 0.1]]))
            >>> slate.top(2).item_ids
            array([['a', 'b']], dtype='<U1')
        """
        return Slate(
            self.item_ids[:, :k],
            self.scores[:, :k],
            {name: column[:, :k] for name, column in self.extras.items()},
        )
