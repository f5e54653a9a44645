"""Keeps, rolls back or promotes a version under trial, by certificate and errors."""

import dataclasses
import datetime
import json
import urllib.error
import urllib.parse
import urllib.request

from tfrec.errors import ConfigError, ServerUnreachableError, ServingError, SourceError
from tfrec.release.follow import STABLE
from tfrec.release.gate import VERDICTS
from tfrec.release.place import Place
from tfrec.release.replay import Difference
from tfrec.release.verify import verify_server

REQUESTS = ":tensorflow:serving:request_count"
"""TF Serving's counter of requests, by `model_name` and `status`; it has no label for the version."""
_STATE = ".canary.json"
_NAMES = "shop|retrieval|ranking"
_TIMEOUT = 10.0  # seconds


@dataclasses.dataclass(frozen=True)
class CanaryConfig:
    """Bounds of a trial.

    Attributes:
        max_errors: largest share of failed requests above that of the stable servers.
        min_requests: least number of requests of the canary, below which errors are not judged and nothing is promoted.
        grace: minutes that the servers have to load a new version.
        promote_after: hours after which a version without findings becomes stable; 0 = never by itself.
    """

    max_errors: float = 0.01
    min_requests: int = 100
    grace: float = 15.0
    promote_after: float = 24.0

    def __post_init__(self) -> None:
        if not 0 <= self.max_errors < 1 or self.min_requests < 1 or self.grace < 0 or self.promote_after < 0:
            raise ConfigError(
                "`max_errors` must lie in [0, 1), `min_requests` at 1 or above, `grace` and `promote_after` at 0 or "
                f"above; got {self}."
            )


@dataclasses.dataclass(frozen=True)
class Errors:
    """Requests of some servers in a time.

    Attributes:
        num_requests: all of them.
        num_failed: those that did not end in OK.
    """

    num_requests: float
    num_failed: float

    @property
    def share(self) -> float:
        """Failed requests as a share; 0 without requests."""
        return self.num_failed / self.num_requests if self.num_requests else 0.0


@dataclasses.dataclass(frozen=True)
class Decision:
    """What is to become of a canary.

    Attributes:
        action: `none` (nothing is under trial), `keep`, `back` or `promote`.
        canary: version under trial.
        stable: version in service.
        reasons: what was found.
    """

    action: str
    canary: int
    stable: int
    reasons: tuple[str, ...]


def decide(
    target: str,
    *,
    server: str,
    prometheus: str | None = None,
    job: str = "tfrec-serving-canary",
    stable_job: str = "tfrec-serving",
    label: str = "canary",
    config: CanaryConfig = CanaryConfig(),
    now: datetime.datetime | None = None,
) -> Decision:
    """Judges the version that a label names, and notes in `target` since when it is under trial.

    Args:
        target: folder or URL with labels and certificates.
        server: `host:port` or `dns:///...` of the servers that run the canary.
        prometheus: address of Prometheus; None = errors are not judged, and nothing is promoted.
        job: job of the canary's servers in Prometheus.
        stable_job: job of the others.
        label: label of the version under trial.
        config: bounds.
        now: time of the decision; None = the present.

    Raises:
        SourceError: `target` has no stable version, or cannot be read.
        ServingError: Prometheus does not answer.
    """
    place = Place(target)
    shop = place.config().get("shop")
    if shop is None or STABLE not in shop.labels:
        raise SourceError(f"{target} has no version labelled {STABLE!r} to go back to. Label one: tfrec label MODELS")
    stable = shop.labels[STABLE]
    canary = shop.labels.get(label, stable)
    if canary == stable:
        return Decision("none", canary, stable, ())
    now = now or datetime.datetime.now(datetime.UTC)
    minutes = (now - _since(place, canary, now)).total_seconds() / 60
    findings, is_waiting = _differences(target, server, label, is_new=minutes < config.grace)
    canary_errors = _errors(prometheus, job, minutes) if prometheus else Errors(0, 0)
    is_judged = canary_errors.num_requests >= config.min_requests
    if prometheus and is_judged:
        bound = _errors(prometheus, stable_job, minutes).share + config.max_errors
        if canary_errors.share > bound:
            findings.append(f"{canary_errors.share:.2%} of its requests fail; at most {bound:.2%} may")
    if findings:
        return Decision("back", canary, stable, tuple(findings))
    if is_waiting:
        return Decision("keep", canary, stable, ("not loaded yet",))
    if config.promote_after and is_judged and minutes >= 60 * config.promote_after:
        return Decision("promote", canary, stable, (f"{canary_errors.num_requests:,.0f} requests without findings",))
    return Decision("keep", canary, stable, ())


def note(target: str, decision: Decision) -> None:
    """Notes a version that was taken back as refused, so that no later step takes it for a good one."""
    if decision.action == "back":
        text = json.dumps({"passed": False, "version": decision.canary, "canary": decision.reasons}, indent=1)
        Place(target).write_text(f"{VERDICTS}/{decision.canary}.json", text + "\n")


def _since(place: Place, version: int, now: datetime.datetime) -> datetime.datetime:
    """Returns when a version was first seen under trial; notes it."""
    text = place.read_text(_STATE)
    state = {} if text is None else json.loads(text)
    if state.get("version") != version:
        state = {"version": version, "since": now.isoformat()}
        place.write_text(_STATE, json.dumps(state) + "\n")
    return datetime.datetime.fromisoformat(state["since"])


def _differences(target: str, server: str, label: str, *, is_new: bool) -> tuple[list[str], bool]:
    """Returns what is not as certified, and whether the servers may still be loading the version."""
    try:
        differences = verify_server(server, target, label=label).differences
    except ServerUnreachableError as error:
        return ([], True) if is_new else ([str(error)], False)
    if is_new and any(
        difference.where == "version" or "NotLoaded" in difference.found or "label" in difference.found
        for difference in differences
    ):
        return [], True
    return [_sentence(difference) for difference in differences[:3]], False


def _sentence(difference: Difference) -> str:
    return f"{difference.servable}, {difference.where}: {difference.found} in place of {difference.expected}"


def _errors(prometheus: str, job: str, minutes: float) -> Errors:
    window = f"[{max(round(minutes), 5)}m]"
    names = f'job="{job}",model_name=~"{_NAMES}"'
    total = _query(prometheus, f"sum(increase({REQUESTS}{{{names}}}{window}))")
    failed = _query(prometheus, f'sum(increase({REQUESTS}{{{names},status!="OK"}}{window}))')
    return Errors(total, failed)


def _query(prometheus: str, query: str) -> float:
    """Returns the value of an expression; 0 where nothing matches."""
    address = f"{prometheus.rstrip('/')}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT) as response:
            result = json.load(response)["data"]["result"]
        return float(result[0]["value"][1]) if result else 0.0
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise ServingError(
            f"Prometheus at {prometheus} does not answer {query!r}: {error}. Nothing was changed. Check --prometheus."
        ) from error
