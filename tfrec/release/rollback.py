"""Returns to the previous good version: by its label, or by moving the newest version aside.

Good is what is there whole, was not refused by a gate, and answers as its certificate says.
"""

import dataclasses

from tfrec.errors import SourceError
from tfrec.release.gate import was_refused
from tfrec.release.place import Place
from tfrec.release.verify import verify_place
from tfrec.serving.models_config import CONFIG, SERVABLES


@dataclasses.dataclass(frozen=True)
class Rollback:
    """What a rollback does.

    Attributes:
        was: version in service until now.
        now: version in service from now on.
        label: label that is moved; empty where the newest version is moved aside.
    """

    was: int
    now: int
    label: str


def plan_rollback(target: str, *, label: str | None = None, to: int | None = None) -> Rollback:
    """Returns what is to be done, after the version to go back to was loaded and asked.

    Args:
        target: folder of servables, or the URL of one.
        label: label that is to be moved; None = `stable`, where `models.config` names it.
        to: version to go back to; None = the highest good one below the present one.

    Raises:
        SourceError: there is no such label or version, or none to go back to.
        ServingError: the version `to` has no certificate.
    """
    place = Place(target)
    config = place.config().get("shop")
    if config is None and label is not None:
        raise SourceError(f"{target} has no {CONFIG} with labels of `shop`. Label a version first: tfrec label MODELS")
    versions = place.whole_versions()
    if config is None:
        was, label = max(versions, default=0), ""
    else:
        label = label or "stable"
        if label not in config.labels:
            labels = ", ".join(sorted(config.labels)) or "none"
            raise SourceError(f"{target}/{CONFIG} has no label {label!r}; it has: {labels}.")
        was = config.labels[label]
    if to is not None and to not in versions:
        raise SourceError(f"{target} has no version {to} of all its servables; it has: {_listed(versions)}.")
    if not label and to is not None and to != max((number for number in versions if number < was), default=0):
        raise SourceError(
            f"Without labels a server loads the newest version, so only the newest can be moved aside; got --to {to}. "
            f"Label it instead: tfrec label MODELS stable={to}"
        )
    if to is not None:
        candidates = [to]
    else:
        candidates = [number for number in reversed(versions) if number < was and not was_refused(place, number)]
    for number in candidates:
        differences = verify_place(target, version=number, servables=SERVABLES).differences
        if not differences:
            return Rollback(was, number, label)
    raise SourceError(
        f"{target} has no good version below {was} to go back to (versions: {_listed(versions)}). "
        f"See why: tfrec verify {target} --every"
    )


def withdraw_newest(target: str, plan: Rollback) -> list[str]:
    """Moves the newest version of each servable aside and returns where they lie; a server then loads the older one."""
    place = Place(target)
    return [place.withdraw(name, plan.was) for name in SERVABLES]


def _listed(versions: list[int]) -> str:
    return ", ".join(map(str, versions)) or "none"
