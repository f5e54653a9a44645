"""Defines verbs with actions (`tfrec campaign plan`): each action is a module, under the verb's parser."""

import argparse
from collections.abc import Sequence
from types import ModuleType

from tfrec.cli.option_names import option_names


def add_actions(parser: argparse.ArgumentParser, actions: Sequence[ModuleType]) -> None:
    """Adds a parser for each action, which runs in place of the verb."""
    chosen = parser.add_subparsers(
        dest="action", prog=parser.prog, metavar="ACTION", required=True, help=argparse.SUPPRESS
    )
    parser.usage = f"{parser.prog} [-h] ACTION ..."
    for action in actions:
        sub = chosen.add_parser(
            action.__name__.rpartition(".")[2],
            description=action.DESCRIPTION,
            epilog=action.EXAMPLES,
            formatter_class=parser.formatter_class,
        )
        action.add_arguments(sub)
        # Without a default of its own, so that `-v` before the action counts too.
        sub.add_argument("-v", "--verbose", action="store_true", default=argparse.SUPPRESS, help="log of each step")
        sub.set_defaults(run=action.run, interrupted=action.INTERRUPTED, option_names=option_names(sub))


def describe_actions(actions: Sequence[ModuleType]) -> str:
    """Returns the lines about the actions in the verb's help."""
    lines = [f"  {action.__name__.rpartition('.')[2]:<8} {action.HELP}" for action in actions]
    return "\n".join(["actions (each has its own --help):", *lines, ""])
