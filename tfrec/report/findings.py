"""Runs every analysis of the report once; the sentences in any language are made from its `Findings`."""

import dataclasses
import functools
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pandas as pd

from tfrec.analysis.demand import Demand, daily_demand
from tfrec.analysis.forecasts import Forecasts, forecast_demand
from tfrec.analysis.interests import Interests, measure_interests
from tfrec.analysis.lifetime_value import LifetimeValue, predict_value
from tfrec.analysis.repurchase import BuyAgain, Churn, predict_churn, predict_repurchase
from tfrec.analysis.rules import Rules, mine_rules
from tfrec.analysis.segments import Segments, segment_by_dbscan, segment_by_kmeans, segment_by_rfm
from tfrec.analysis.shop_figures import ShopFigures, describe_shop
from tfrec.errors import ConfigError, SchemaError, SourceError
from tfrec.experiments.collected_log import read_collected
from tfrec.experiments.design import Duration
from tfrec.experiments.earned import Earned, measure_earned
from tfrec.experiments.placements import PlacementFindings, judge_placements
from tfrec.experiments.read_out import ReadOut
from tfrec.ingest.prepared import Manifest, Prepared
from tfrec.promotions.coupon_findings import CouponFindings, judge_coupon_test
from tfrec.promotions.discount_findings import DiscountFindings, judge_discounts
from tfrec.promotions.experiment_findings import plan_next_tests, read_coupon_test
from tfrec.promotions.learned_offers import few_threads
from tfrec.report.absent import Absent
from tfrec.schema.item_names import item_names
from tfrec.schema.tables import Tables

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True)
class Findings:
    """Results of the analyses of a shop; `Absent` where the data does not allow one.

    Attributes:
        manifest: contents and origin of the prepared folder.
        items: items of the shop, for titles and stock.
        shop: the shop in figures.
        rfm: segments by recency, frequency and value.
        kmeans: segments by K-means.
        dbscan: segments by DBSCAN.
        interests: interests of users in categories and items.
        rules: what is bought together.
        demand: daily, of the shop alone.
        forecasts: forecasts of demand.
        buy_again: when users buy items again.
        churn: which users come back at all.
        lifetime: what buyers will spend.
        coupons: the coupon test.
        discounts: the same test, read for discount levels.
        coupon_read: the coupon test, read as an experiment.
        experiments: metric → how long an A/B test of it must run.
        placements: logged impressions.
        earned: what slates earned, from what `tfrec collect` keeps.
        evaluation: what `tfrec evaluate` wrote in `report.json`.
        strategies: what `tfrec strategy evaluate` kept in `strategies.json`.
    """

    JSON_KEYS: ClassVar = (
        "manifest", "shop", "rfm", "kmeans", "dbscan", "interests", "rules", "forecasts", "buy_again", "churn",
        "lifetime", "coupons", "discounts", "coupon_read", "experiments", "placements", "earned",
        "evaluation", "strategies",
    )  # fmt: skip

    manifest: Manifest
    items: pd.DataFrame
    shop: ShopFigures | Absent
    rfm: Segments | Absent
    kmeans: Segments | Absent
    dbscan: Segments | Absent
    interests: Interests | Absent
    rules: Rules | Absent
    demand: Demand | Absent
    forecasts: Forecasts | Absent
    buy_again: BuyAgain | Absent
    churn: Churn | Absent
    lifetime: LifetimeValue | Absent
    coupons: CouponFindings | Absent
    discounts: DiscountFindings | Absent
    coupon_read: ReadOut | Absent
    experiments: dict[str, Duration] | Absent
    placements: PlacementFindings | Absent
    earned: Earned | Absent
    evaluation: dict[str, Any] | Absent
    strategies: dict[str, Any] | Absent

    def title_of(self, item_id: str) -> str:
        """Returns an item's title, with its id where another item is called the same, else its id."""
        return self._names.get(item_id, item_id)

    @functools.cached_property
    def _names(self) -> dict[str, str]:
        return item_names(self.items)


def whole_log(prepared: Prepared) -> Tables:
    """Returns training and test period together: the shop up to its last day, as a marketing team looks at it."""
    parts = (prepared.train, prepared.test)
    events = pd.concat([part.events for part in parts], ignore_index=True)
    returns = pd.concat([part.returns for part in parts], ignore_index=True)
    return dataclasses.replace(prepared.train, events=events, returns=returns)


