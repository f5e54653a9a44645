"""Tunes the settings of training on the validation period of a prepared shop.

The last part of the training period is the validation period; nothing of the test period is read. A trial trains on the
time before it, on a shorter schedule, and completes the carts (or predicts the next clicks) of the validation period.
Snapshots of the towers are kept for each combination of the towers' settings, and candidate lists for each combination
of the feature tables' settings, so a trial in which only the ranking model changes takes seconds. Settings that cost
more are varied in every fourth trial only; in the others they have the values of the best trial. A killed study resumes
where it stopped.
"""

import dataclasses
import hashlib
import json
import logging
import shutil
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec.errors import ConfigError, EnvironmentSetupError, SchemaError, install_hint
from tfrec.evaluation.cases import Cases
from tfrec.evaluation.metrics import ndcg_at_k
from tfrec.evaluation.protocol import cart_completion_cases
from tfrec.evaluation.sessions import next_item_cases
from tfrec.features.queries import HEADS, ExampleQueries
from tfrec.features.shop import Shop, encode_shop
from tfrec.ingest.prepared import Prepared, read_prepared
from tfrec.jobs.tuned_settings import GROUPS, SearchRange, check_best, configured, settings_of, values_of, write_best
from tfrec.models.ranking import RankingModel
from tfrec.models_folder import planned_manifest
from tfrec.pipelines.stored_examples import StoredExamples
from tfrec.publish import claiming
from tfrec.training.config import TrainingConfig
from tfrec.training.fit import fit_ranking
from tfrec.training.tuning_snapshots import AskedQueries, TuningSnapshots

logger = logging.getLogger(__name__)

BEST, STUDY = "best.toml", "study.db"
_K = 10
_IS_DEFAULT = "is_default"
_MOVE_COSTLY_EVERY = 4
_ASK_BATCH = 64
_LISTS = ".lists-"


@dataclasses.dataclass(frozen=True)
class Schedule:
    """The shorter training of a trial.

    Attributes:
        retrieval_epochs: at most.
        num_blocks: at most.
        ranking_queries: at most.
        ranking_epochs: at most.
        validation_queries: asked at most.
    """

    retrieval_epochs: int = 3
    num_blocks: int = 2
    ranking_queries: int = 3000
    ranking_epochs: int = 4
    validation_queries: int = 1500

    def shortened(self, config: TrainingConfig) -> TrainingConfig:
        """Returns the config with this schedule where that is shorter."""
        names = ("retrieval_epochs", "num_blocks", "ranking_queries", "ranking_epochs")
        return dataclasses.replace(config, **{name: min(getattr(config, name), getattr(self, name)) for name in names})


@dataclasses.dataclass(frozen=True)
class Tuned:
    """Outcome of `tune_shop`.

    Attributes:
        best: dotted name → value of the best trial.
        value: NDCG@10 of the best trial on the validation period.
        default_value: NDCG@10 of the settings that the study began with.
        trials: number of finished trials, those of earlier runs included.
        pruned: number of these that were stopped early.
        importance: dotted name → share of the variation that the setting explains, greatest first; empty after too few
            trials.
        file: TOML file of the best settings, for `tfrec train --config`.
        seconds: mean duration of a trial of this run.
    """

    best: Mapping[str, Any]
    value: float
    default_value: float
    trials: int
    pruned: int
    importance: Mapping[str, float]
    file: Path
    seconds: float


