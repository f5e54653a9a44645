"""`tfrec experiment`: plans an A/B test, assigns its arms and reads its result."""

from tfrec.cli.actions import describe_actions
from tfrec.cli.experiment import assign, design, read

HELP = "A/B tests: how long, who sees what, and the verdict"
ACTIONS = (design, assign, read)
DESCRIPTION = (
    "Plans an experiment from the shop's own traffic, gives users their arms, and reads it out with a verdict.\n\n"
    + describe_actions(ACTIONS)
)
EXAMPLES = """\
examples:
  tfrec experiment design prepared/online_retail --effect 10%
  tfrec experiment assign prepared/online_retail --name new-page --out arms.csv
  tfrec experiment read arms.csv prepared/online_retail --from 2011-11-01 --primary conversion
"""
