"""Baselines: each is a frozen dataclass of settings whose `fit(history)` returns a scorer; `registry` lists them."""

from tfrec.baselines.als import ImplicitAls
from tfrec.baselines.blend import Blend
from tfrec.baselines.bm25 import Bm25
from tfrec.baselines.cosine import CoPurchaseCosine
from tfrec.baselines.ease import Ease
from tfrec.baselines.item_knn import ItemKnn
from tfrec.baselines.markov_chain import MarkovChain
from tfrec.baselines.personal_frequency import PersonalFrequency
from tfrec.baselines.popularity import Popularity
from tfrec.baselines.random_walk import Rp3Beta
from tfrec.baselines.recent_popularity import RecentPopularity
from tfrec.baselines.registry import (
    BASKET_BASELINES,
    CART_BASELINES,
    MORE_CART_BASELINES,
    REGISTRY,
    SERVED,
    SESSION_BASELINES,
    UPSELL_BASELINES,
    Method,
)
from tfrec.baselines.rules import RuleConfidence, RuleLift
from tfrec.baselines.scores import Baseline, FittedScorer
from tfrec.baselines.tifu_knn import TifuKnn
from tfrec.baselines.up_cf import UpCf
from tfrec.baselines.user_knn import UserKnn
from tfrec.baselines.vmis_knn import VmisKnn

__all__ = [
    "BASKET_BASELINES",
    "CART_BASELINES",
    "MORE_CART_BASELINES",
    "REGISTRY",
    "SERVED",
    "SESSION_BASELINES",
    "UPSELL_BASELINES",
    "Baseline",
    "Blend",
    "Bm25",
    "CoPurchaseCosine",
    "Ease",
    "FittedScorer",
    "ImplicitAls",
    "ItemKnn",
    "MarkovChain",
    "Method",
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
