"""`tfrec rules`: checks the shop's merchandising rules, and says what each of them costs."""

from tfrec.cli.actions import describe_actions
from tfrec.cli.rules import check

HELP = "check merchandising rules: pins, blocks, caps, and what each costs"
ACTIONS = (check,)
DESCRIPTION = (
    "Checks `rules.toml`, by which a shop steers what is offered; `tfrec refresh --rules` puts it into service.\n\n"
    + describe_actions(ACTIONS)
)
EXAMPLES = """\
examples:
  tfrec rules check models --rules rules.toml
  tfrec refresh models --rules rules.toml
"""
