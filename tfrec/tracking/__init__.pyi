from .labels import label_versions, move_label
from .tracked_runs import RunRecord, refresh_tracked, track_evaluation, train_tracked, warm_start_tracked

__all__ = [
    "RunRecord",
    "label_versions",
    "move_label",
    "refresh_tracked",
    "track_evaluation",
    "train_tracked",
    "warm_start_tracked",
]
