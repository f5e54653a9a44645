from .ablation import ablate
from .fallback import PublishedBaseline, publish_baseline
from .model_updates import Updated, refresh_shop, warm_start_shop
from .tuning import Tuned, tune_shop

__all__ = [
    "PublishedBaseline",
    "Tuned",
    "Updated",
    "ablate",
    "publish_baseline",
    "refresh_shop",
    "tune_shop",
    "warm_start_shop",
]
