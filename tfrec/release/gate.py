"""Decides whether a new version may be labelled, from the one in service and the baseline, with reasons.

The last days of the shop (its test period) are asked. The new version must answer as certified, must not lose more than
a margin to the version in service nor to the baseline that `tfrec baseline` would publish, signature by signature, must
say chances that hold, and must not be much slower.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tfrec.baselines.registry import default_method
from tfrec.errors import ConfigError, SourceError
from tfrec.evaluation.cases import Cases
from tfrec.evaluation.evaluate import by_slates
from tfrec.evaluation.metrics import Ranking, hit_rate_at_k
from tfrec.evaluation.sections import Method
from tfrec.ingest.prepared import Prepared, read_prepared
from tfrec.release.certificate import Certificate, hash_code, hash_files, read_certificate
from tfrec.release.comparison import (
    MIN_QUERIES,
    K,
    SignatureComparison,
    by_baseline,
    compare_answers,
    held_out_questions,
)
from tfrec.release.latency import measure_side_by_side
from tfrec.release.place import Place, read_about
from tfrec.release.replay import check_folder
from tfrec.release.served_ranker import served_ranker
from tfrec.release.user_pasts import with_unstored_pasts
from tfrec.serving.models_config import FALLBACK, SERVABLES
from tfrec.serving.servable import Servable

VERDICTS = ".gate"
"""Folder of verdicts in a folder of models; a version that was refused is not taken for the newest."""


@dataclasses.dataclass(frozen=True)
class GateConfig:
    """Bounds of a gate.

    Attributes:
        margin: largest loss of HR@10 that is accepted, against the version in service and against the baseline.
        calibration: the hits that the chances of the first ten items announce, as a multiple of those that came, lie
            between 1 / `calibration` and `calibration`.
        slowdown: largest median time of a request, as a multiple of that of the version in service.
        max_queries: asked of each signature and draw.
    """

    margin: float = 0.02
    calibration: float = 2.0
    slowdown: float = 1.5
    max_queries: int = 2_000

    def __post_init__(self) -> None:
        if not 0 <= self.margin < 1 or self.calibration <= 1 or self.slowdown < 1 or self.max_queries < 1:
            raise ConfigError(
                "`margin` must lie in [0, 1), `calibration` above 1, `slowdown` and `max_queries` at 1 or above; "
                f"got {self}."
            )


@dataclasses.dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        what: such as `complete_cart against ease_personal`.
        found: what was measured.
        bound: what it must be.
        passed: None where there was too little to judge by.
    """

    what: str
    found: str
    bound: str
    passed: bool | None


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Outcome of a gate.

    Attributes:
        version: version that was judged.
        against: version in service; None where there is none.
        baseline: method of the fall-back.
        checks: all that was looked at.
        basis: SHA-256 of what the verdict rests on: versions, shop, bounds and code.
        is_reused: it was given before, on the same basis.
    """

    version: int
    against: int | None
    baseline: str
    checks: tuple[Check, ...]
    basis: str = ""
    is_reused: bool = False

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(check.passed is not False for check in self.checks)


def judge(
    models: Path,
    *,
    version: int | None = None,
    label: str = "stable",
    prepared: Path | None = None,
    config: GateConfig = GateConfig(),
    force: bool = False,
) -> Verdict:
    """Judges a version, notes the verdict in `MODELS/.gate/N.json`, and returns it.

    A verdict that was given on the same basis is returned as it is.

    Args:
        models: folder of servables.
        version: version that is judged; None = the newest.
        label: label of the version in service; without such a label the next older version counts as in service.
        prepared: the shop; None = where it lay when the version was made.
        config: bounds.
        force: judge again, whatever was judged before.

    Raises:
        SourceError: the version or the shop is not there, or the shop is another one.
        ServingError: a version has no certificate, or cannot be loaded.
    """
    place = Place(models)
    there = place.whole_versions()
    number = max(there, default=0) if version is None else version
    if number not in there:
        versions = ", ".join(map(str, there)) or "none"
        raise SourceError(f"{models} has no version {number} of {', '.join(SERVABLES)}; there are: {versions}.")
    against = _in_service(place, label, candidate=number)
    shop = shop_of(models / "shop" / str(number), prepared)
    method = _baseline_method(models, place, shop)
    certificate = read_certificate(models / "shop" / str(number))
    basis = _basis(models, [number, *([against] if against is not None else [])], shop, method, config)
    given = _given_before(place, number)
    if given is not None and given.basis == basis and not force:
        return dataclasses.replace(given, is_reused=True)
    questions = held_out_questions(shop.train, shop.test, max_queries=config.max_queries)
    folder = models / "shop" / str(number)
    with Servable.load(folder, is_graph_rewritten=False) as candidate:
        checks = _certified(models, number, candidate)
        answers = _answers(by_slates(served_ranker(with_unstored_pasts(candidate, folder, shop))), questions)
        checks += _against(answers, _answers(by_baseline(shop.train, method), questions), questions, method, config)
        checks.append(_calibrated(answers.get("complete_cart", []), config))
        if against is not None:
            folder = models / "shop" / str(against)
            with Servable.load(folder, is_graph_rewritten=False) as serving:
                others = _answers(by_slates(served_ranker(with_unstored_pasts(serving, folder, shop))), questions)
                checks += _against(answers, others, questions, f"version {against}", config)
                checks.append(_fast_enough(candidate, serving, certificate, f"version {against}", config))
    verdict = Verdict(number, against, method, tuple(checks), basis)
    place.write_text(f"{VERDICTS}/{number}.json", as_json(verdict))
    return verdict


def was_refused(place: Place, version: int) -> bool:
    """Returns whether the last gate that judged a version refused it."""
    text = place.read_text(f"{VERDICTS}/{version}.json")
    return text is not None and not json.loads(text)["passed"]


def _basis(models: Path, versions: Sequence[int], shop: Prepared, method: str, config: GateConfig) -> str:
    """Returns the SHA-256 of all that a verdict depends on; of the versions, the files as they are now."""
    folders = [models / name / str(number) for number in versions for name in SERVABLES]
    files = [hash_files(folder) for folder in folders]
    certificates = [read_certificate(folder).to_json() for folder in folders]
    parts = (versions, files, certificates, shop.manifest.fingerprint, method, dataclasses.astuple(config), hash_code())
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _given_before(place: Place, version: int) -> Verdict | None:
    """Returns the last verdict on a version; None = there is none, or it is of a canary or an older release."""
    stored = json.loads(place.read_text(f"{VERDICTS}/{version}.json") or "{}")
    if "basis" not in stored:
        return None
    checks = tuple(Check(**check) for check in stored["checks"])
    return Verdict(stored["version"], stored["against"], stored["baseline"], checks, stored["basis"])


def _in_service(place: Place, label: str, *, candidate: int) -> int | None:
    config = place.config().get("shop")
    if config is not None and label in config.labels:
        number = config.labels[label]
        return None if number == candidate else number
    older = [number for number in place.whole_versions() if number < candidate and not was_refused(place, number)]
    return max(older, default=None)


def shop_of(folder: Path, prepared: Path | None) -> Prepared:
    """Returns the shop that a version was made from.

    Raises:
        SourceError: it is gone, or another state of it is there.
    """
    about = read_about(folder)
    named = prepared or Path(about.get("prepared") or "")
    if not (named / "manifest.json").is_file():
        raise SourceError(f"{folder} was made from {named}, which is gone. Name the shop with --prepared DIR.")
    shop = read_prepared(named)
    if about.get("fingerprint") != shop.manifest.fingerprint:
        raise SourceError(
            f"{folder} was made from another state of the shop than {named} holds now, so its last days may be known "
            "to it. Name that state with --prepared DIR, or train on this one: tfrec train PREPARED --out MODELS"
        )
    return shop


def _baseline_method(models: Path, place: Place, shop: Prepared) -> str:
    """Returns the method of the fall-back that is in service, else of the one that would be published."""
    numbers = place.versions(FALLBACK)
    published = read_about(models / FALLBACK / str(numbers[-1])).get("method") if numbers else None
    return str(published or default_method(shop.train))


def _certified(models: Path, number: int, candidate: Servable) -> list[Check]:
    checks = []
    for name in SERVABLES:
        loaded = candidate if name == "shop" else None
        differences = check_folder(models / name / str(number), servable=name, version=number, loaded=loaded)
        observed = f"{len(differences)} differences, first: {differences[0].where}" if differences else "no difference"
        checks.append(Check(f"certificate of {name}", observed, "no difference", not differences))
    return checks


def _answers(method: Method, questions: Mapping[str, Sequence[Cases]]) -> dict[str, list[Ranking]]:
    return {name: [method(cases, K) for cases in sets] for name, sets in questions.items()}


def _against(
    answers: Mapping[str, Sequence[Ranking]],
    others: Mapping[str, Sequence[Ranking]],
    questions: Mapping[str, Sequence[Cases]],
    other: str,
    config: GateConfig,
) -> list[Check]:
    checks = []
    for name, sets in questions.items():
        checks.append(_as_check(compare_answers(name, answers[name], others[name], sets), other, config))
    return checks


def _as_check(comparison: SignatureComparison, other: str, config: GateConfig) -> Check:
    is_judged = comparison.num_queries >= MIN_QUERIES
    return Check(
        f"{comparison.signature} against {other}",
        f"HR@{K} {comparison.first:.3f} against {comparison.second:.3f}, difference {comparison.difference}, "
        f"{comparison.num_queries:,} queries",
        f"no loss beyond {config.margin:g}" if is_judged else f"at least {MIN_QUERIES} queries",
        None if not is_judged else not comparison.is_worse(margin=config.margin),
    )


def _calibrated(answers: Sequence[Ranking], config: GateConfig) -> Check:
    """Checks the hits that the probabilities of carts' first ten items predict against those observed."""
    hits = sum(float(hit_rate_at_k(ranking.ranks, k=K).sum()) for ranking in answers)
    announced = sum(
        float(np.where(ranking.top[:, :K] >= 0, ranking.probabilities[:, :K], 0.0).sum())
        for ranking in answers
        if ranking.probabilities is not None
    )
    bound = f"between 1/{config.calibration:g} and {config.calibration:g}"
    if hits < MIN_QUERIES:
        return Check("predicted hits of complete_cart", f"{hits:.0f} hits", f"at least {MIN_QUERIES} hits", None)
    ratio = announced / hits
    passed = 1 / config.calibration <= ratio <= config.calibration
    return Check("predicted hits of complete_cart", f"{ratio:.2f} times the observed ones", bound, passed)


def _fast_enough(
    candidate: Servable, serving: Servable, certificate: Certificate, other: str, config: GateConfig
) -> Check:
    latency = measure_side_by_side(candidate, serving, certificate.queries)
    return Check(
        f"time of a request against {other}",
        f"{latency.first:.1f} ms against {latency.second:.1f} ms",
        f"at most {config.slowdown:g} times",
        latency.ratio <= config.slowdown,
    )


def as_json(verdict: Verdict) -> str:
    """Returns a verdict for machines."""
    return json.dumps({"passed": verdict.passed, **dataclasses.asdict(verdict)}, indent=1, ensure_ascii=False) + "\n"
