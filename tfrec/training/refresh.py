"""Refreshes stored models: new orders, items and users enter without a training step."""

from pathlib import Path

from tfrec.features.shop import Shop
from tfrec.training.config import TrainingConfig
from tfrec.training.funnel import TrainedFunnel, funnel_of_the_present
from tfrec.training.store import load_models


def refresh(shop: Shop, folder: Path) -> tuple[TrainedFunnel, TrainingConfig]:
    """Returns the stored models with tables of the shop's present state.

    Item weights, popularity, own items and latest events are computed again. A new item is encoded from its category,
    brand, price, title, facts and picture; a new user's history is read by the query tower, and what friends bought is
    computed again. No weight changes, so an item whose description is unchanged keeps its embedding.

    Args:
        shop: the present shop; may hold new events, items and users.
        folder: folder that `save_trained` wrote.

    Raises:
        SourceError: the folder holds no trained models, or models of another shape.
    """
    models = load_models(shop, folder)
    funnel = funnel_of_the_present(
        shop, models.retrieval, models.ranking, models.config, learned_until=models.learned_until
    )
    return funnel, models.config
