"""`tfrec campaign rehearse`: simulates the two weeks after a plan for the demo shop, whose truth is known."""

import argparse
from pathlib import Path

from tfrec.cli.analyses import add_language, wording
from tfrec.cli.outputs import inputs_of

HELP = "draw what a plan brings in the demo shop, to read it with the truth beside"
DESCRIPTION = """\
The demo shop's truth is known: how likely each user comes and buys with each coupon and without. So the two weeks after
a campaign can be drawn as they would happen, and `tfrec campaign read` can be tried on them: its interval should hold
the true profit in 95 of 100 draws. DIR gets orders.csv (those before the campaign too), impressions.csv (opened mails)
and truth.json.
"""
EXAMPLES = """\
examples:
  tfrec campaign plan demo/prepared --budget 10000 --budget-in expected-cost --name spring --out spring
  tfrec campaign rehearse spring demo/prepared --out after
  tfrec campaign read spring after/orders.csv --from 2025-12-01 --impressions after/impressions.csv
"""
INTERRUPTED = "Nothing was written."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the action takes."""
    parser.add_argument("plan", type=Path, metavar="PLAN", help="folder that `tfrec campaign plan` wrote")
    parser.add_argument("prepared", type=Path, metavar="PREPARED", help="folder of the prepared demo shop")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the simulated log")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="random seed of the simulation")
    add_language(parser)


def run(options: argparse.Namespace) -> None:
    """Draws, publishes and prints the outcome."""
    import json

    import pandas as pd

    from tfrec.demo_shop import read_truth, run_campaign
    from tfrec.ingest.prepared import read_prepared
    from tfrec.promotions.campaign import TREATED
    from tfrec.promotions.campaign_results import orders_of
    from tfrec.promotions.plan_files import read_plan
    from tfrec.publish import FolderKind, check_folder, publishing
    from tfrec.report.findings import whole_log
    from tfrec.report.terminal.campaigns import rehearsal_text

    kind = FolderKind(
        "the log of a rehearsed campaign",
        mark="truth.json",
        keys=frozenset({"profit", "spent", "seed"}),
        files=("orders.csv", "impressions.csv", "truth.json"),
    )
    check_folder(options.out, kind, inputs=inputs_of(options))
    plan, prepared = read_plan(options.plan), read_prepared(options.prepared)
    truth = read_truth(prepared.path)
    sent = plan.table[["user_id"]].assign(offer=plan.table["offer"].where(plan.table["status"] == TREATED, ""))
    log = run_campaign(truth, sent, face_values=plan.face_values, seed=options.seed)
    orders = pd.concat([orders_of(whole_log(prepared)), log.orders], ignore_index=True)
    sending = float(sent["offer"].map(dict(plan.send_costs)).fillna(0.0).sum())
    outcome = {"profit": log.profit - sending, "spent": log.spent + sending, "seed": options.seed}
    with publishing(options.out, kind, inputs=inputs_of(options)) as work:
        orders.to_csv(work / "orders.csv", index=False)
        log.impressions.to_csv(work / "impressions.csv", index=False)
        (work / "truth.json").write_text(json.dumps(outcome, indent=2) + "\n", encoding="utf-8")
    command = (
        f"tfrec campaign read {options.plan} {options.out}/orders.csv --from {str(truth.config.ends_at)[:10]} "
        f"--impressions {options.out}/impressions.csv"
    )
    print(
        rehearsal_text(
            plan.name,
            wording(options),
            orders=len(log.orders),
            opened=len(log.impressions),
            profit=outcome["profit"],
            spent=outcome["spent"],
            currency=plan.currency,
            files=f"{options.out}/{{orders.csv,impressions.csv,truth.json}}",
            following=command,
        )
    )
