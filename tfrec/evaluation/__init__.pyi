from .cases import Cases
from .metrics import (
    Ranking,
    calibration_error,
    coverage,
    diversity,
    hit_rate_at_k,
    map_at_k,
    mrr_at_k,
    ndcg_at_k,
    novelty,
    rank_by_scores,
    rank_in_slate,
    recall_at_k,
    revenue_hit_rate_at_k,
)
from .protocol import cart_completion_cases, cold_item_cases, cross_category_cases, discover_cases, next_basket_cases
from .report import EvaluationReport, write_report
from .sessions import next_item_cases, upsell_cases

__all__ = [
    "Cases",
    "EvaluationReport",
    "Ranking",
    "calibration_error",
    "cart_completion_cases",
    "cold_item_cases",
    "coverage",
    "cross_category_cases",
    "discover_cases",
    "diversity",
    "hit_rate_at_k",
    "map_at_k",
    "mrr_at_k",
    "ndcg_at_k",
    "next_basket_cases",
    "next_item_cases",
    "novelty",
    "rank_by_scores",
    "rank_in_slate",
    "recall_at_k",
    "revenue_hit_rate_at_k",
    "upsell_cases",
    "write_report",
]
