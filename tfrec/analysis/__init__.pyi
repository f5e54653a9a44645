from .audiences import Audience, UserFacts, compare_audiences, export_users, find_audience, gather_facts
from .content_offers import content_similarity, items_for, rank_by_content
from .forecasts import Forecasts, forecast_demand
from .interests import InterestConfig, Interests, measure_interests
from .lifetime_value import LifetimeValue, predict_value
from .lookalikes import Lookalikes, find_lookalikes
from .repurchase import BuyAgain, Churn, predict_churn, predict_repurchase
from .rules import Rules, mine_rules
from .segments import Segments, segment_by_dbscan, segment_by_kmeans, segment_by_rfm
from .shop_figures import ShopFigures, describe_shop

__all__ = [
    "Audience",
    "BuyAgain",
    "Churn",
    "Forecasts",
    "InterestConfig",
    "Interests",
    "LifetimeValue",
    "Lookalikes",
    "Rules",
    "Segments",
    "ShopFigures",
    "UserFacts",
    "compare_audiences",
    "content_similarity",
    "describe_shop",
    "export_users",
    "find_audience",
    "find_lookalikes",
    "forecast_demand",
    "gather_facts",
    "items_for",
    "measure_interests",
    "mine_rules",
    "predict_churn",
    "predict_repurchase",
    "predict_value",
    "rank_by_content",
    "segment_by_dbscan",
    "segment_by_kmeans",
    "segment_by_rfm",
]
