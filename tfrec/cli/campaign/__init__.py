"""`tfrec campaign`: a test of offers → a plan under a budget, and afterwards what it earned."""

from tfrec.cli.actions import describe_actions
from tfrec.cli.campaign import plan, read

HELP = "plan who gets which offer under a budget; read what it earned"
ACTIONS = (plan, read)
DESCRIPTION = (
    "Turns a test of offers into a campaign that pays, and reads from the logs afterwards whether it did.\n\n"
    + describe_actions(ACTIONS)
)
EXAMPLES = """\
examples:
  tfrec campaign plan prepared/demo --budget 5000 --name spring --out spring --key mailer.key
  tfrec campaign read spring prepared/demo --from 2025-12-01 --until 2025-12-15
"""
