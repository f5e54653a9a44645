"""Numbers the sessions of parts of a log, each from where the parts before it left every user."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from tfrec.ingest.event_parts import Part
from tfrec.ingest.sessions import SESSION_NUMBERS, SessionCounter, Sessions, open_numbers, uncut_events
from tfrec.sources.engine import Workspace
from tfrec.sources.file_format import FILE, ROW

_AT_ONCE = 1 << 18  # events
_TAIL = pa.schema([("user_id", pa.string()), ("last", pa.int64()), ("number", pa.int32())])


@dataclasses.dataclass(frozen=True)
class SessionParts:
    """The sessions of a log in parts.

    Attributes:
        events: good events.
        parts: all parts, in the order of time.
        tails: part → where the state of its users at its end is kept, or is to be; empty where nothing is kept.
        known: parts of which it is there.
        sessions: how a visit ends.
        workspace: where numbers are stored.
    """

    events: ir.Table
    parts: Sequence[Part]
    tails: Mapping[Part, Path]
    known: Collection[Part]
    sessions: Sessions
    workspace: Workspace

    def number(self, wanted: Collection[Part]) -> dict[Part, Path]:
        """Returns part → file with `SESSION_NUMBERS` of its events, in the order of time, of all wanted parts.

        Parts that are not wanted are numbered only where the state at their end is not kept.
        """
        wanted = {*wanted}
        if not wanted:
            return {}
        last = max(wanted, key=lambda part: part.first)
        before = self.parts[: self.parts.index(last) + 1]
        needed = [part for part in before if part in wanted or part not in self.known]
        cut = uncut_events(self.events)
        users = cut.select("user_id").distinct()
        users = self.workspace.store("session_users", users.mutate(_user=ibis.row_number().cast("int64")))
        names = users.order_by("_user").select("user_id").to_pyarrow()["user_id"] if self.tails else None
        counter = SessionCounter(self.sessions)
        found: dict[Part, Path] = {}
        at = 0
        while at < len(before):
            if before[at] not in needed:
                self._resume(counter, before[at], users)
                at += 1
                continue
            end = at
            while end < len(before) and before[end] in needed:
                end += 1
            found |= self._number_run(counter, before[at:end], cut, users, names)
            at = end
        return {part: path for part, path in found.items() if part in wanted}

    def _number_run(
        self,
        counter: SessionCounter,
        run: Sequence[Part],
        cut: ir.Table,
        users: ir.Table,
        names: pa.ChunkedArray | None,
    ) -> dict[Part, Path]:
        """Returns the numbers of parts that follow one another."""
        within = run[0].until(run[-1]).rows_of(cut)
        ordered = within.join(users, "user_id").order_by("timestamp", FILE, ROW).select(FILE, ROW, "_user", "timestamp")
        ends = np.array([part.end_us for part in run])
        paths = [self.workspace.scratch / f"{_numbers(part)}.parquet" for part in run]
        writers = [open_numbers(path) for path in paths]
        active: list[list[np.ndarray]] = [[] for _ in run]
        at = 0
        for batch in self.workspace.read_in_parts(ordered, rows=_AT_ONCE):
            moments = batch.column("timestamp").cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
            user = batch.column("_user").to_numpy()
            first = 0
            while first < len(moments):
                end = int(np.searchsorted(moments, ends[at]))
                if end > first:
                    piece = slice(first, end)
                    number = counter.number(user[piece], moments[piece])
                    columns = [batch.column(name)[piece].cast(SESSION_NUMBERS.field(name).type) for name in (FILE, ROW)]
                    writers[at].write_batch(pa.record_batch([*columns, pa.array(number)], schema=SESSION_NUMBERS))
                    if names is not None:
                        active[at].append(np.unique(user[piece]))
                if end < len(moments):
                    self._keep_tail(counter, run[at], active[at], names)
                    at += 1
                first = end
        for part, seen in zip(run[at:], active[at:], strict=True):
            self._keep_tail(counter, part, seen, names)
        for writer in writers:
            writer.close()
        return dict(zip(run, paths, strict=True))

    def _keep_tail(
        self, counter: SessionCounter, part: Part, seen: Sequence[np.ndarray], names: pa.ChunkedArray | None
    ) -> None:
        if names is None or part not in self.tails:
            return
        users = np.unique(np.concatenate([np.zeros(0, np.int64), *seen]))
        last, number = counter.state_of(users)
        kept = self.workspace.kept
        assert kept is not None
        kept.write_table(self.tails[part], pa.table([names.take(users), last, number], schema=_TAIL))

    def _resume(self, counter: SessionCounter, part: Part, users: ir.Table) -> None:
        """Takes up the state at the end of a part that is not numbered again."""
        tail = self.workspace.open_file(f"{_numbers(part)}_tail", self.tails[part])
        state = tail.join(users, "user_id").select("_user", "last", "number").to_pyarrow()
        counter.resume(*(state[name].to_numpy() for name in ("_user", "last", "number")))


def _numbers(part: Part) -> str:
    """Returns the name of a table of numbers; Spark takes no hyphen."""
    return f"session_numbers_{part.name.replace('-', '_')}"
