"""`tfrec strategy`: replays the validation period for settings of the strategies, and chooses among them."""

from tfrec.cli.actions import describe_actions
from tfrec.cli.strategy import evaluate, tune

HELP = "what other settings of the strategies would have brought, and which to take"
ACTIONS = (evaluate, tune)
DESCRIPTION = (
    "Asks the trained models about the validation period with settings of variety, category rule, price band and "
    "objective,\nand compares what each would have offered of what was bought then.\n\n" + describe_actions(ACTIONS)
)
EXAMPLES = """\
examples:
  tfrec strategy evaluate models --plot trade_off.svg
  tfrec strategy tune models --maximise margin --at-least acceptance=0.95 --out strategy.toml
"""
