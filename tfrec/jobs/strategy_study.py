"""Replays the validation period for settings of the strategies: what each would have offered of what was bought."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pandas as pd

from tfrec.errors import ConfigError, SchemaError
from tfrec.evaluation.evaluate import sampled_groups
from tfrec.evaluation.sales import SOLD_BY, sales_of
from tfrec.evaluation.slate_values import SlateValues, value_slates
from tfrec.experiments.off_policy import PolicyValue
from tfrec.jobs.kept_slates import KeptSlates
from tfrec.jobs.logged_choices import logged_choices
from tfrec.jobs.strategy_settings import OWN, Setting, describe, settings_of, with_setting
from tfrec.jobs.validation_replay import ValidationReplay, open_replay
from tfrec.models_folder import load_same_shop, read_models_manifest
from tfrec.schema.slate import Slate
from tfrec.statistics.estimates import Estimate


@dataclasses.dataclass(frozen=True)
class Tried:
    """What a setting brought.

    Attributes:
        setting: name → value; empty = as in service.
        values: its measures, request by request.
        estimates: measure → mean with a 95 % interval.
        gains: measure → difference from the setting in service on the same requests; empty for that itself.
        clicks: clicks on the first place by logged slates with propensities; None without such.
    """

    JSON_KEYS: ClassVar = ("setting", "estimates", ("coverage", "values.coverage"), "gains", "clicks")

    setting: Setting
    values: SlateValues
    estimates: dict[str, Estimate]
    gains: dict[str, Estimate]
    clicks: PolicyValue | None

    @property
    def name(self) -> str:
        """The setting in words."""
        return describe(self.setting)


@dataclasses.dataclass(frozen=True)
class SignatureStudy:
    """What the settings of one signature brought.

    Attributes:
        signature: the signature.
        unit: what revenue and margin are of: `session`, `order` or `user`; empty without requests.
        num_requests: slates of each setting.
        num_units: sessions, orders or users that they are of.
        tried: the settings, first that in service; none where the period has no requests.
    """

    signature: str
    unit: str
    num_requests: int
    num_units: int
    tried: tuple[Tried, ...]


def study_strategies(
    models: Path,
    settings: Sequence[Setting],
    *,
    signatures: Sequence[str] = SOLD_BY,
    prepared: Path | None = None,
    max_queries: int = 2000,
    k: int = 10,
    kept: KeptSlates | None = None,
) -> Iterator[SignatureStudy]:
    """Yields what the settings of each signature brought in the validation period, a signature as it is done.

    One funnel answers for all settings, by what a request may name; nothing of the test period is read, and nothing is
    written but what `kept` keeps. Merchandising rules are left out.

    Args:
        models: folder that `train_shop` wrote.
        settings: what is tried beside the settings in service; each signature is asked with those that it takes.
        signatures: some of `SOLD_BY`.
        prepared: folder of the shop; None = where it lay when the models were trained.
        max_queries: requests of each signature, whole sessions or orders sampled, seeded.
        k: items of a slate.
        kept: slates of an interrupted run of the same comparison, and where those of this run are kept; None = nowhere.

    Raises:
        ConfigError: no signature takes any of the settings, or a value is out of its range.
        SourceError: nothing is trained, or the shop is gone or another one.
        SchemaError: the validation period has no request of any of the signatures.
    """
    from tfrec.training.settings_file import config_from

    manifest = read_models_manifest(models)
    strategy = config_from(manifest.config).strategy
    chosen = {signature: settings_of(signature, settings, strategy) for signature in signatures}
    if all(len(tried) == 1 for tried in chosen.values()):
        taken = ", ".join(dict.fromkeys(name for signature in signatures for name in OWN[signature]))
        raise ConfigError(
            f"There is nothing to compare: {', '.join(signatures)} take {taken}, and no other values of these than "
            "those in service are named."
        )
    shop = load_same_shop(manifest, prepared)
    impressions = shop.prepared.impressions
    replay = open_replay(models, shop)
    has_requests = False
    for signature, tried in chosen.items():
        study = study_signature(replay, signature, tried, impressions, max_queries=max_queries, k=k, kept=kept)
        has_requests |= bool(study.tried)
        yield study
    if not has_requests:
        raise SchemaError(
            f"The validation period has no visit or order whose further course {', '.join(signatures)} could be held "
            "against. Prepare the shop with an earlier `validation_from`."
        )


def study_signature(
    replay: ValidationReplay,
    signature: str,
    settings: Sequence[Setting],
    impressions: pd.DataFrame,
    *,
    max_queries: int,
    k: int,
    kept: KeptSlates | None = None,
) -> SignatureStudy:
    """Returns what the settings of one signature brought; see `study_strategies`.

    Args:
        replay: the models, and the period.
        signature: one of `SOLD_BY`.
        settings: that in service first, see `settings_of`.
        impressions: what was shown, as `Prepared.impressions` has it.
        max_queries: requests, whole sessions or orders sampled.
        k: items of a slate.
        kept: see `study_strategies`.
    """

    def slates(asked: pd.DataFrame, k: int, progress: str) -> Slate:
        def ask() -> Slate:
            return replay.slates(signature, asked, k=k, progress=progress)

        return ask() if kept is None else kept.slates(signature, asked, k, ask)

    sales = sales_of(signature, replay.train, replay.later)
    if sales is None:
        return SignatureStudy(signature, "", 0, 0, ())
    if len(sales) > max_queries:
        sales = sales[sampled_groups(sales.cases.groups, max_queries)]
    worth, queries = replay.item_worth(), sales.to_queries()
    choices = logged_choices(impressions, replay.later, signature, most=max_queries)
    tried: list[Tried] = []
    for number, setting in enumerate(settings, start=1):
        progress = f"{signature}, {number} of {len(settings)}"
        slate = slates(with_setting(queries, setting), k, progress)
        values = value_slates(sales, slate, worth)
        clicks = None
        if choices is not None:
            shown = slates(with_setting(choices.queries, setting), 1, progress)
            clicks = choices.judge(shown)
        gains = values.less(tried[0].values) if tried else {}
        tried.append(Tried(setting, values, values.estimates(), gains, clicks))
    return SignatureStudy(signature, sales.unit, len(sales), len(set(sales.cases.groups)), tuple(tried))
