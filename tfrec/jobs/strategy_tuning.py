"""Chooses settings of the strategies by what they brought in the validation period, and writes them as TOML."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from tfrec.errors import ConfigError, nearest_hint
from tfrec.evaluation.slate_values import MEASURES
from tfrec.jobs.strategy_settings import IN_SERVICE, Setting, describe
from tfrec.jobs.strategy_study import SignatureStudy, Tried
from tfrec.jobs.tuned_settings import toml_text
from tfrec.publish import check_file, write_text
from tfrec.statistics.estimates import Estimate

MAXIMISED = ("margin", "revenue", "acceptance", "add_on_rate")
"""Measures that may be maximised."""

_KIND = "tuned strategies"
_NUM_RESAMPLES = 4000  # the ends of a corrected interval lie far out
_LEVEL = 0.95


@dataclasses.dataclass(frozen=True)
class Choice:
    """What was chosen for one signature.

    Attributes:
        signature: the signature.
        setting: name → value; empty = the settings in service are kept.
        gain: how much more the chosen setting brought, or the best of those allowed where none was chosen; the interval
            is corrected for the number of settings (Bonferroni). None where no other was allowed.
        why: one sentence.
    """

    JSON_KEYS: ClassVar = ("signature", "setting", "gain", "why")

    signature: str
    setting: Setting
    gain: Estimate | None
    why: str


def check_objective(maximise: str, at_least: Mapping[str, float]) -> None:
    """Refuses an objective or a bound that is no measure.

    Raises:
        ConfigError: it is none, or a share is below 0.
    """
    if maximise not in MAXIMISED:
        raise ConfigError(f"What is maximised must be one of {', '.join(MAXIMISED)}; got {maximise!r}.")
    for name, share in at_least.items():
        if name not in MEASURES:
            raise ConfigError(f"There is no measure {name!r} to be kept.{nearest_hint(name, MEASURES)}")
        if share < 0:
            raise ConfigError(f"What is kept of {name} is a share of what it is in service, 0 or more; got {share:g}.")


def choose_setting(study: SignatureStudy, *, maximise: str, at_least: Mapping[str, float]) -> Choice:
    """Returns the setting that brings surely more than that in service; that itself where none does.

    Allowed are settings that keep the named shares of the measures of the setting in service. Of those whose gain lies
    above 0 with its whole interval, the one with the highest lower end is chosen: with many settings the highest mean
    is often luck.

    Args:
        study: what the settings brought.
        maximise: one of `MAXIMISED`.
        at_least: measure → share of its value in service that must be kept.

    Raises:
        ConfigError: see `check_objective`.
    """
    check_objective(maximise, at_least)
    if not study.tried:
        return Choice(study.signature, IN_SERVICE, None, "The validation period has no such requests.")
    present, *others = study.tried
    if not others:
        return Choice(study.signature, IN_SERVICE, None, "None of the settings is of this signature.")
    allowed = [one for one in others if all(_keeps(one, present, name, share) for name, share in at_least.items())]
    if not allowed:
        kept = ", ".join(f"{share:.0%} of {name}" for name, share in at_least.items())
        return Choice(study.signature, IN_SERVICE, None, f"None of {len(others)} settings keeps {kept}.")
    level = 1 - (1 - _LEVEL) / len(others)
    gains = {
        place: one.values.less(present.values, level=level, num_resamples=_NUM_RESAMPLES)[maximise]
        for place, one in enumerate(allowed)
    }
    better = [place for place, gain in gains.items() if gain.is_positive]
    if better:
        best = max(better, key=lambda place: gains[place].low)
        why = f"{maximise} is higher by {gains[best]} beyond chance, {len(others)} settings compared."
        return Choice(study.signature, allowed[best].setting, gains[best], why)
    best = max(gains, key=lambda place: gains[place].value)
    why = (
        f"The best of {len(others)} settings, {describe(allowed[best].setting)}, changes {maximise} by {gains[best]}: "
        "within chance."
    )
    return Choice(study.signature, IN_SERVICE, gains[best], why)


def check_tuned(file: Path, *, inputs: Sequence[Path], force: bool) -> None:
    """Refuses a file that may not be overwritten, before anything is computed.

    Raises:
        ConfigError: its name does not end in `.toml`.
        SourceError: see `check_file`.
    """
    if file.suffix != ".toml":
        raise ConfigError(f"Settings are written as .toml; got {file.name}. Rename it.")
    check_file(file, _KIND, inputs=inputs, force=force)


def write_tuned(file: Path, choices: Sequence[Choice], *, inputs: Sequence[Path], force: bool) -> None:
    """Writes what was chosen as `[strategy.…]`, with the reasons as comments."""
    reasons = "".join(f"# {choice.signature}: {describe(choice.setting)}. {choice.why}\n" for choice in choices)
    settings = {
        f"strategy.{choice.signature}.{name}": value for choice in choices for name, value in choice.setting.items()
    }
    write_text(file, f"{reasons}\n{toml_text(settings)}\n", _KIND, inputs=inputs, force=force)


def _keeps(one: Tried, present: Tried, name: str, share: float) -> bool:
    """Returns whether a setting keeps the share of a measure; where neither has it, nothing is lost."""
    before, after = present.estimates[name], one.estimates[name]
    return not before.n or after.value >= share * before.value
