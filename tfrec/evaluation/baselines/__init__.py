"""What a model must beat: each baseline is a frozen dataclass of dials whose `fit(history)` returns a scorer."""

from collections.abc import Mapping

from tfrec.evaluation.baselines.history import Baseline
from tfrec.evaluation.baselines.item_weights import Blend, CoPurchaseCosine, Ease, RuleConfidence, RuleLift
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
    "CART_BASELINES",
    "SESSION_BASELINES",
    "UPSELL_BASELINES",
    "Baseline",
    "Blend",
    "CoPurchaseCosine",
    "Ease",
    "MarkovChain",
    "PersonalFrequency",
    "Popularity",
    "RecentPopularity",
    "RuleConfidence",
    "RuleLift",
    "VmisKnn",
]
