"""`RequestLog`: a sample of answered requests as `PredictionLog` records, for warm-up and replay.

Each file holds at most 1,000 records, as TF Serving takes them as warm-up requests. A thread of its own writes; where
it does not keep up, or the disk is full, records are left out and requests are answered all the same.
"""

import contextlib
import logging
import queue
import random
import threading
import time
from pathlib import Path
from typing import Any

from tfrec.errors import ConfigError, SourceError
from tfrec.schema import wire
from tfrec.serving.tfrecords import as_tfrecord

logger = logging.getLogger(__name__)

_MAX_RECORDS = 1000  # of a file
_MAX_QUEUED = 100


class RequestLog:
    """A folder of logged requests; any thread may add to it.

    Args:
        folder: made where there is none; holds user ids as they were sent.
        share: of the requests that are logged, in (0, 1].
        max_files: the oldest ones of this log are deleted.

    Raises:
        ConfigError: a setting is out of range.
        SourceError: the folder cannot be made.
    """

    def __init__(self, folder: Path, *, share: float, max_files: int = 100) -> None:
        if not 0 < share <= 1 or max_files < 1:
            raise ConfigError(
                f"The share of logged requests must be in (0, 1], `max_files` positive; got {share} and {max_files}."
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SourceError(f"{folder} cannot hold a log of requests: {error}. Name another folder.") from error
        self._folder = folder
        self._share = share
        self._max_files = max_files
        self._queue: queue.Queue[bytes | None] = queue.Queue(_MAX_QUEUED)
        self._has_complained = False
        self._writer = threading.Thread(target=self._write, name="tfrec-request-log", daemon=True)
        self._writer.start()

    def add(self, request: Any, response: Any) -> None:
        """Logs an answered `PredictRequest` with its `PredictResponse`, or does not, by chance."""
        if random.random() >= self._share:
            return
        log = wire.PredictionLog(
            log_metadata={"model_spec": response.model_spec, "sampling_config": {"sampling_rate": self._share}},
            predict_log={"request": request, "response": response},
        )
        try:
            self._queue.put_nowait(log.SerializeToString())
        except queue.Full:
            self._complain("it is behind; requests are left out")

    def close(self) -> None:
        """Writes what waits, and ends."""
        self._queue.put(None)
        self._writer.join()

    def _write(self) -> None:
        record, number = self._queue.get(), 0
        while record is not None:
            number += 1
            path = self._folder / f"requests-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{number:04d}.tfrecord"
            try:
                with path.open("ab") as file:
                    for _ in range(_MAX_RECORDS):
                        file.write(as_tfrecord(record))
                        file.flush()  # each record is whole as soon as it is there
                        record = self._queue.get()
                        if record is None:
                            break
                for old in sorted(self._folder.glob("requests-*.tfrecord"))[: -self._max_files]:
                    old.unlink(missing_ok=True)
            except OSError as error:
                self._complain(f"{error}; requests are left out")
                with contextlib.suppress(OSError):
                    if not path.stat().st_size:  # a full disk still makes files
                        path.unlink()
                record = self._queue.get()

    def _complain(self, what: str) -> None:
        if not self._has_complained:
            logger.warning("The log of requests in %s: %s.", self._folder, what)
        self._has_complained = True
