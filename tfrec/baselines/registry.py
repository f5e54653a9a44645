"""Lists the baselines under their names: what `tfrec baseline`, `tfrec evaluate` and the benchmarks offer.

A method whose scores are sums or blends of tables can be served, too: `tfrec.models.baseline_scores` has these formulas
in the graph. The others are for comparison.
"""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from tfrec.baselines.als import ImplicitAls
from tfrec.baselines.blend import Blend
from tfrec.baselines.bm25 import Bm25
from tfrec.baselines.cosine import CoPurchaseCosine
from tfrec.baselines.ease import Ease
from tfrec.baselines.history import History, order_history, session_history
from tfrec.baselines.item_knn import ItemKnn
from tfrec.baselines.markov_chain import MarkovChain
from tfrec.baselines.personal_frequency import PersonalFrequency
from tfrec.baselines.popularity import Popularity
from tfrec.baselines.random_walk import Rp3Beta
from tfrec.baselines.recent_popularity import RecentPopularity
from tfrec.baselines.rules import RuleConfidence, RuleLift
from tfrec.baselines.scores import Baseline, FittedScorer
from tfrec.baselines.tifu_knn import TifuKnn
from tfrec.baselines.up_cf import UpCf
from tfrec.baselines.user_knn import UserKnn
from tfrec.baselines.vmis_knn import VmisKnn
from tfrec.errors import ConfigError, SchemaError, nearest_hint
from tfrec.schema.tables import Tables, seen_items, sold_items

_DENSE_LIMIT = 8_000  # items; a dense matrix of 256 MB is as much as a fall-back may weigh
_SMALL_EASE = Ease(l2=60.0, dense_limit=_DENSE_LIMIT)
_OWN = PersonalFrequency(then_popular=False)


@dataclasses.dataclass(frozen=True)
class Method:
    """A baseline with its settings, and where it is listed.

    Attributes:
        meaning: what it scores by, in a line.
        baseline: the settings that reports compare with.
        titles: table of a report → heading of its row there: `cart`, `more_carts`, `basket`, `session`, `upsell`.
        is_served: whether `tfrec baseline` publishes it.
        served_as: the settings that it is published with; None = `baseline`.
        of_sessions: whether it learns from sessions; else from orders.
    """

    meaning: str
    baseline: Baseline
    titles: Mapping[str, str]
    is_served: bool = True
    served_as: Baseline | None = None
    of_sessions: bool = False


def _titles(title: str, *tables: str, **others: str) -> Mapping[str, str]:
    return MappingProxyType(dict.fromkeys(tables, title) | others)


_EVERYWHERE = ("cart", "basket", "session", "upsell")

REGISTRY: Mapping[str, Method] = MappingProxyType(
    {
        "popularity": Method(
            "what everybody buys",
            Popularity(),
            _titles("popularity", *_EVERYWHERE),
        ),
        "recent_popularity": Method(
            "what everybody bought in the last 30 days",
            RecentPopularity(),
            _titles("recent popularity", *_EVERYWHERE),
        ),
        "personal_frequency": Method(
            "what the user buys, then what is popular",
            PersonalFrequency(),
            _titles("personal frequency", "cart", "basket", "session"),
        ),
        "rule_confidence": Method(
            "confidence of the rules cart item → item",
            RuleConfidence(),
            _titles("rule confidence, summed", "cart"),
        ),
        "rule_lift": Method(
            "lift of the rules cart item → item",
            RuleLift(min_support=3),
            _titles("rule lift (support ≥ 3)", "cart"),
        ),
        "cosine": Method(
            "shrunk cosine of items over orders or sessions",
            CoPurchaseCosine(shrink=20.0),
            _titles("co-view cosine (shrink 20)", "session", "upsell", cart="co-purchase cosine (shrink 20)"),
        ),
        "ease": Method(
            "EASE weights of the cart",
            Ease(l2=60.0),
            _titles("EASE on sessions (λ = 60)", "session", "upsell", cart="EASE on orders (λ = 60)"),
            served_as=_SMALL_EASE,
        ),
        "ease_personal": Method(
            "EASE weights of the cart, and what the user buys",
            Blend(Ease(l2=60.0), _OWN, share=0.8),
            _titles("0.8 EASE + 0.2 personal", "cart"),
            served_as=Blend(_SMALL_EASE, _OWN, share=0.8),
        ),
        "ease_more_personal": Method(
            "the same, the user's purchases weighing more",
            Blend(Ease(l2=60.0), _OWN, share=0.6),
            _titles("0.6 EASE + 0.4 personal", "more_carts"),
            served_as=Blend(_SMALL_EASE, _OWN, share=0.6),
        ),
        "item_knn": Method(
            "nearest items of all that the user bought, and of the cart",
            ItemKnn(),
            _titles("ItemKNN", "more_carts", "basket"),
        ),
        "user_knn": Method(
            "what the users bought who are most similar",
            UserKnn(),
            _titles("UserKNN", "more_carts", "basket"),
            is_served=False,
        ),
        "bm25": Method(
            "inner product of BM25-weighted items",
            Bm25(num_neighbours=200),
            _titles("BM25 (K = 200)", "more_carts"),
        ),
        "p3alpha": Method(
            "random walk item → order → item",
            Rp3Beta(beta=0.0),
            _titles("P3α", "more_carts"),
        ),
        "rp3beta": Method(
            "the same, popular items held back",
            Rp3Beta(),
            _titles("RP3β", "more_carts"),
        ),
        "up_cf": Method(
            "latest baskets of similar users", UpCf(), _titles("UP-CF", "more_carts", "basket"), is_served=False
        ),
        "tifu_knn": Method(
            "decayed frequencies of the user and of similar users",
            TifuKnn(),
            _titles("TIFU-KNN", "more_carts", "basket"),
            is_served=False,
        ),
        "als": Method(
            "matrix factors of the cart (extra `benchmarks`)",
            ImplicitAls(factors=256, alpha=20.0),
            _titles("implicit ALS, 256 factors", "more_carts"),
            is_served=False,
        ),
        "vmis_knn": Method(
            "items of the most similar sessions",
            VmisKnn(),
            _titles("VMIS-kNN", "session", "upsell"),
            of_sessions=True,
            is_served=False,
        ),
        "markov_chain": Method(
            "what follows the latest item",
            MarkovChain(),
            _titles("Markov chain", "session", "upsell"),
            of_sessions=True,
        ),
    }
)
"""Name → method, in the order of the tables' rows."""


