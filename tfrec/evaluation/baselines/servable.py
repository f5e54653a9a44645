"""Lists the baselines that `tfrec baseline` can serve, and fits them to the training period of a shop."""

from collections.abc import Mapping

from tfrec.errors import SchemaError
from tfrec.evaluation.baselines.factors import ImplicitAls
from tfrec.evaluation.baselines.history import Baseline, FittedScorer, History, order_history, session_history
from tfrec.evaluation.baselines.item_weights import (
    Blend,
    Bm25,
    CoPurchaseCosine,
    Ease,
    ItemKnn,
    Rp3Beta,
    RuleConfidence,
    RuleLift,
)
from tfrec.evaluation.baselines.neighbours import TifuKnn, UpCf, UserKnn
from tfrec.evaluation.baselines.popularity import PersonalFrequency, Popularity, RecentPopularity
from tfrec.evaluation.baselines.sequences import MarkovChain, VmisKnn
from tfrec.evaluation.cases import seen_items, sold_items
from tfrec.schema.tables import Tables

_DENSE_LIMIT = 8_000  # items; a dense matrix of 256 MB is as much as a fall-back may weigh

METHODS: Mapping[str, Baseline] = {
    "popularity": Popularity(),
    "recent_popularity": RecentPopularity(),
    "personal_frequency": PersonalFrequency(),
    "rule_confidence": RuleConfidence(),
    "rule_lift": RuleLift(min_support=3),
    "cosine": CoPurchaseCosine(shrink=20.0),
    "item_knn": ItemKnn(),
    "bm25": Bm25(num_neighbours=200),
    "p3alpha": Rp3Beta(beta=0.0),
    "rp3beta": Rp3Beta(),
    "ease": Ease(l2=60.0, dense_limit=_DENSE_LIMIT),
    "ease_personal": Blend(Ease(l2=60.0, dense_limit=_DENSE_LIMIT), PersonalFrequency(then_popular=False), share=0.8),
    "als": ImplicitAls(),
    "user_knn": UserKnn(),
    "up_cf": UpCf(),
    "tifu_knn": TifuKnn(),
    "markov_chain": MarkovChain(),
    "vmis_knn": VmisKnn(),
}
"""Name → the baseline that can be served, with the settings of `tfrec evaluate`."""

OF_SESSIONS = ("markov_chain", "vmis_knn")
"""Those that learn from sessions; the others learn from orders."""

DEFAULT_METHOD = "ease_personal"


def default_method(train: Tables) -> str:
    """Returns the baseline for a log: `DEFAULT_METHOD`, or one of sessions where the log has no orders."""
    return DEFAULT_METHOD if len(train.purchases) else "vmis_knn"


def fit_servable(train: Tables, method: str) -> tuple[FittedScorer, History]:
    """Returns a baseline of `METHODS` fitted to a training period, and what it was fitted to.

    Raises:
        SchemaError: the log has nothing that the method learns from.
    """
    history = (
        session_history(train, seen_items(train)) if method in OF_SESSIONS else order_history(train, sold_items(train))
    )
    if not len(history.baskets.indices):
        kind = "sessions" if method in OF_SESSIONS else "orders"
        raise SchemaError(f"{method} learns from {kind}, and the training period has none. Choose another method.")
    scorer = METHODS[method].fit(history)
    assert isinstance(scorer, FittedScorer)
    return scorer, history
