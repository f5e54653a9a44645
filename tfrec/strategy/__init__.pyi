from .candidate_slate import CandidateSlate
from .complements import of_other_categories, only_new, without_substitutes
from .config import SimilarConfig, SlateConfig, StrategyConfig, UpsellConfig, VarietyConfig
from .constraints import Limits, eligible_items
from .diversity import maximal_marginal_relevance
from .funnel import Funnel
from .reasons import Reasons
from .request import Request
from .upsell import only_upgrades

__all__ = [
    "CandidateSlate",
    "Funnel",
    "Limits",
    "Reasons",
    "Request",
    "SimilarConfig",
    "SlateConfig",
    "StrategyConfig",
    "UpsellConfig",
    "VarietyConfig",
    "eligible_items",
    "maximal_marginal_relevance",
    "of_other_categories",
    "only_new",
    "only_upgrades",
    "without_substitutes",
]
