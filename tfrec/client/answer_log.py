"""`AnswerLog`: keeps what was shown as lines of JSON, an item a line, for `tfrec collect` and `tfrec prepare`.

Example:
    with AnswerLog("answers") as log, RecommenderClient("localhost:8500", log=log) as client:
        client.recommend(user_id="17850")
"""

import atexit
import collections
import datetime as dt
import json
import logging
import os
import signal
import threading
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import numpy as np

from tfrec.client.offers import Offers
from tfrec.errors import ConfigError, SourceError
from tfrec.schema import wire
from tfrec.schema.signatures import signature_named

logger = logging.getLogger(__name__)

_LONGEST_REQUEST = 4_000  # characters; `tfrec collect` keeps 8,000 of all further fields
_EVENTS = "recent_item_ids"  # types and ages are as many
_LONGEST_WAIT = 86_400  # seconds
_MANY = 1_000  # items that are written at once, without waiting for the time to come
_ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False)
_OPEN: "weakref.WeakSet[AnswerLog]" = weakref.WeakSet()


class AnswerLog:
    """A folder of lines of JSON, written by a thread of its own; any number of clients and threads may share it.

    `put` never waits: it adds to a buffer in memory, which the thread writes every `flush_seconds`, or sooner where
    much comes. A process that is killed loses that buffer at most; one that ends, by itself or by SIGTERM, loses
    nothing. Files hold whole lines. They are not synced: a power cut loses what the system has not written.

    A process that is forked writes files of its own; what was in the buffer at the fork is written by its parent.

    Attributes:
        folder: where the files are: `answers-TIME-PROCESS-RANDOM.jsonl`.
        dropped: items that were not kept: the buffer was full, as the disk took nothing or less than what came.

    Args:
        folder: made where it is missing.
        placement: where the slates are shown ("cart page"), kept with each.
        buffer_rows: items that may wait to be written; what comes beyond is dropped and counted. A single answer may
            have more.
        flush_seconds: time after which they are written.
        file_bytes: size after which a new file begins.
        file_seconds: age after which it does.

    Raises:
        ConfigError: a setting is not above 0, or `placement` is no text.
        SourceError: the folder cannot be written.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        placement: str = "",
        buffer_rows: int = 20_000,
        flush_seconds: float = 0.5,
        file_bytes: int = 64 * 2**20,
        file_seconds: float = 3_600.0,
    ) -> None:
        if not isinstance(placement, str):
            raise ConfigError(f"`placement` must be a text such as 'cart page'; got {placement!r}.")
        settings = (buffer_rows, flush_seconds, file_bytes, file_seconds)
        if not all(0 < setting < float("inf") for setting in settings) or flush_seconds > _LONGEST_WAIT:
            raise ConfigError(
                f"An answer log takes settings above 0, and a `flush_seconds` of at most {_LONGEST_WAIT:,}; got "
                f"{buffer_rows=}, {flush_seconds=}, {file_bytes=}, {file_seconds=}."
            )
        self.folder = Path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SourceError(f"{folder} cannot be made ({error}). Name another folder for answers.") from error
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise SourceError(f"{folder} cannot be written. Name another folder for answers.")
        self._placement, self._buffer_rows, self._flush_seconds = placement, buffer_rows, flush_seconds
        self._file_bytes, self._file_seconds = file_bytes, file_seconds
        self._thread: threading.Thread | None = None
        self._begin()
        _OPEN.add(self)
        _write_on_sigterm()

    def __enter__(self) -> "AnswerLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def put(self, signature: str, inputs: Mapping[str, np.ndarray], offers: Offers) -> None:
        """Takes the offers of a batch; returns at once.

        Args:
            signature: what was asked.
            inputs: what was sent, `[B, ...]`.
            offers: what is shown.
        """
        rows = int((offers.item_ids != "").sum())
        if not rows:
            return
        now = time.time()
        with self._lock:
            if self._is_closed or (self._waiting and self._waiting + rows > self._buffer_rows):
                if not self.dropped:
                    cause = "closed" if self._is_closed else f"full: {self._waiting:,} items wait to be written"
                    logger.warning("The log of answers in %s is %s; answers are not logged.", self.folder, cause)
                self.dropped += rows
                return
            self._answers.append((now, signature, inputs, offers, rows))
            self._waiting += rows
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_until_closed, name="tfrec answers", daemon=True)
                self._thread.start()
        if self._waiting >= _MANY:
            self._is_due.set()

    def flush(self) -> None:
        """Writes what was put so far.

        Raises:
            OSError: the disk does not take it.
        """
        with self._writing:
            while self._unwritten or self._answers:
                if not self._unwritten:
                    self._take()
                self._write()

    def close(self) -> None:
        """Writes what was put so far, and takes no more."""
        with self._lock:
            self._is_closed = True
        self._is_due.set()
        _OPEN.discard(self)
        try:
            self.flush()
        except OSError as error:
            with self._lock:
                self.dropped += self._waiting
            logger.error("%d items of answers were lost: %s cannot be written (%s).", self._waiting, self.folder, error)
        with self._writing:
            self._end_file()

    def _begin(self) -> None:
        """Starts with nothing: at first, and in a process that was forked."""
        # Reentrant, as a signal may come while its own thread holds them.
        self._lock, self._writing = threading.RLock(), threading.RLock()
        self._is_due = threading.Event()
        self._answers: collections.deque[tuple[float, str, Mapping[str, np.ndarray], Offers, int]] = collections.deque()
        self._waiting, self.dropped = 0, 0
        self._unwritten, self._unwritten_rows = b"", 0
        self._file: int | None = None
        self._file_end, self._file_begun = 0, 0.0
        self._thread = None
        self._is_closed = False

    def _write_until_closed(self) -> None:
        is_failing = False
        while not self._is_closed:
            self._is_due.wait(self._flush_seconds)
            self._is_due.clear()
            try:
                self.flush()
                is_failing = False
            except OSError as error:
                if not is_failing:
                    logger.warning("Answers wait in memory: %s cannot be written (%s).", self.folder, error)
                is_failing = True
                time.sleep(self._flush_seconds)

    def _take(self) -> None:
        """Turns waiting answers into lines."""
        lines: list[str] = []
        rows = 0
        while self._answers and rows < _MANY:
            moment, signature, inputs, offers, num = self._answers.popleft()
            lines += _lines(moment, signature, inputs, offers, self._placement)
            rows += num
        self._unwritten, self._unwritten_rows = "".join(lines).encode(), rows

    def _write(self) -> None:
        """Appends the lines to the file, all or none of them."""
        if self._file is None or self._file_end >= self._file_bytes or self._is_old():
            self._end_file()
            name = f"answers-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}-{os.getpid()}-{os.urandom(4).hex()}.jsonl"
            self._file = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            self._file_end, self._file_begun = 0, time.monotonic()
        left, end = memoryview(self._unwritten), self._file_end
        try:
            while left:  # at a place of its own: a signal may come in between and write the same
                num = os.pwrite(self._file, left, end)
                left, end = left[num:], end + num
        except OSError:
            os.ftruncate(self._file, self._file_end)
            raise
        self._file_end += len(self._unwritten)
        rows, self._unwritten, self._unwritten_rows = self._unwritten_rows, b"", 0
        with self._lock:
            self._waiting -= rows

    def _is_old(self) -> bool:
        return time.monotonic() > self._file_begun + self._file_seconds

    def _end_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _begin_in_child(self) -> None:
        self._end_file()  # the parent's; its own descriptor stays open
        self._begin()


def _lines(
    moment: float, signature: str, inputs: Mapping[str, np.ndarray], offers: Offers, placement: str
) -> list[str]:
    """Returns a line of JSON for each item that was shown, with its end."""
    timestamp = dt.datetime.fromtimestamp(moment, dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    lines = []
    for row, origin in enumerate(offers.origins):
        item_ids, propensities, prices, widgets = (
            np.atleast_2d(column)[row]
            for column in (offers.item_ids, offers.propensities, offers.prices, offers.widgets)
        )
        shown: dict[str, Any] = {
            "event_type": "impression",
            "timestamp": timestamp,
            "user_id": wire.as_text(inputs["user_id"][row]),
            "slate_id": origin.recommendation_id,
            "signature": signature,
            "version": f"{origin.servable}/{origin.version}",
        }
        if origin.arm:
            shown["arm"] = origin.arm
        if placement:
            shown["placement"] = placement
        for position, item_id in enumerate(item_ids.tolist()):
            if item_id == "":
                continue
            line = {
                "event_id": f"{origin.recommendation_id}-{position}",
                **shown,
                "item_id": item_id,
                "position": position,
            }
            if widgets[position]:  # what it earns is counted for the strategy that chose it, at its place there
                line["signature"] = str(widgets[position])
                line["position"] = int((widgets[:position] == widgets[position]).sum())
            if not np.isnan(propensities[position]):
                line["propensity"] = float(propensities[position])
            if prices[position]:
                line["price"] = float(str(prices[position]))
            if not position:
                line["request"] = _request(signature, inputs, row)
            lines.append(_ENCODER.encode(line) + "\n")
    return lines


def _request(signature: str, inputs: Mapping[str, np.ndarray], row: int) -> str:
    """Returns as JSON what the query stated; "" where that is too long for an event.

    Left out are values that equal the input's padding, as none says the same, and the user's history: it is long, and
    known to whoever reads the log.
    """
    stated: dict[str, Any] = {}
    for name, array in inputs.items():
        if name == "user_id" or name.startswith("history_"):
            continue
        if array.ndim == 2:
            if num := int((inputs[_EVENTS if name.startswith("recent_") else name][row][1:] != "").sum()):
                stated[name] = [wire.as_text(value) for value in array[row, 1 : 1 + num].tolist()]
        elif array.dtype == object:
            if array[row]:
                stated[name] = wire.as_text(array[row])
        elif np.isfinite(array[row]) and array[row] != signature_named(signature).input(name).padding:
            stated[name] = array[row].item()
    text = _ENCODER.encode(stated)
    return text if len(text) <= _LONGEST_REQUEST else ""


def _close_all() -> None:
    for log in list(_OPEN):
        log.close()


def _write_on_sigterm() -> None:
    """Lets SIGTERM end the process after what waits is written, where nothing else handles it."""
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _end_by_signal)


def _end_by_signal(number: int, frame: FrameType | None) -> None:
    _close_all()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _after_fork() -> None:
    for log in list(_OPEN):
        log._begin_in_child()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_after_fork)
