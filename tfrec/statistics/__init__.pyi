from .areas import auc_interval
from .cluster_bootstrap import bootstrap_means
from .covariates import adjust_by_covariate
from .estimates import Estimate, normal_estimate
from .heavy_tails import compare_heavy_tails
from .paired import PairedComparison, compare_paired
from .proportions import wilson
from .stability import population_stability_index, stability_by_chance
from .two_samples import Comparison, compare_means, compare_moments, compare_ratios

__all__ = [
    "Comparison",
    "Estimate",
    "PairedComparison",
    "adjust_by_covariate",
    "auc_interval",
    "bootstrap_means",
    "compare_heavy_tails",
    "compare_means",
    "compare_moments",
    "compare_paired",
    "compare_ratios",
    "normal_estimate",
    "population_stability_index",
    "stability_by_chance",
    "wilson",
]
