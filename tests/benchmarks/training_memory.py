"""Resident memory of a training, phase by phase: `python -m tests.benchmarks.training_memory`.

Each shop is prepared and trained, exported included, in a process of its own, in which a thread reads the resident
memory fifty times a second; so the feature tables, computed in the background, are in other phases too. Online Retail
has the settings of every day; the demo shop of 1.7 M events (20,000 items, 100,000 users) the smallest.
"""

import argparse
import contextlib
import dataclasses
import multiprocessing
import pkgutil
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from tests.benchmarks.results import Cost, add_save, save_results
from tests.benchmarks.whole_shop import data_home
from tests.demo_shops import prepare_demo_shop

_DEMO = {"num_items": 20_000, "num_users": 100_000, "num_events": 2_000_000}
_SMALLEST = {"retrieval_epochs": 1, "ranking_epochs": 1, "num_blocks": 1, "ranking_queries": 2_000}
SHOPS: dict[str, dict[str, int]] = {"online_retail": {}, "demo_shop": _SMALLEST}
"""Name of a shop → settings of `TrainingConfig` that differ from the defaults."""

PHASES = {
    "tfrec.workflow.load_shop": "shop read",
    "tfrec.training.fit.TowerTraining.learn": "towers trained",
    "tfrec.training.fit.block_examples": "ranking examples written",
    "tfrec.training.examples.compute_feature_tables": "feature tables (in the background)",
    "tfrec.training.fit.fit_ranking": "ranking model trained",
    "tfrec.workflow.check_against_fallback": "compared with the fall-back",
    "tfrec.workflow.publish_trained": "exported and checked",
}
"""Function → what it does."""


@dataclasses.dataclass
class Phase:
    """Memory of a phase in GB, over all its calls.

    Attributes:
        before: at its first start.
        peak: highest.
        seconds: in all.
    """

    before: float
    peak: float
    seconds: float = 0.0


class PhaseMemory:
    """Reads the resident memory of this process in a thread and keeps the peak of each phase that is running."""

    def __init__(self) -> None:
        self.phases: dict[str, Phase] = {}
        self._running: list[str] = []
        self._ended = threading.Event()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Reads the memory within a `with` block."""
        thread = threading.Thread(target=self._read, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Counts the `with` block to a phase."""
        now = resident_memory()
        phase = self.phases.setdefault(name, Phase(now, now))
        self._running.append(name)
        began = time.perf_counter()
        try:
            yield
        finally:
            phase.seconds += time.perf_counter() - began
            phase.peak = max(phase.peak, resident_memory())
            self._running.remove(name)

    def measured(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """Returns the function as a phase."""

        def call(*args: Any, **kwargs: Any) -> Any:
            with self.phase(name):
                return function(*args, **kwargs)

        return call

    def _read(self) -> None:
        while not self._ended.wait(0.02):
            now = resident_memory()
            for name in list(self._running):
                self.phases[name].peak = max(self.phases[name].peak, now)


def resident_memory() -> float:
    """Returns the resident memory of this process now, GB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e9


def train_watched(name: str, prepared: Path, models: Path) -> dict[str, Phase]:
    """Trains and exports a prepared shop; prints and returns the memory of each phase."""
    import tfrec.training  # noqa: F401 - checks Keras first
    from tfrec.training import TrainingConfig
    from tfrec.workflow import train_shop

    memory = PhaseMemory()
    with contextlib.ExitStack() as stack:
        for path, label in PHASES.items():
            stack.enter_context(mock.patch(path, memory.measured(pkgutil.resolve_name(path), label)))
        stack.enter_context(memory.watching())
        config = TrainingConfig(**SHOPS[name])
        with memory.phase("whole training"):
            train_shop(prepared, models, config, show_progress=False)
    memory.phases["whole training"].peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    for label, phase in memory.phases.items():
        memory_of = f"{phase.before:5.2f} GB at its start, {phase.peak:5.2f} GB peak"
        print(f"{name}, {label:<36}{phase.seconds:7.1f} s, {memory_of}", flush=True)
    return memory.phases


def prepare(name: str, folder: Path) -> Path:
    """Returns where a shop was prepared."""
    from tfrec.ingest.prepare import prepare_shop

    if name == "demo_shop":
        return prepare_demo_shop(folder, **_DEMO)
    return prepare_shop(name, folder / "prepared", data_home=data_home()).path


def main() -> None:
    """Prints the memory of each phase for each shop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shops", nargs="*", default=list(SHOPS), help="shops to train (default: all)")
    parser.add_argument("--prepared", type=Path, help="where the one shop that is named was prepared")
    parser.add_argument("--out", type=Path, help="folder of models to be kept (default: none)")
    add_save(parser)
    options = parser.parse_args()
    processes, costs = multiprocessing.get_context("spawn"), []
    for name in options.shops:
        with tempfile.TemporaryDirectory() as folder:
            prepared = options.prepared
            if prepared is None:
                with processes.Pool(1) as pool:
                    prepared = pool.apply(prepare, (name, Path(folder)))
            with processes.Pool(1) as pool:
                phases = pool.apply(train_watched, (name, prepared, options.out or Path(folder) / "models"))
        peaks = ", ".join(f"{label} {phase.peak:.1f}" for label, phase in phases.items())
        costs.append(Cost(f"peak memory of a training, {name}, GB", peaks))
    if options.save:
        save_results("training_memory", "make bench-training_memory", costs=costs)


if __name__ == "__main__":
    main()
