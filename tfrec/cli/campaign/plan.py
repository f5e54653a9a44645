"""`tfrec campaign plan`: decides from a test of offers who gets which offer under a budget, and who is held out."""

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.cli.analyses import add_language, print_json, wording
from tfrec.cli.keys import add_key
from tfrec.cli.outputs import inputs_of
from tfrec.cli.settings import add_json, named_numbers, names

if TYPE_CHECKING:
    from tfrec.promotions.offer_log import OfferLog
    from tfrec.promotions.planning import PlanConfig

HELP = "who gets which offer, under a budget that holds even if every coupon is used"
DESCRIPTION = """\
Learns from a randomised test of offers what each offer would change for each user, and gives offers where they earn
most, under a budget that counts the most that each offer can cost, so that it cannot be exceeded whatever users do.
A random hold-out is always kept, and a user from whom every offer would take profit is never sent one.
TEST is a prepared shop with a coupon test (the demo shop has one), or a CSV or Parquet file with one row per user: an
id, the arm, what came of it (margin after the discount, spend, conversion, visit; discount: money taken off;
max_discount: the cap that was printed on the offer), and what was known of the user before. Money is what counts: of an
outcome that is no money, say with --worth what one is worth.

Most offers are never used, and a percentage without a cap can cost any amount, so little of such a budget is spent. To
reach more users, print a cap on the offer (--face-value, or a column max_discount in the test), or let --budget-in
expected-cost count what offers cost on average in the test; the budget is then exceeded with a chance of at most
--risk. The plan states both: the highest possible spending, and the expected one with its interval.

The plan states which profit a read-out of its hold-out can show (80 % power, 5 % error). The hold-out is sized to show
what the plan expects, or --effect per user; where no size can, the plan states what would. Where the test does not show
that a plan pays, its first line says not to send it.

DIR gets plan.csv (every user; internal), plan.json, and with --key send.csv: pseudonyms and offers for the
mailer. plan.json holds the Qini of each offer, out of fold: the area between the gain curve and random targeting,
∫ (gain(f) − f · gain(1)) df, profit per user (Radcliffe 2007); and that of all offers together over budgets
(multi-armed, Sverdrup et al. 2023). An offer that fewer than --min-users users would get is not made.
"""
EXAMPLES = """\
examples:
  tfrec campaign plan demo/prepared --budget 10000 --budget-in expected-cost --name spring --out spring
  tfrec campaign plan demo/prepared --budget 20000 --name spring --out spring --face-value coupon_10=20,coupon_25=40
  tfrec campaign plan demo/prepared --budget 10000 --name spring --out spring --budget-in expected-cost --effect 5
  tfrec campaign plan test.csv --arm segment --control "No E-Mail" --outcome visit --worth 0.5 \\
      --send-cost "Mens E-Mail=0.05,Womens E-Mail=0.05" --budget 500 --name autumn --out autumn
  tfrec campaign plan test.csv --users everybody.csv --budget 900 --name autumn --out autumn
"""
INTERRUPTED = "No plan was written; an older one is untouched."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the action takes."""
    parser.add_argument("test", type=Path, metavar="TEST", help="prepared shop with a coupon test, or a file of one")
    parser.add_argument("--budget", type=float, required=True, metavar="MONEY", help="upper limit of the spending")
    parser.add_argument(
        "--budget-in", choices=("face-value", "expected-cost"), default="face-value",
        help="cost of an offer in the budget: the most that it can cost, or its average cost",
    )  # fmt: skip
    parser.add_argument(
        "--risk", type=float, default=0.05, metavar="P", help="probability of exceeding a budget in expected cost"
    )
    parser.add_argument(
        "--name", required=True, metavar="NAME", help="name of the campaign; determines who is held out"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the plan")
    parser.add_argument(
        "--outcome", default="", metavar="NAME", help="outcome that is worth money (default: margin, else --worth)"
    )
    parser.add_argument(
        "--worth", type=float, metavar="MONEY", help="money value of one unit of the outcome (default: 1 for margin)"
    )
    parser.add_argument("--send-cost", metavar="OFFER=MONEY,...", help="cost of sending an offer, used or not")
    parser.add_argument(
        "--face-value", metavar="OFFER=MONEY,...", help="largest discount of an offer (default: that of 95 %% of uses)"
    )
    parser.add_argument(
        "--hold-out", type=float, metavar="SHARE",
        help="share of users held out at random (default: as many as show --effect, from 0.1 to 0.5)",
    )  # fmt: skip
    parser.add_argument(
        "--effect", type=float, metavar="MONEY",
        help="profit per user that the hold-out is to show (default: what the plan expects)",
    )  # fmt: skip
    parser.add_argument(
        "--users", type=Path, metavar="FILE", help="file of the users to plan for (default: those of the test)"
    )
    parser.add_argument(
        "--exclude", type=Path, metavar="FILE", help="file of users who must not get an offer (opted out)"
    )
    parser.add_argument("--max-cost", type=float, default=math.inf, metavar="MONEY", help="largest cost per user")
    parser.add_argument(
        "--return-floor", type=float, default=0.0, metavar="X", help="least profit per unit of money spent"
    )
    parser.add_argument("--floor", metavar="COLUMN:GROUP=SHARE,...", help="least share of a group that gets an offer")
    add_key(parser, purpose="needed for send.csv, the list for the mailer")
    parser.add_argument(
        "--min-users", type=int, default=50, metavar="N", help="least number of users of an offer that is made"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="random seed of the folds")
    file_options = parser.add_argument_group("a test of your own (a file)")
    file_options.add_argument(
        "--user", metavar="COLUMN", help="column of user ids; `row` numbers the rows (default: a usual name)"
    )
    file_options.add_argument("--arm", default="arm", metavar="COLUMN", help="column of the arm")
    file_options.add_argument(
        "--control", metavar="ARM", help="name of the arm without an offer (default: none or control)"
    )
    file_options.add_argument(
        "--attributes", metavar="A,B,...", help="columns known before the test (default: all others)"
    )
    add_json(parser)
    add_language(parser)


def run(options: argparse.Namespace) -> None:
    """Plans, publishes and prints the plan."""
    from tfrec.errors import ConfigError
    from tfrec.experiments.user_tables import read_table, with_user_ids
    from tfrec.ingest.privacy import read_key
    from tfrec.promotions.offer_log import unclear_discounts
    from tfrec.promotions.plan_files import PLAN_FOLDER, publish_plan
    from tfrec.promotions.planning import plan_from_test
    from tfrec.publish import check_folder
    from tfrec.report.terminal.campaigns import plan_text

    config = _config(options)
    if not options.name.strip():
        raise ConfigError("--name is empty; it decides who is held out. Name the campaign.")
    if options.min_users < 1:
        raise ConfigError(f"--min-users must be at least 1; got {options.min_users}.")
    inputs = inputs_of(options)
    check_folder(options.out, PLAN_FOLDER, inputs=inputs)
    key = read_key(options.key) if options.key is not None else None
    log = _read_test(options)
    faces = named_numbers(options.face_value, "--face-value")
    unclear = unclear_discounts(log.arm_names[1:]) if log.cost_kind == "offers" and not log.face_values else []
    if unclear and not faces and "spend" in log.outcomes:
        raise ConfigError(
            f"What does {unclear[0]} take off? Its name does not say (coupon_10 and 10% do). State the most that each "
            f"offer takes off with --face-value {','.join(f'{name}=MONEY' for name in log.arm_names[1:])}, or give the "
            "test a column `discount`: the money taken off each order, 0 where none was."
        )
    log = log.with_face_values(faces) if faces else log
    users = with_user_ids(read_table(options.users), column=options.user) if options.users is not None else None
    excluded: frozenset[str] = frozenset()
    if options.exclude is not None:
        excluded = frozenset(with_user_ids(read_table(options.exclude), is_unique=False)["user_id"])
    sys.stderr.write(f"Learning from {len(log.table):,} users what each offer changes ...\n")
    tested = plan_from_test(log, config, users=users, excluded=excluded)
    about = tested.to_json()
    publish_plan(tested.plan, options.out, key=key, min_users=options.min_users, about=about, inputs=inputs)
    if options.json:
        print_json(about)
        return
    command = f"tfrec campaign read {options.out} ORDERS --from DATE --until DATE"
    print(
        plan_text(tested, wording(options), folder=str(options.out), has_send_list=key is not None, following=command)
    )


def _config(options: argparse.Namespace) -> "PlanConfig":
    from tfrec.errors import ConfigError
    from tfrec.promotions.planning import PlanConfig

    group, _, floors = (options.floor or "").partition(":")
    if options.floor and not floors:
        raise ConfigError(f"--floor takes COLUMN:GROUP=SHARE,GROUP=SHARE; got {options.floor!r}.")
    return PlanConfig(
        name=options.name,
        budget=options.budget,
        outcome=options.outcome,
        worth=options.worth,
        send_costs=named_numbers(options.send_cost, "--send-cost"),
        budget_in=options.budget_in.replace("-", " "),
        risk=options.risk,
        holdout_share=options.hold_out,
        effect=options.effect,
        min_users=options.min_users,
        max_cost_per_user=options.max_cost,
        return_floor=options.return_floor,
        group=group,
        floors=named_numbers(floors, "--floor"),
        seed=options.seed,
    )


def _read_test(options: argparse.Namespace) -> "OfferLog":
    from tfrec.ingest.prepared import read_prepared
    from tfrec.promotions.offer_log import OUTCOMES, read_file_test, read_shop_test

    if options.test.is_file():
        wanted = [options.outcome] if options.outcome and options.outcome not in OUTCOMES else []
        return read_file_test(
            options.test, user=options.user, arm=options.arm, control=options.control, outcomes=wanted,
            attributes=names(options.attributes),
        )  # fmt: skip
    return read_shop_test(read_prepared(options.test))
