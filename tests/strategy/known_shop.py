"""The tiny shop with probabilities that a test states; i{n} costs n + 1, and is of the leaf category n % 9."""

import numpy as np

from tests.strategy.served_shop import ServedShop
from tfrec.features.merchandising import MerchandisingRules
from tfrec.features.rule_tables import RuleTables, compile_rules

RARE = 1e-4
"""Probability of what a test states none of."""


class KnownShop:
    """A funnel over the sources of the tiny shop, without its ranking model."""

    def __init__(self, served_shop: ServedShop) -> None:
        import tensorflow as tf

        from tfrec.strategy.candidate_slate import CandidateSlate
        from tfrec.strategy.funnel import Funnel
        from tfrec.training.export import ServedFunnel

        class KnownFunnel(Funnel):
            def _scored(self, query, evidence, items):
                line = tf.reduce_max(tf.pad(query.cart, [[0, 0], [0, 1]]), axis=1)
                chance = tf.where(items > 0, tf.gather(tf.gather(self.chances, line), items, batch_dims=1), 0.0)
                score = tf.where(items > 0, tf.math.log(chance), -float("inf"))
                return CandidateSlate(item=items, score=score, probability=chance)

        self.sources = served_shop.served.funnel.sources
        self.funnel = KnownFunnel(self.sources, served_shop.served.funnel.ranking)
        self.funnel.chances = tf.Variable(tf.fill([self.sources.num_rows] * 2, RARE))
        self.served, self._train = ServedFunnel(served_shop.shop, self.funnel), served_shop.shop.prepared.train
        tokens = served_shop.shop.vocabularies.items.tokens.tolist()
        self._place = {item: place for place, item in enumerate(tokens, start=1)}

    def answer(self, signature, chances, **inputs):
        """Returns output name → array; chances: item, or (the cart's one item, item) → probability."""
        values = np.full([self.sources.num_rows] * 2, RARE, np.float32)
        for key, chance in chances.items():
            if isinstance(key, str):
                values[:, self._place[key]] = chance
            else:
                values[self._place[key[0]], self._place[key[1]]] = chance
        self.funnel.chances.assign(values)
        arrays = {name: np.asarray(value) for name, value in inputs.items()}
        arrays = {name: value.astype(object) if value.dtype.kind == "U" else value for name, value in arrays.items()}
        return self.served.answer(signature, arrays)

    def put_rules(self, *rules):
        """Puts merchandising rules in force in place of those before."""
        train = self._train
        tables = compile_rules(MerchandisingRules(rules), train.items, train.users, calendar=train.calendar)
        if not rules:
            tables = RuleTables.none(self.sources.num_rows, self.sources.num_segments)
        self.funnel.merchandising.assign(tables)
