"""`tfrec campaign`: plans a campaign from a test of offers under a budget, and reads afterwards what it earned."""

from tfrec.cli.actions import describe_actions
from tfrec.cli.campaign import plan, read, rehearse

HELP = "plan who gets which offer under a budget; read what it earned"
ACTIONS = (plan, read, rehearse)
DESCRIPTION = (
    "Turns a test of offers into a campaign that pays, and reads from the logs afterwards whether it did.\n\n"
    + describe_actions(ACTIONS)
)
EXAMPLES = """\
examples:
  tfrec campaign plan demo/prepared --budget 10000 --budget-in expected-cost --name spring --out spring
  tfrec campaign rehearse spring demo/prepared --out after
  tfrec campaign read spring after/orders.csv --from 2025-12-01 --until 2025-12-15
"""
