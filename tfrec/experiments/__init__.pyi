from .assignment import SampleRatio, assign, check_sample_ratio
from .attribution import Attribution, attribute
from .bandit import Bandit, LinearThompson, LinUcb, replay
from .checkpoints import CheckpointVerdicts, judge_checkpoints
from .collected_log import CollectedLog, read_collected
from .daily_looks import DailyLooks, look_daily
from .design import Design, Duration, detectable_effect, plan_duration, plan_sample_size
from .earned import Earned, HoldOut, PlaceEarnings, measure_earned
from .off_policy import DecisionLog, PolicyValue, SlateLog, evaluate_policy
from .placements import PlacementFindings, judge_placements
from .policies import PolicyStudy, study_policies
from .read_out import Finding, Guardrail, HeavyTailMetric, MeanMetric, RatioMetric, ReadOut
from .sequential import SequentialReadOut, always_valid, read_sequentially
from .shop_design import ShopDesign, plan_in_shop
from .shop_metrics import activity, daily_totals, user_metrics

__all__ = [
    "Attribution",
    "Bandit",
    "CheckpointVerdicts",
    "CollectedLog",
    "DailyLooks",
    "DecisionLog",
    "Design",
    "Duration",
    "Earned",
    "Finding",
    "Guardrail",
    "HeavyTailMetric",
    "HoldOut",
    "LinUcb",
    "LinearThompson",
    "MeanMetric",
    "PlaceEarnings",
    "PlacementFindings",
    "PolicyStudy",
    "PolicyValue",
    "RatioMetric",
    "ReadOut",
    "SampleRatio",
    "SequentialReadOut",
    "ShopDesign",
    "SlateLog",
    "activity",
    "always_valid",
    "assign",
    "attribute",
    "check_sample_ratio",
    "daily_totals",
    "detectable_effect",
    "evaluate_policy",
    "judge_checkpoints",
    "judge_placements",
    "look_daily",
    "measure_earned",
    "plan_duration",
    "plan_in_shop",
    "plan_sample_size",
    "read_collected",
    "read_sequentially",
    "replay",
    "study_policies",
    "user_metrics",
]