def tune_shop(
    prepared: Path,
    out: Path,
    *,
    trials: int = 40,
    minutes: float = 60.0,
    groups: Sequence[str] = ("ranking", "features"),
    config: TrainingConfig = TrainingConfig(),
    schedule: Schedule = Schedule(),
    show_progress: bool = True,
) -> Tuned:
    """Returns the best settings found within the given numbers of trials and minutes, and writes them.

    The first trial has the settings of `config`, so the best is never below them. NDCG@10 counts each validation query
    once; a true item that no source retrieved counts 0. Sampler: TPE (Bergstra et al. 2011); after each epoch of the
    ranker a trial below the median of the others is stopped.

    Args:
        prepared: folder that `prepare_shop` wrote.
        out: folder of the study; with the same shop, settings and code the study is resumed.
        trials: number of finished trials wanted, those of earlier runs included.
        minutes: no trial begins later than this after the start.
        groups: names of `GROUPS`.
        config: settings that are not tuned, and those of the first trial.
        schedule: length of a trial's training.
        show_progress: progress bars.

    Raises:
        ConfigError: a group is unknown, or a number is not positive.
        SourceError: there is no prepared shop.
        SchemaError: the validation period has no query.
        EnvironmentSetupError: Optuna is not installed.
    """
    optuna = _require_optuna()
    unknown = [group for group in groups if group not in GROUPS]
    if unknown or not groups or trials < 1 or minutes <= 0:
        raise ConfigError(
            f"`groups` must be some of {', '.join(GROUPS)}, `trials` at least 1 and `minutes` positive; "
            f"got {tuple(groups)}, {trials} and {minutes}."
        )
    ranges = {name: search_range for group in groups for name, search_range in GROUPS[group].items()}
    with claiming(out, signs=(STUDY,)):
        check_best(out / BEST)
        return _tune(optuna, prepared, out, ranges, trials, minutes, config, schedule, show_progress)


def _tune(
    optuna: ModuleType,
    prepared: Path,
    out: Path,
    ranges: Mapping[str, SearchRange],
    trials: int,
    minutes: float,
    config: TrainingConfig,
    schedule: Schedule,
    show_progress: bool,
) -> Tuned:
    """Runs the study while this process holds `out`."""
    shop = encode_shop(validation_shop(read_prepared(prepared)))
    trial_values = _TrialValues(shop, schedule, out / "snapshots", show_progress)
    identity = [planned_manifest(prepared, config).identity, sorted(ranges), dataclasses.asdict(schedule)]
    study = optuna.create_study(
        storage=f"sqlite:///{out / STUDY}",
        study_name=hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16],
        load_if_exists=True,
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1),
    )
    state = optuna.trial.TrialState
    for stale in study.get_trials(deepcopy=False, states=(state.RUNNING,)):  # of a run that was killed
        study.tell(stale.number, state=state.FAIL)
    if not study.get_trials(deepcopy=False, states=(state.COMPLETE,)):
        study.enqueue_trial(values_of(config, ranges), user_attrs={_IS_DEFAULT: True}, skip_if_exists=False)
    finished = len(study.get_trials(deepcopy=False, states=(state.COMPLETE, state.PRUNED)))
    until, spent = time.monotonic() + 60 * minutes, []
    while finished < trials and time.monotonic() < until:
        began = time.monotonic()
        study.sampler = _sampler(optuna, study, ranges, config.seed)
        trial = study.ask()
        try:
            value = trial_values.value(configured(config, _suggest(trial, ranges)), trial)
            study.tell(trial, value)
        except optuna.TrialPruned:
            study.tell(trial, state=state.PRUNED)
        except BaseException:
            study.tell(trial, state=state.FAIL)
            raise
        finished += 1
        spent.append(time.monotonic() - began)
        logger.info("Trial %d of %d: best NDCG@%d %.4f", finished, trials, _K, study.best_value)
    file = out / BEST
    write_best(file, study.best_params, ranges)
    defaults = [trial.value for trial in study.get_trials(states=(state.COMPLETE,)) if _IS_DEFAULT in trial.user_attrs]
    return Tuned(
        best=settings_of(study.best_params, ranges),
        value=study.best_value,
        default_value=defaults[0] if defaults else float("nan"),
        trials=finished,
        pruned=len(study.get_trials(deepcopy=False, states=(state.PRUNED,))),
        importance=_importance(optuna, study),
        file=file,
        seconds=float(np.mean(spent)) if spent else 0.0,
    )