def _listed(*tables: str) -> Mapping[str, Baseline]:
    """Returns heading → baseline of the rows of a table; of two tables, those of the first come first."""
    return MappingProxyType(
        {
            method.titles[table]: method.baseline
            for table in tables
            for method in REGISTRY.values()
            if table in method.titles
        }
    )


CART_BASELINES = _listed("cart")
"""The baselines that stand beside the model in every report on carts."""

MORE_CART_BASELINES = _listed("cart", "more_carts")
"""Every baseline that answers a cart; the last needs the extra `benchmarks`."""

BASKET_BASELINES = _listed("basket")
"""Baselines of the next basket, which has no cart."""

SESSION_BASELINES = _listed("session")
"""Those beside the model in the next item of a session."""

UPSELL_BASELINES = _listed("upsell")
"""Those beside the model in upsell."""

SERVED: Mapping[str, Baseline] = MappingProxyType(
    {name: method.served_as or method.baseline for name, method in REGISTRY.items() if method.is_served}
)
"""Name → the baseline that `tfrec baseline` publishes under it."""

DEFAULT_METHOD = "ease_personal"


def check_served(name: str) -> None:
    """Raises `ConfigError` where a method is none that can be served; the message names the nearest that can."""
    if name in REGISTRY and name not in SERVED:
        raise ConfigError(f"{name} is for comparison alone; a fall-back is one of {', '.join(SERVED)}.")
    if name not in SERVED:
        raise ConfigError(f"There is no baseline {name!r}.{nearest_hint(name, SERVED)}")


def default_method(train: Tables) -> str:
    """Returns the baseline for a log: `DEFAULT_METHOD`, or one of sessions where the log has no orders."""
    return DEFAULT_METHOD if len(train.purchases) else "markov_chain"


def fit_method(train: Tables, name: str) -> tuple[FittedScorer, History]:
    """Returns a method fitted to a training period, with the settings that it is served with, and its history.

    Raises:
        ConfigError: there is no such method.
        SchemaError: the log has nothing that the method learns from.
    """
    if name not in REGISTRY:
        raise ConfigError(f"There is no baseline {name!r}.{nearest_hint(name, REGISTRY)}")
    method = REGISTRY[name]
    history = (
        session_history(train, seen_items(train)) if method.of_sessions else order_history(train, sold_items(train))
    )
    if not len(history.baskets.indices):
        kind = "sessions" if method.of_sessions else "orders"
        raise SchemaError(f"{name} learns from {kind}, and the training period has none. Choose another method.")
    scorer = (method.served_as or method.baseline).fit(history)
    assert isinstance(scorer, FittedScorer)
    return scorer, history
