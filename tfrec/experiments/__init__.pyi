from .assignment import SampleRatio, assign, check_sample_ratio
from .bandit import Bandit, LinearThompson, LinUcb, replay
from .checkpoints import CheckpointVerdicts, judge_checkpoints
from .daily_looks import DailyLooks, look_daily
from .design import Design, Duration, detectable_effect, plan_duration, plan_sample_size
from .off_policy import DecisionLog, PolicyValue, SlateLog, evaluate_policy
from .placements import PlacementFindings, judge_placements
from .policies import PolicyStudy, study_policies
from .read_out import Finding, Guardrail, HeavyTailMetric, MeanMetric, RatioMetric, ReadOut
from .sequential import SequentialReadOut, always_valid, read_sequentially
from .shop_design import ShopDesign, plan_in_shop
from .shop_metrics import activity, daily_totals, user_metrics

__all__ = [
    "Bandit",
    "CheckpointVerdicts",
    "DailyLooks",
    "DecisionLog",
    "Design",
    "Duration",
    "Finding",
    "Guardrail",
    "HeavyTailMetric",
    "LinUcb",
    "LinearThompson",
    "MeanMetric",
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
    "check_sample_ratio",
    "daily_totals",
    "detectable_effect",
    "evaluate_policy",
    "judge_checkpoints",
    "judge_placements",
    "look_daily",
    "plan_duration",
    "plan_in_shop",
    "plan_sample_size",
    "read_sequentially",
    "replay",
    "study_policies",
    "user_metrics",
]
