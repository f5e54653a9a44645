"""A tiny shop behind the very functions that are exported. Its models are built but not trained: guarantees must hold
whatever the models say."""

import dataclasses

import numpy as np
import pandas as pd

from tests.worlds import START, bought, make_shop, viewed
from tfrec.features.shop import Shop

NUM_ITEMS = 60


@dataclasses.dataclass(frozen=True, repr=False)
class ServedShop:
    """A shop, its funnel, and what a test asks of it: name → array, short rows padded."""

    shop: Shop
    served: object

    def ask(self, signature, **inputs):
        """Returns output name → array; strings as `str`."""
        import tensorflow as tf

        fed = {name: value if isinstance(value, np.ndarray) else np.array(value) for name, value in inputs.items()}
        outputs = self.served.functions[signature](**{name: tf.constant(value) for name, value in fed.items()})
        return {
            name: value.numpy().astype(str) if value.dtype == tf.string else value.numpy()
            for name, value in outputs.items()
        }

    def answer(self, signature, **inputs):
        """Returns the same by the graphs that signatures share: quicker for a few calls, as none is optimised."""
        arrays = {name: np.asarray(value) for name, value in inputs.items()}
        arrays = {name: value.astype(object) if value.dtype.kind == "U" else value for name, value in arrays.items()}
        return self.served.answer(signature, arrays)


def build_served_shop() -> ServedShop:
    import tensorflow as tf

    from tfrec.features.feature_tables import FeatureConfig, compute_feature_tables
    from tfrec.models import RetrievalConfig, RetrievalModel
    from tfrec.models.ranking import RankingConfig, RankingModel
    from tfrec.models.source_config import SourceConfig
    from tfrec.models.sources.registry import FEATURES
    from tfrec.pipelines import retrieval
    from tfrec.strategy.funnel import Funnel
    from tfrec.training import build_sources
    from tfrec.training.export import ServedFunnel

    shop = tiny_shop()
    tf.keras.utils.set_random_seed(5)
    towers = RetrievalModel(shop.vocabularies, RetrievalConfig(embedding_dim=8))
    for batch in retrieval(shop.train, batch_size=4096, sequence_length=16).take(1):
        towers.compute_loss(batch, training=True)
    ranker = RankingModel(("click", "purchase"), RankingConfig(hidden=(8,)))
    ranker(tf.zeros([1, 1, len(FEATURES)]))
    end = shop.prepared.test_from.timestamp() / 3600
    feature_tables = compute_feature_tables(shop.train, as_of=end, config=FeatureConfig(l2=5.0))
    narrow = dataclasses.replace(
        SourceConfig(**dict.fromkeys(vars(SourceConfig()), 6)), recent_items=20, many_items=1000
    )
    sources = build_sources(shop, towers, feature_tables, shop.vocabularies.catalogue.is_available(end), narrow)
    return ServedShop(shop, ServedFunnel(shop, Funnel(sources, ranker)))


def tiny_shop() -> Shop:
    rng = np.random.default_rng(3)
    names = [f"i{number}" for number in range(NUM_ITEMS)]
    items = {}
    for number, name in enumerate(names):
        about = {
            "category": f"T{number % 3} > L{number % 9}",
            "price": 1.0 + number,
            "title": f"word{number % 6} thing",
            "brand": f"B{number % 4}" if number % 7 else "",
        }
        if number % 10 == 7:
            about["stock"] = 0.0
        if number % 10 == 2:
            about["stock"] = float(number % 6)
        if number % 10 == 8:
            about["available_from"] = START + pd.Timedelta(days=1000)
        if number % 20 in (6, 16):
            about["available_until"] = START + pd.Timedelta(days=40 if number % 20 == 6 else 1000)
        if number % 12 in (9, 10) or number in range(20, 26):
            about["item_group"] = "large" if number in range(20, 26) else f"p{number // 12}"
        if number % 5 == 0:
            about["list_price"] = 3.0 + number if number % 10 else 1.0 + number
        if number % 15 == 4:
            about.pop("price")
        if number % 15 == 5:
            about.pop("category")
        items[name] = about
    rows = []
    for number in range(120):
        user = "" if number % 4 == 0 else f"u{number % 9}"
        chosen = rng.choice(names[:50], rng.integers(2, 7), replace=False)  # the last ten were never sold
        rows += viewed(user, number / 2, *chosen, session=f"s{number}")
        rows += bought(user, number / 2 + 0.05, *chosen[:3], order=f"o{number}")
    segments = {"u1": "north", "u3": "north", "u2": "south", "newcomer": "south"}
    # Accessories of two hosts, one of them of both; one of a word; and what takes no part.
    fits = [("i40", "i1"), ("i41", "i2"), ("i42", "i1"), ("i42", "i2"), ("i43", "large bags"), ("i1", "i50")]
    facts = [(head, "fits", tail) for head, tail in [*fits, ("i44", "large bags"), ("i45", "i2"), ("i59", "i2")]]
    colours = ("red", "blue", "green", "white")
    facts += [(f"i{number}", "colour", colours[number % 3]) for number in range(0, NUM_ITEMS, 2)]
    facts += [(f"i{number}", "colour", colours[3]) for number in range(0, NUM_ITEMS, 5)]
    return make_shop(rows, items, segments=segments, facts=facts)