def study_shop(
    prepared: Prepared,
    *,
    models: Path | None = None,
    collected: str | Path | None = None,
    horizon: int = 28,
    seed: int = 0,
) -> Findings:
    """Runs every analysis on the whole log.

    Args:
        prepared: the shop.
        models: folder of models, whose `report/report.json` (as `tfrec evaluate` writes it) and `strategies.json` (of
            `tfrec strategy evaluate`) are taken over as they are.
        collected: folder or database that `tfrec collect` keeps events in, for what slates earned.
        horizon: days to forecast, a multiple of 7.
        seed: random seed of samples, folds and bootstraps.

    Raises:
        SourceError: `models` is no folder, or `collected` cannot be read.
    """
    if models is not None and not models.is_dir():
        raise SourceError(f"There is no folder {models}. Name what `tfrec train` wrote as the `models`.")
    with few_threads(prepared.manifest.users):
        return _study(prepared, whole_log(prepared), models=models, collected=collected, horizon=horizon, seed=seed)


def _study(
    prepared: Prepared, tables: Tables, *, models: Path | None, collected: str | Path | None, horizon: int, seed: int
) -> Findings:
    return Findings(
        manifest=prepared.manifest,
        items=tables.items,
        shop=_try("shop", lambda: describe_shop(tables)),
        rfm=_try("RFM segments", lambda: segment_by_rfm(tables)),
        kmeans=_try("K-means segments", lambda: segment_by_kmeans(tables, seed=seed)),
        dbscan=_try("DBSCAN segments", lambda: segment_by_dbscan(tables, seed=seed)),
        interests=_try("interests", lambda: measure_interests(tables)),
        rules=_try("rules", lambda: mine_rules(tables)),
        demand=_try("demand", lambda: daily_demand(tables, max_items=1)),
        forecasts=_try("forecasts", lambda: forecast_demand(tables, horizon=horizon, seed=seed)),
        buy_again=_try("next purchases", lambda: predict_repurchase(tables)),
        churn=_try("churn", lambda: predict_churn(tables, seed=seed)),
        lifetime=_try("lifetime value", lambda: predict_value(tables, seed=seed)),
        coupons=_extra(prepared, "coupon_test", lambda: judge_coupon_test(prepared, seed=seed)),
        discounts=_extra(prepared, "coupon_test", lambda: judge_discounts(prepared, seed=seed)),
        coupon_read=_extra(prepared, "coupon_test", lambda: read_coupon_test(prepared)),
        experiments=_try("experiments", lambda: plan_next_tests(tables)),
        placements=_try("impressions", lambda: judge_placements(prepared, seed=seed))
        if prepared.manifest.impressions
        else _extra(prepared, "impressions", lambda: judge_placements(prepared, seed=seed)),
        earned=Absent("")
        if collected is None
        else _try("what slates earned", lambda: measure_earned(read_collected(collected), seed=seed)),
        evaluation=_kept(models, Path("report") / "report.json", "sections", "tfrec evaluate"),
        strategies=_kept(models, Path("strategies.json"), "signatures", "tfrec strategy evaluate"),
    )


def _try(what: str, run: Callable[[], Result]) -> Result | Absent:
    """Runs an analysis; what the data does not allow is a finding too, and does not stop the other analyses."""
    started = time.perf_counter()
    try:
        result = run()
    except (SchemaError, ConfigError) as error:
        logger.info("%s: absent: %s", what, error)
        return Absent(str(error))
    logger.info("%s: %.1f s", what, time.perf_counter() - started)
    return result


def _extra(prepared: Prepared, name: str, run: Callable[[], Result]) -> Result | Absent:
    return _try(name, run) if name in prepared.manifest.extras else Absent("")


def _kept(models: Path | None, file: Path, key: str, command: str) -> dict[str, Any] | Absent:
    """Returns what a command keeps as JSON in the folder of models; `key` is one that it always has."""
    if models is None:
        return Absent("")
    path, again = models / file, f"Make it again: {command} {models}"
    if not path.is_file():
        return Absent(f"{path} does not exist. Make it with: {command} {models}")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SourceError(f"{path} is damaged ({error}). {again}") from error
    if not isinstance(found, dict) or key not in found:
        raise SourceError(f"{path} is not what `{command}` writes. {again}")
    return found
