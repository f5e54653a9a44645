"""Baselines: each is a frozen dataclass of settings whose `fit(history)` returns a scorer."""

from collections.abc import Mapping

from tfrec.evaluation.baselines.factors import ImplicitAls
from tfrec.evaluation.baselines.history import Baseline
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

CART_BASELINES: Mapping[str, Baseline] = {
    "popularity": Popularity(),
    "recent popularity": RecentPopularity(),
    "personal frequency": PersonalFrequency(),
    "rule confidence, summed": RuleConfidence(),
    "rule lift (support ≥ 3)": RuleLift(min_support=3),
    "co-purchase cosine (shrink 20)": CoPurchaseCosine(shrink=20.0),
    "EASE on orders (λ = 60)": Ease(l2=60.0),
    "0.8 EASE + 0.2 personal": Blend(Ease(l2=60.0), PersonalFrequency(then_popular=False), share=0.8),
}
"""The baselines that stand beside the model in every report on carts."""

MORE_CART_BASELINES: Mapping[str, Baseline] = {
    **CART_BASELINES,
    "0.6 EASE + 0.4 personal": Blend(Ease(l2=60.0), PersonalFrequency(then_popular=False), share=0.6),
    "ItemKNN": ItemKnn(),
    "UserKNN": UserKnn(),
    "BM25 (K = 200)": Bm25(num_neighbours=200),
    "P3α": Rp3Beta(beta=0.0),
    "RP3β": Rp3Beta(),
    "UP-CF": UpCf(),
    "TIFU-KNN": TifuKnn(),
    "implicit ALS, 256 factors": ImplicitAls(factors=256, alpha=20.0),
}
"""Every baseline that answers a cart; the last needs the extra `benchmarks`."""

BASKET_BASELINES: Mapping[str, Baseline] = {
    "popularity": Popularity(),
    "recent popularity": RecentPopularity(),
    "personal frequency": PersonalFrequency(),
    "ItemKNN": ItemKnn(),
    "UserKNN": UserKnn(),
    "UP-CF": UpCf(),
    "TIFU-KNN": TifuKnn(),
}
"""Baselines of the next basket, which has no cart."""

SESSION_BASELINES: Mapping[str, Baseline] = {
    "popularity": Popularity(),
    "recent popularity": RecentPopularity(),
    "personal frequency": PersonalFrequency(),
    "co-view cosine (shrink 20)": CoPurchaseCosine(shrink=20.0),
    "EASE on sessions (λ = 60)": Ease(l2=60.0),
    "VMIS-kNN": VmisKnn(),
    "Markov chain": MarkovChain(),
}
"""Those beside the model in the next item of a session."""

UPSELL_BASELINES: Mapping[str, Baseline] = {
    "popularity": Popularity(),
    "recent popularity": RecentPopularity(),
    "co-view cosine (shrink 20)": CoPurchaseCosine(shrink=20.0),
    "EASE on sessions (λ = 60)": Ease(l2=60.0),
    "VMIS-kNN": VmisKnn(),
    "Markov chain": MarkovChain(),
}
"""Those beside the model in upsell."""

__all__ = [
    "BASKET_BASELINES",
    "CART_BASELINES",
    "MORE_CART_BASELINES",
    "SESSION_BASELINES",
    "UPSELL_BASELINES",
    "Baseline",
    "Blend",
    "Bm25",
    "CoPurchaseCosine",
    "Ease",
    "ImplicitAls",
    "ItemKnn",
    "MarkovChain",
    "PersonalFrequency",
    "Popularity",
    "RecentPopularity",
    "Rp3Beta",
    "RuleConfidence",
    "RuleLift",
    "TifuKnn",
    "UpCf",
    "UserKnn",
    "VmisKnn",
]
