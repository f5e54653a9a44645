"""Logs to an MLflow run; a failure of the tracking server gives a warning and never stops the logged work."""

import functools
import logging
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

_MAX_BATCH = 100  # of MLflow's log_batch


class Run:
    """An MLflow run that never stops the logged work: the first failure is reported, then nothing more is sent.

    Args:
        client: an `MlflowClient`.
        run_id: id of the MLflow run.
    """

    def __init__(self, client: Any, run_id: str) -> None:
        self._client = client
        self.run_id = run_id
        self.has_failed = False

    def losses(self, phase: str, epoch: int, loss: float) -> None:
        """Adds a point to the curve `loss/<phase>`."""
        self.send(lambda client: client.log_metric(self.run_id, _key(f"loss/{phase}"), loss, step=epoch))

    def params(self, values: Mapping[str, Any]) -> None:
        """Logs parameters, flattened: `{"retrieval": {"embedding_dim": 64}}` is `retrieval.embedding_dim`."""
        from mlflow.entities import Param

        parts = [Param(_key(name), str(value)) for name, value in flatten(values).items()]
        self._batches("params", parts)

    def metrics(self, values: Mapping[str, float]) -> None:
        """Logs figures; those that are no number are left out."""
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        parts = [Metric(_key(name), value, now, 0) for name, value in values.items() if value == value]
        self._batches("metrics", parts)

    def tags(self, values: Mapping[str, str]) -> None:
        """Sets tags."""
        from mlflow.entities import RunTag

        self.send(
            lambda client: client.log_batch(self.run_id, tags=[RunTag(name, text) for name, text in values.items()])
        )

    def files(self, place: Path, folder: str | None = None) -> None:
        """Copies a file or a folder into the run's artifacts."""
        log = "log_artifacts" if place.is_dir() else "log_artifact"
        self.send(lambda client: getattr(client, log)(self.run_id, str(place), folder))

    def try_again(self) -> None:
        """Lets calls through again: a server that was away for a while may be back."""
        self.has_failed = not self.run_id

    def send(self, call: Callable[[Any], Any]) -> Any:
        """Returns what a call of the client gives; None once anything has failed."""
        if self.has_failed:
            return None
        try:
            return call(self._client)
        except Exception as error:  # SQL, HTTP, S3 and plug-ins each raise their own; none may cost a training
            self.has_failed = True
            logger.warning(
                "Tracking has stopped, the work continues: %s. Nothing is lost: once the tracking server answers, "
                "`tfrec train` with --track and `tfrec evaluate` log the finished models.",
                " ".join(str(error).split()) or type(error).__name__,
            )
            return None

    def _batches(self, kind: str, parts: list[Any]) -> None:
        for start in range(0, len(parts), _MAX_BATCH):
            chunk = {kind: parts[start : start + _MAX_BATCH]}
            self.send(functools.partial(_log_batch, run_id=self.run_id, chunk=chunk))


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns nested values under dotted names: `{"a": {"b": 1}}` is `{"a.b": 1}`."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def _log_batch(client: Any, run_id: str, chunk: dict[str, list[Any]]) -> None:
    client.log_batch(run_id, **chunk)


def _key(name: str) -> str:
    """Returns a name of letters, digits and `_-. /` only, as MLflow requires."""
    return re.sub(r"[^\w\-./]+", "_", name.strip().replace("@", "_at_"), flags=re.ASCII)
