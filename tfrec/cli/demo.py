"""`tfrec demo`: all steps on a generated shop, printed for a merchandiser."""

import argparse
import dataclasses
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfrec.cli.stories import Shopper
    from tfrec.demo_shop import DemoShopConfig
    from tfrec.training import TrainingConfig

HELP = "generate a shop, train on it, serve it, and show what is offered to whom"
DESCRIPTION = """\
Generates a shop with known truth (pictures, complements, tastes), prepares it, trains both models, exports
SavedModels, evaluates them beside the baselines, starts the embedded server and asks it through the gRPC client what
to offer to a few shoppers. What is already there is reused.
"""
EXAMPLES = """\
examples:
  tfrec demo                      # about six minutes on two cores; seconds the second time
  tfrec demo --fast --out /tmp/demo    # a small shop and short training: about two minutes of one core
"""
INTERRUPTED = "What was finished stays. The same command resumes where this one stopped."

_STEPS = 5
_OF = ".of"  # in the folder of the report: which models it is of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR", help="folder of all results")
    parser.add_argument("--fast", action="store_true", help="small shop and short training")


def run(options: argparse.Namespace) -> None:
    """Runs all steps and prints their results."""
    from tfrec.publish import check_claim

    out: Path = options.out
    began = time.monotonic()
    check_claim(out, signs=("data/demo_shop/manifest.json",))
    with _step(1, f"Generating a shop in {out / 'data'}"):
        from tfrec.demo_shop import generate_demo_shop

        generate_demo_shop(out / "data" / "demo_shop", demo_shop_config(fast=options.fast))
    with _step(2, f"Preparing it: {out / 'prepared'}"):
        from tfrec.ingest.prepare import prepare_shop

        prepared = prepare_shop("demo_shop", out / "prepared", data_home=out / "data")
    from tfrec.cli.stories import choose_shoppers

    with _step(3, "Loading TensorFlow, training both models, exporting SavedModels"):
        from tfrec.workflow import train_shop

        published = train_shop(out / "prepared", out / "models", demo_training(fast=options.fast))
    with _step(4, "Evaluating the served models beside the baselines"):
        text, page = _evaluation(out / "models", prepared=out / "prepared", fast=options.fast)
    with _step(5, "Serving the models and asking them over gRPC"):
        shoppers = choose_shoppers(prepared)
        descriptions = _ask_for(shoppers, out / "models", prepared)
    for description in descriptions:
        print(description)
    print(text)
    print(f"The shop's log and catalogue   {out / 'data' / 'demo_shop'}")
    print(f"The prepared shop              {out / 'prepared'}")
    print(f"SavedModels                    {out / 'models'}/{{shop,retrieval,ranking}}/{published.version}")
    print(f"The report                     {page}")
    tfrec, cart = _program(), ",".join(shoppers[0].cart)
    print("\nServe the models, and ask them from another shell:")
    print(f"  {tfrec} serve {out / 'models'}")
    print(f"  {tfrec} ask localhost:8500 cross_sell --cart {cart} --k 5 --prepared {out / 'prepared'}")
    sys.stderr.write(f"Done in {time.monotonic() - began:.0f} s.\n")


def demo_shop_config(*, fast: bool) -> "DemoShopConfig":
    """Returns the sizes of the demo's shop."""
    from tfrec.demo_shop import DemoShopConfig

    return DemoShopConfig(num_items=400, num_users=600, num_events=16_000, num_slates=500) if fast else DemoShopConfig()


def demo_training(*, fast: bool) -> "TrainingConfig":
    """Returns the settings of the demo's training: fewer passes than the defaults, so that it takes minutes."""
    from tfrec.training import TrainingConfig

    if fast:
        return TrainingConfig(retrieval_epochs=1, ranking_epochs=2, image_epochs=1, num_blocks=1, ranking_queries=600)
    return TrainingConfig(retrieval_epochs=3, ranking_epochs=4, num_blocks=2, ranking_queries=4000)


def fast_demo_note() -> str:
    """Returns the sentence that keeps the figures of the fast demo apart from those of the full one."""
    small, full = demo_shop_config(fast=True), demo_shop_config(fast=False)
    return (
        f"These are the figures of `tfrec demo --fast`: {small.num_items:,} items, {small.num_users:,} users, "
        f"{small.num_events:,} events and short training. They show that every step works, not how well: the intervals "
        "are wide, and simple methods may come first. They are not the figures of `tfrec demo`, which trains longer on "
        f"{full.num_items:,} items, {full.num_users:,} users and {full.num_events:,} events."
    )


@contextmanager
def _step(number: int, doing: str) -> Iterator[None]:
    sys.stderr.write(f"[{number}/{_STEPS}] {doing} ...\n")
    sys.stderr.flush()
    began = time.monotonic()
    yield
    sys.stderr.write(f"      {time.monotonic() - began:.0f} s\n")


def _evaluation(models: Path, *, prepared: Path, fast: bool) -> tuple[str, Path]:
    """Returns the report as text and the path of its page, from the last run where the models are the same."""
    from tfrec.evaluation.report import write_report
    from tfrec.models_folder import read_models_manifest, report_folder
    from tfrec.serving.recommend import newest_version
    from tfrec.workflow import evaluate_models

    folder = report_folder(models)
    identity = f"{read_models_manifest(models).identity} {newest_version(models, 'shop').name}"
    mark, kept = folder / _OF, folder / "report.txt"
    if not (mark.is_file() and mark.read_text() == identity and kept.is_file()):
        report = evaluate_models(models, prepared=prepared, seeds=(0,), max_queries=1_000 if fast else 4_000)
        if fast:
            report = dataclasses.replace(report, findings=(*report.findings, fast_demo_note()))
        write_report(report, folder, beside={_OF: identity})
    return kept.read_text(encoding="utf-8"), folder / "report.html"


def _ask_for(shoppers: "list[Shopper]", models: Path, prepared: Any) -> list[str]:
    """Returns what the shoppers had in the cart, and what they are offered."""
    from tfrec.cli.stories import describe_offers
    from tfrec.client import RecommenderClient
    from tfrec.serving.server import EmbeddedServer

    with (
        EmbeddedServer(models, port=0) as server,
        RecommenderClient(f"localhost:{server.port}", deadline=30.0) as client,
    ):
        return [describe_offers(client, shopper, prepared) for shopper in shoppers]


def _program() -> str:
    """Returns the command as it was called, so that a line can be pasted back: `tfrec`, or `.venv/bin/tfrec`."""
    called = Path(sys.argv[0])
    if called.name != "tfrec" or shutil.which("tfrec") == str(called):
        return "tfrec" if called.name == "tfrec" else "python -m tfrec"
    return str(called.relative_to(Path.cwd())) if called.is_relative_to(Path.cwd()) else str(called)