def validation_shop(prepared: Prepared) -> Prepared:
    """Returns the shop as it was when the validation period began; that period is its test period.

    Items that a log without a catalogue has only later are not known yet.
    """
    moment = prepared.validation_from
    train, later = prepared.train.until(moment), prepared.train.since(moment)
    items = train.items
    if items["item_id"].isin(prepared.train.events["item_id"]).all():
        items = items[items["item_id"].isin(train.events["item_id"])].reset_index(drop=True)
    manifest = dataclasses.replace(
        prepared.manifest,
        test_from=moment.isoformat(),
        fingerprint=f"{prepared.manifest.fingerprint} until {moment.isoformat()}",
    )
    return dataclasses.replace(
        prepared,
        manifest=manifest,
        train=dataclasses.replace(train, items=items),
        test=dataclasses.replace(later, items=items),
    )


class _TrialValues:
    """NDCG@10 of configs; keeps snapshots and candidate lists for the settings that they depend on."""

    def __init__(self, shop: Shop, schedule: Schedule, work: Path, show: bool) -> None:
        self._shop, self._schedule, self._work, self._show = shop, schedule, work, show
        self._queries = validation_queries(shop, schedule.validation_queries)
        self._snapshots: tuple[str, TuningSnapshots] | None = None
        self._lists: dict[str, tuple[StoredExamples, AskedQueries]] = {}
        for left in work.parent.glob(f"{_LISTS}*"):  # by a study that was killed
            shutil.rmtree(left)
        self._folder = tempfile.TemporaryDirectory(prefix=_LISTS, dir=work.parent)  # gone when the study ends

    def value(self, config: TrainingConfig, trial: Any) -> float:
        """Returns NDCG@10 of a config on the validation queries; after each epoch the trial may be pruned."""
        import optuna

        config = self._schedule.shortened(config)
        examples, asked = self._candidate_lists(config)

        def report(epoch: int, model: RankingModel) -> None:
            trial.report(_ndcg(model, asked), epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        return _ndcg(fit_ranking(examples, config, show_progress=False, after_epoch=report), asked)

    def _candidate_lists(self, config: TrainingConfig) -> tuple[StoredExamples, AskedQueries]:
        snapshot_settings = dataclasses.replace(
            config, ranking=TrainingConfig().ranking, features=TrainingConfig().features, ranking_rate=1.0,
            ranking_batch=1, ranking_epochs=1,
        )  # fmt: skip
        snapshots_key, lists_key = _key(snapshot_settings), _key([snapshot_settings, config.features])
        if lists_key not in self._lists:
            if self._snapshots is None or self._snapshots[0] != snapshots_key:
                snapshots = TuningSnapshots(
                    self._shop, config, work=self._work / snapshots_key, show_progress=self._show
                )
                self._snapshots = snapshots_key, snapshots
            snapshots = self._snapshots[1]
            if len(self._lists) > 1:  # to limit memory and disk, the oldest is dropped
                oldest = next(iter(self._lists))
                self._lists.pop(oldest)
                shutil.rmtree(self._lists_folder(oldest))
            examples = snapshots.examples(config, self._lists_folder(lists_key))
            self._lists[lists_key] = examples, snapshots.ask(self._queries, config)
        return self._lists[lists_key]

    def _lists_folder(self, key: str) -> Path:
        return Path(self._folder.name) / key


def validation_queries(shop: Shop, most: int) -> ExampleQueries:
    """Returns carts with a hidden item, their first label; in a log without orders, visits and their next item.

    Args:
        shop: shop of `validation_shop`.
        most: sampled, seeded, where there are more.

    Raises:
        SchemaError: there is neither.
    """
    train, later = shop.prepared.train, shop.prepared.test
    cases = cart_completion_cases(train, later, seed=0)
    if not len(cases):
        cases = next_item_cases(train, later)
    if not len(cases):
        raise SchemaError(
            "The validation period has neither an order with two known items nor a visit with two clicks. "
            "Prepare the shop with an earlier `validation_from`."
        )
    rows = np.sort(np.random.default_rng(0).permutation(len(cases))[:most])
    return as_example_queries(cases[rows], shop)


def as_example_queries(cases: Cases, shop: Shop) -> ExampleQueries:
    """Returns evaluation cases as ranking queries: `Q` of them, the first true item of each its one label.

    Args:
        cases: cases of carts, or of next items.
        shop: gives the vocabularies.
    """
    index = np.append(shop.vocabularies.items.encode(cases.item_ids), 0).astype(np.int32)  # -1 → 0
    codes = {name: code for code, name in enumerate(shop.vocabularies.event_types, start=1)}
    is_cart = cases.task != "next_item"
    sizes = np.diff(cases.contexts.indptr) if is_cart else np.zeros(len(cases), np.int64)
    cart = np.zeros((len(cases), int(sizes.max(initial=0))), np.int32)
    if is_cart:
        row = np.repeat(np.arange(len(cases)), sizes)
        cart[row, np.arange(len(row)) - np.repeat(cases.contexts.indptr[:-1], sizes)] = index[cases.contexts.indices]
    recent = index[cases.recent] if not is_cart else np.zeros((len(cases), 0), np.int32)
    types = np.vectorize(lambda name: codes.get(name, 0), otypes=[np.int32])(cases.recent_types)
    return ExampleQueries(
        user=shop.users.encode(cases.user_ids),
        recent_item=recent,
        recent_type=types if not is_cart else recent,
        recent_age=(cases.recent_ages if not is_cart else recent).astype(np.float32),
        cart=cart,
        label_item=index[cases.truths[:, :1]],
        label_heads=np.ones((len(cases), 1, len(HEADS)), np.float32),
        label_gain=np.ones((len(cases), 1), np.float32),
        hour=cases.timestamps.astype("datetime64[s]").astype(np.int64) / 3600.0,
        outside_level=np.zeros(len(cases), np.int32),
    )


def _ndcg(model: RankingModel, asked: AskedQueries) -> float:
    """Returns the mean NDCG@10 of the one true item; ties count against, a true item that is no candidate counts 0."""
    score_of = tf.function(lambda features: model(features, training=False)[0], reduce_retracing=True)
    ranks = []
    for start in range(0, len(asked.features), _ASK_BATCH):
        part = slice(start, start + _ASK_BATCH)
        score = score_of(tf.constant(asked.features[part].astype(np.float32))).numpy()
        score = np.where(asked.is_candidate[part], score, -np.inf)
        truth = np.where(asked.is_truth[part], score, -np.inf).max(axis=1)
        ranks.append(np.where(np.isfinite(truth), (score >= truth[:, None]).sum(axis=1), np.inf))
    return float(ndcg_at_k(np.concatenate(ranks), k=_K).mean())


def _sampler(optuna: ModuleType, study: Any, ranges: Mapping[str, SearchRange], seed: int) -> Any:
    """Returns TPE over all settings in every fourth trial, else with the costly settings at their best values."""
    number = len(study.trials)
    with_all = optuna.samplers.TPESampler(seed=seed + number, n_startup_trials=8)
    costly = [name for name in ranges if name not in GROUPS["ranking"]]
    states = (optuna.trial.TrialState.COMPLETE,)
    if not costly or len(costly) == len(ranges) or number % _MOVE_COSTLY_EVERY == 1:
        return with_all
    if not study.get_trials(deepcopy=False, states=states):
        return with_all
    kept = {name: study.best_params[name] for name in costly}
    return optuna.samplers.PartialFixedSampler(kept, with_all)


def _suggest(trial: Any, ranges: Mapping[str, SearchRange]) -> dict[str, Any]:
    values = {}
    for name, search_range in ranges.items():
        if search_range.choices:
            values[name] = trial.suggest_categorical(name, list(search_range.choices))
        elif search_range.is_whole:
            values[name] = trial.suggest_int(name, int(search_range.low), int(search_range.high))
        else:
            values[name] = trial.suggest_float(name, search_range.low, search_range.high, log=search_range.is_log)
    return settings_of(values, ranges)


def _importance(optuna: ModuleType, study: Any) -> dict[str, float]:
    try:
        return dict(optuna.importance.get_param_importances(study))
    except (RuntimeError, ValueError) as error:  # too few trials, or all alike
        logger.info("No importance yet: %s", error)
        return {}


def _key(value: Any) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]


def _require_optuna() -> ModuleType:
    try:
        import optuna
    except ImportError as error:
        raise EnvironmentSetupError(
            f"Tuning needs Optuna, which this environment lacks ({error}). {install_hint('tune')}."
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)  # `PartialFixedSampler`
    return optuna
