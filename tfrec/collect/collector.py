"""Takes events from files, folders and streams to where they are kept."""

import itertools
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from tfrec.collect.batches import Batch, Collected, Position, Rejected, Row, Target
from tfrec.collect.event_check import LONGEST_LINE, EventCheck, EventRules, NoEventError
from tfrec.collect.line_files import find_files, read_blocks
from tfrec.errors import SourceError

logger = logging.getLogger(__name__)

STDIN = "standard input"
_SHOWN = 1_000  # characters of a rejected line that are kept
_LINES = 2_000  # of a stream that are kept at once
_PATIENCE = 1.0  # seconds after which fewer are kept


class Collector:
    """Checks events and keeps them; while a batch is being kept, the next one is read and checked.

    Attributes:
        rules: what events must be like.
        target: where they are kept.
        collected: counts so far.
    """

    def __init__(self, target: Target, rules: EventRules) -> None:
        self.target, self.rules = target, rules
        self.collected = Collected()
        self._check = EventCheck(rules)
        self._writer = ThreadPoolExecutor(1)
        self._pending: Future[Collected] | None = None

    @property
    def dropped(self) -> int:
        """Events of which unknown fields were dropped."""
        return self._check.dropped

    def check_lines(self, lines: Iterable[tuple[int, bytes | None]], origin: str) -> tuple[list[Row], list[Rejected]]:
        """Returns the events of lines, and the lines that are none.

        Args:
            lines: place and text of each; None stands for one that is too long.
            origin: where they come from.
        """
        rows: list[Row] = []
        rejected: list[Rejected] = []
        row_of_line = self._check.row_of_line
        for place, line in lines:
            try:
                if line is None:
                    raise NoEventError(f"longer than {LONGEST_LINE:,} bytes")
                rows.append(row_of_line(line))
            except NoEventError as error:
                rejected.append(Rejected(origin, place, str(error), self._shown(line)))
        return rows, rejected

    def check_events(self, events: Iterable[Any], origin: str) -> tuple[list[Row], list[Rejected]]:
        """Returns the rows of events, and those that are none, by their number from 0."""
        rows: list[Row] = []
        rejected: list[Rejected] = []
        for place, event in enumerate(events):
            try:
                rows.append(self._check.row_of(event))
            except NoEventError as error:
                rejected.append(Rejected(origin, place, str(error), self._shown(str(event).encode())))
        return rows, rejected

    def keep(self, batch: Batch) -> None:
        """Keeps a batch after the one before."""
        batch = self.target.prepare(batch)
        self.wait()
        self._pending = self._writer.submit(self.target.commit, batch)

    def wait(self) -> None:
        """Waits until all is kept.

        Raises:
            SourceError: the batch could not be kept.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            self.collected.add(pending.result())

    def close(self) -> None:
        """Waits until all is kept, and closes the target."""
        try:
            self.wait()
        finally:
            self._writer.shutdown()
            self.target.close()

    def _shown(self, line: bytes | None) -> str:
        if line is None or self.rules.key:  # it may hold the user id that the key is to hide
            return ""
        return line.decode(errors="replace").replace("\0", "")[:_SHOWN]


def collect_files(
    places: Sequence[Path],
    collector: Collector,
    *,
    follow: bool = False,
    poll_seconds: float = 1.0,
    stopped: Callable[[], bool] = lambda: False,
) -> Collected:
    """Collects the events of files and folders, each line once; returns the counts.

    Args:
        places: files and folders.
        collector: checks and keeps events.
        follow: goes on for what is appended and for new files in the folders, until `stopped`.
        poll_seconds: time between two looks.
        stopped: whether to end.

    Raises:
        SourceError: a file or folder is not there, or cannot be read.
    """
    positions = dict(collector.target.positions())
    seen: dict[str, tuple[int, int]] = {}
    while True:
        for path in find_files(places):
            name = str(path.absolute())
            if stopped():
                break
            try:
                state = path.stat()
                if seen.get(name) == (state.st_size, state.st_mtime_ns):
                    continue
                known = positions.get(name, Position())
                for block in read_blocks(path, known, is_growing=follow):
                    rows, rejected = collector.check_lines(block.lines, name)
                    positions[name] = block.position
                    collector.keep(Batch(rows, rejected, {name: block.position}))
                    if stopped():
                        break
                seen[name] = (state.st_size, state.st_mtime_ns)
            except FileNotFoundError:
                if not follow:
                    raise
            except (OSError, EOFError) as error:
                if isinstance(error, SourceError):
                    raise
                raise SourceError(f"{path} cannot be read: {error}.") from error
        collector.wait()
        if not follow or stopped():
            return collector.collected
        collector.target.roll_if_due()
        _sleep(poll_seconds, stopped)


def collect_stream(stream: IO[bytes], collector: Collector, *, origin: str = STDIN) -> Collected:
    """Collects the events of a stream of lines until it ends; returns the counts.

    Nothing remembers how far a stream was read: when it is sent again, events are known by their ids.
    """
    for block in _batches(_numbered(stream)):
        rows, rejected = collector.check_lines(block, origin)
        collector.keep(Batch(rows, rejected))
    collector.wait()
    return collector.collected


def _numbered(stream: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    for number in itertools.count(1):
        line = stream.readline(LONGEST_LINE + 1)
        if not line:
            return
        if len(line) > LONGEST_LINE and not line.endswith(b"\n"):
            while (more := stream.readline(LONGEST_LINE)) and not more.endswith(b"\n"):
                pass
            yield number, None
        elif line.strip():
            yield number, line


def _batches(lines: Iterator[tuple[int, bytes | None]]) -> Iterator[list[tuple[int, bytes | None]]]:
    """Yields lines together, those of a slow stream after some time."""
    block: list[tuple[int, bytes | None]] = []
    began = time.monotonic()
    for line in lines:
        block.append(line)
        if len(block) >= _LINES or time.monotonic() - began > _PATIENCE:
            yield block
            block, began = [], time.monotonic()
    if block:
        yield block


def _sleep(seconds: float, stopped: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not stopped() and time.monotonic() < until:
        time.sleep(min(0.05, max(0.0, until - time.monotonic())))
