"""`AttributeTables`: the attributes of items in the graph."""

import tensorflow as tf

from tfrec.features.attributes import Attributes
from tfrec.models.graph_tables import table
from tfrec.models.rows import rows_of


class AttributeTables:
    """The attributes by which requests may limit what is offered, as tables that are gathered by item index.

    Args:
        attributes: of the catalogue.
    """

    def __init__(self, attributes: Attributes) -> None:
        self.num_codes = len(attributes.relation_of)
        self.relation_of = table(attributes.relation_of, "attribute_relation")
        self.splits = table(attributes.splits, "attribute_splits")
        self.codes = table(attributes.codes, "attribute_codes")

    @property
    def variables(self) -> list[tf.Variable]:
        """The tables."""
        return [self.relation_of, self.splits, self.codes]

    @property
    def is_empty(self) -> bool:
        """Whether no item has an attribute, so that nothing may be gathered."""
        return self.num_codes == 1

    def of(self, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, M]` int32 codes of `items [B]`; 0 behind the end."""
        at, inside = rows_of(self.splits, items)
        return tf.where(inside, tf.gather(self.codes, at), 0)
