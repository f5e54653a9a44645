"""Publishes a baseline of a prepared shop as the servable `fallback`, with the signatures of `shop`, in seconds.

The baseline is learned on the whole training period by `tfrec.baselines`, and served by the same tables:
what `tfrec evaluate` measures is what answers. Its probabilities are calibrated on the latest orders of the training
period, scored by the baseline of the time before.
"""

import dataclasses
import logging
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

import tfrec
from tfrec.baselines.fitted import Calibration, FittedBaseline, bought_pairs
from tfrec.baselines.history import order_history
from tfrec.baselines.registry import DEFAULT_METHOD, REGISTRY, SERVED, check_served, fit_method
from tfrec.errors import SchemaError
from tfrec.evaluation.metrics import on_catalogue
from tfrec.evaluation.protocol import cart_completion_cases
from tfrec.evaluation.sessions import next_item_cases
from tfrec.features.popularity import SEGMENT_DAYS
from tfrec.features.shop import Shop, load_shop
from tfrec.models_folder import find_models_manifest, kept_rules
from tfrec.publish import check_claim
from tfrec.release.certify import Certifier
from tfrec.schema.tables import Tables

logger = logging.getLogger(__name__)

_CALIBRATION_SHARE = 0.1  # of the events, the latest
_MAX_CALIBRATION_CASES = 5_000
_LISTED = 100  # candidates of a cart that the calibration is fitted to
_LEAST_CASES = 20
_LEAST_SLOPE = 1e-3


@dataclasses.dataclass(frozen=True)
class PublishedBaseline:
    """Outcome of `publish_baseline`.

    Attributes:
        models: folder of servables.
        version: the new version of `fallback` there.
        seconds: seconds that learning and saving took.
    """

    models: Path
    version: int
    seconds: float


def publish_baseline(prepared: Path, models: Path, method: str = DEFAULT_METHOD) -> PublishedBaseline:
    """Learns a baseline on the training period of a prepared shop and publishes it as a version of `fallback`.

    Args:
        prepared: folder that `prepare_shop` wrote.
        models: folder of models; `models/fallback/N` appears by rename. The strategies have the settings of the models
            that were trained there, if any: the fall-back keeps to the same price band.
        method: a name of `SERVED`.

    Raises:
        ConfigError: there is no such method, or it cannot be served.
        SourceError: there is no prepared shop.
        SchemaError: the log has nothing that the method learns from.
    """
    check_served(method)
    check_claim(models)
    began = time.perf_counter()
    shop = load_shop(prepared)
    fitted = fit_baseline(shop, method)
    from tfrec.training.export import build_served_baseline, export_fallback
    from tfrec.training.settings_file import config_from

    trained = find_models_manifest(models)
    config = config_from({} if trained is None else trained.config)
    about: dict[str, object] = {
        "prepared": str(prepared.absolute()),
        "fingerprint": shop.prepared.manifest.fingerprint,
        "method": method,
        "settings": repr(SERVED[method]),
        "calibration": dataclasses.asdict(fitted.calibration),
        "tfrec_version": tfrec.__version__,
    }
    rules = kept_rules(models, shop.prepared.train)
    served = build_served_baseline(shop, fitted, config.strategy, rules)
    version = export_fallback(served, models, about=about, finish=Certifier(shop, served.answer, rules=rules))
    return PublishedBaseline(models, version, time.perf_counter() - began)


def fit_baseline(shop: Shop, method: str) -> FittedBaseline:
    """Returns a baseline of `SERVED`, fitted to the training period, with the further tables that serving needs.

    Raises:
        SchemaError: the log has nothing that the method learns from.
    """
    train = shop.prepared.train
    scorer, history = fit_method(train, method)
    orders = order_history(train, history.item_ids)
    return FittedBaseline(
        scores=scorer.scores,
        item_ids=history.item_ids,
        user_ids=history.user_ids,
        calibration=calibrate(train, method),
        purchases=orders.user_counts,
        buyer_ids=orders.user_ids,
        popularity=history.popularity,
        lately=_bought_lately(train, history.item_ids, shop.prepared.test_from),
        pairs=bought_pairs(orders.baskets),
    )


def calibrate(train: Tables, method: str) -> Calibration:
    """Returns the calibration that maps a method's scores to the probability that the item is bought next.

    The latest tenth of the training period, of each order one item hidden, is scored by the method as it was before; a
    logistic regression of "was the hidden item" on `log(1 + score / scale)` over the hundred best candidates of each
    cart gives slope and intercept. For a method of sessions, the next item of each visit takes the place of the
    hidden one. With too few such orders or visits, every item gets the same probability, 1 / number of items.
    """
    of_sessions = REGISTRY[method].of_sessions
    used = train.events if of_sessions else train.purchases
    times = np.sort(used["timestamp"].to_numpy())
    plain = Calibration(1.0, _LEAST_SLOPE, -float(np.log(max(used["item_id"].nunique() - 1, 1))))
    moment = pd.Timestamp(times[int(len(times) * (1 - _CALIBRATION_SHARE))])
    before, after = train.until(moment), train.since(moment)
    try:
        scorer, history = fit_method(before, method)
    except SchemaError:  # all purchases have the same time
        return plain
    cases = (
        next_item_cases(before, after) if REGISTRY[method].of_sessions else cart_completion_cases(before, after, seed=0)
    )
    cases = cases[:_MAX_CALIBRATION_CASES]
    if len(cases) < _LEAST_CASES:
        return plain
    scored = on_catalogue(scorer, history.item_ids)
    best, hits = [], []
    step = max(1, (1 << 24) // len(cases.item_ids))
    for start in range(0, len(cases), step):
        block = cases[start : start + step]
        scores = scored(block)
        dense = np.array(scores if isinstance(scores, np.ndarray) else scores.toarray(), np.float32)
        dense[block.excluded.nonzero()] = -np.inf
        width = min(_LISTED, dense.shape[1])
        at = np.argpartition(-dense, width - 1, axis=1)[:, :width]
        best.append(np.take_along_axis(dense, at, axis=1))
        hits.append(at == block.truths[:, :1])
    score, hit = np.concatenate(best).ravel(), np.concatenate(hits).ravel()
    score, hit = score[np.isfinite(score)], hit[np.isfinite(score)]
    positive = score[score > 0]
    if not hit.any() or hit.all() or not len(positive):
        return plain
    unit = Calibration(float(np.median(positive)), 1.0, 0.0)
    model = LogisticRegression(C=np.inf).fit(unit.signal(score)[:, None], hit)
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    if slope < _LEAST_SLOPE:  # the score is not informative here; it still orders the items
        slope, intercept = _LEAST_SLOPE, float(np.log(hit.mean() / (1 - hit.mean())))
    return Calibration(unit.scale, slope, intercept)


def _bought_lately(train: Tables, item_ids: pd.Index, end: pd.Timestamp) -> np.ndarray:
    """Returns `[n]` purchases in the last four weeks of training; an order counts once, whatever its lines."""
    bought = train.purchases
    bought = bought[(bought["order_id"] == "") | ~bought.duplicated(["order_id", "item_id"])]
    is_late = bought["timestamp"] >= end - pd.Timedelta(days=SEGMENT_DAYS)
    at = item_ids.get_indexer(bought["item_id"][is_late])
    return np.bincount(at[at >= 0], minlength=len(item_ids)).astype(np.float32)
