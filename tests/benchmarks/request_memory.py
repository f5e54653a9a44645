"""Prints the memory that a request takes, by its rows and by its declared values, against the server's estimate.

`python -m tests.benchmarks.request_memory [--models DIR --items N]`; without DIR it trains a demo shop of 4,000 items
for a few steps first. Each case is asked in a process of its own, whose memory is read before and at its highest.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.demo_shops import prepare_demo_shop
from tfrec.schema.signatures import SIGNATURES
from tfrec.serving.limits import ELEMENT_BYTES, ROW_BYTES

_CASES = ((512, 1), (1024, 1), (2048, 1), (256, 100), (256, 200), (512, 200), (1, 50_000))


def train(folder: Path, num_items: int) -> Path:
    """Trains a demo shop of `num_items` for a few steps and returns its folder of servables."""
    from tfrec.models import RetrievalConfig
    from tfrec.training import TrainingConfig
    from tfrec.workflow import train_shop

    prepared = prepare_demo_shop(folder, num_items=num_items, num_users=1_000, num_events=40_000, num_slates=200)
    config = TrainingConfig(
        retrieval=RetrievalConfig(embedding_dim=32),
        retrieval_epochs=1,
        ranking_epochs=1,
        image_epochs=1,
        num_blocks=1,
        ranking_queries=200,
    )
    train_shop(prepared, folder / "models", config, show_progress=False)
    return folder / "models"


def ask(models: Path, signature: str, rows: int, width: int) -> None:
    """Prints how many MiB the process grows by while it answers one request of `rows` with carts of `width`."""
    from tfrec.serving.servable import Servable

    with Servable.load(models / "shop" / "1") as shop:
        names = {spec.name for spec in SIGNATURES[signature].inputs}
        lists = "cart_item_ids" if "cart_item_ids" in names else "exclude_item_ids"

        def inputs(rows: int, width: int) -> dict[str, np.ndarray]:
            return {lists: np.full((rows, width), "I000001", dtype=object)}

        shop.call(signature, inputs(2, 2))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        shop.call(signature, inputs(rows, width))
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def main() -> None:
    """Runs all cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--items", type=int, default=4_000)
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        signature, rows, width = options.case
        ask(options.models, signature, int(rows), int(width))
        return
    with tempfile.TemporaryDirectory() as made:
        models = options.models or train(Path(made), options.items)
        for signature in ("recommend", "cross_sell", "complete_cart", "similar"):
            for rows, width in _CASES:
                command = [sys.executable, "-m", "tests.benchmarks.request_memory", "--models", str(models)]
                case = [signature, str(rows), str(width)]
                grown = float(subprocess.check_output([*command, "--case", *case], stderr=subprocess.DEVNULL))
                estimate = (rows * options.items * ROW_BYTES + rows * width * ELEMENT_BYTES) / 2**20
                print(f"{signature:<14} {rows:>5} rows of {width:>6}: {grown:8.0f} MiB, estimate {estimate:8.0f}")


if __name__ == "__main__":
    main()
