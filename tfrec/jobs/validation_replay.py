"""Answers the requests of the validation period with the trained models, as on the day on which it began.

The tables are of that day, so that nothing of the period or of the test period is read. The weights are those that were
trained, on the validation period too: figures are a little better than on days that no weight has seen, for all that
is compared alike.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tfrec.evaluation.slate_values import ItemWorth
from tfrec.features.shop import Shop, encode_shop
from tfrec.models_folder import TRAINED
from tfrec.release.served_ranker import ask_slates
from tfrec.schema.slate import Slate
from tfrec.schema.tables import Tables


@dataclasses.dataclass(frozen=True)
class ValidationReplay:
    """A funnel of this process, and the period that it is asked about.

    Attributes:
        train: the shop before the validation period.
        later: the validation period.
        served: a `ServedFunnel` with the strategies that are in service, without merchandising rules.
        strategy: their `StrategyConfig`.
    """

    train: Tables
    later: Tables
    served: Any
    strategy: Any

    def call(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Returns outputs `[B, k]`; strings as `str`."""
        outputs: dict[str, np.ndarray] = self.served.answer(signature, inputs)
        return outputs

    def slates(self, signature: str, queries: pd.DataFrame, *, k: int, progress: str = "") -> Slate:
        """Returns `[Q, k]` slates with `probabilities`, in the order of the queries; see `ask_slates`."""
        return ask_slates(self, signature, queries, k=k, width=k, progress=progress)

    def item_worth(self) -> ItemWorth:
        """Returns what the funnel knows of its items, which slates are valued by."""
        sources = self.served.funnel.sources
        return ItemWorth(
            item_ids=pd.Index(self.served.vocabularies["items"], dtype=object),
            price=sources.price.numpy()[1:],
            profit=sources.profit.numpy()[1:],
            leaf=sources.categories.numpy()[1:, -1],
            content=np.asarray(sources.content, np.float32)[1:],
        )


def open_replay(models: Path, shop: Shop) -> ValidationReplay:
    """Returns the trained models of a folder, ready to be asked about the validation period of their shop.

    Args:
        models: folder that `train_shop` wrote.
        shop: the shop that they were trained on, see `load_same_shop`.

    Raises:
        SourceError: nothing is trained.
    """
    from tfrec.jobs.tuning import validation_shop  # which loads TensorFlow
    from tfrec.training import refresh
    from tfrec.training.export import build_served_funnel

    past = encode_shop(validation_shop(shop.prepared))
    trained, config = refresh(past, models / TRAINED)
    served = build_served_funnel(past, trained, dataclasses.replace(config, users="all"))
    return ValidationReplay(past.prepared.train, past.prepared.test, served, config.strategy)
