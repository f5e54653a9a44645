"""A coupon campaign from test to read-out: `python examples/coupon_campaign.py PREPARED`.

PREPARED is a demo shop, whose coupon test was randomised and whose truth is known: what users do after the campaign is
drawn from that truth, so that the read-out can be compared with it.
"""

import sys
from pathlib import Path

import pandas as pd

from tfrec.demo_shop import read_truth, run_campaign
from tfrec.ingest.prepared import read_prepared
from tfrec.promotions.campaign import TREATED
from tfrec.promotions.campaign_results import evaluate_campaign, orders_of
from tfrec.promotions.offer_log import read_shop_test
from tfrec.promotions.planning import PlanConfig, plan_from_test
from tfrec.promotions.tested_plan import EXPECTED_COST
from tfrec.report import whole_log
from tfrec.report.terminal.campaigns import plan_summary, result_summary
from tfrec.report.words import language

DAYS = 14


def main(folder: Path) -> None:
    """Learns from the test, plans under a budget, draws two weeks, and reads what the campaign caused."""
    prepared = read_prepared(folder)

    # 1. Who got which coupon by chance, and what came of it.
    test = read_shop_test(prepared)
    print(f"A test of {len(test.table):,} users: {', '.join(test.arm_names)}")

    # 2. A plan: at most one coupon per user, a budget that is kept with 95 % certainty, and a random hold-out, as large
    # as a read-out needs to show the profit that the plan expects.
    config = PlanConfig(name="spring", budget=10_000, budget_in=EXPECTED_COST, min_users=10)
    planned = plan_from_test(test.with_face_values({"coupon_10": 20.0, "coupon_25": 40.0}), config)
    print(plan_summary(planned, language("en")))
    print(planned.by_offer().to_string(index=False))

    # 3. Send it. Here the demo shop's truth decides what follows.
    table = planned.plan.table
    sent = table[["user_id"]].assign(offer=table["offer"].where(table["status"] == TREATED, ""))
    truth = read_truth(prepared.path)
    log = run_campaign(truth, sent, face_values=planned.plan.face_values, seed=1)

    # 4. Read: treated users against those held out by the same rule, with their orders before as covariate.
    start = pd.Timestamp(truth.config.ends_at)
    orders = pd.concat([orders_of(whole_log(prepared)), log.orders], ignore_index=True)
    found = evaluate_campaign(
        planned.plan, orders=orders, start=start, end=start + pd.Timedelta(days=DAYS), impressions=log.impressions
    )
    print(result_summary(found, language("en")))
    low, high = found.total_profit.low, found.total_profit.high
    print(f"Profit caused: {low:,.0f} to {high:,.0f} by the read-out, {log.profit:,.0f} in truth.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
