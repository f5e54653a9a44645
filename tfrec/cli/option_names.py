"""Names options where an error of the library names parameters."""

import argparse
import re
from collections.abc import Mapping

ALIASES: Mapping[str, str] = {
    "again_days": "--again-days",
    "half_life_days": "--half-life",
    "holdout_share": "--hold-out",
    "horizon_days": "--horizon",
    "ks": "--k",
    "max_cost_per_user": "--max-cost",
    "relative_effect": "--effect",
    "traffic_share": "--traffic",
    "variance": "--deviation",
}
"""Parameter of a library function → option that sets it, where the two are called differently."""

_COLUMNS = {"arm", "user"}  # also names of columns, which errors speak of
_PARAMETER = re.compile(r"`([a-z][a-z_]*)`")


def with_options(message: str, options: argparse.Namespace) -> str:
    """Returns an error with `--option` in place of each `parameter` that the command at hand sets.

    A parameter that no option of the command sets is left as it is.

    Example: "`min_support` must lie in (0, 1]" is "`--min-support` must lie in (0, 1]" for `tfrec associations`.
    """
    options_by_parameter: Mapping[str, str] = getattr(options, "option_names", {})

    def named(match: re.Match[str]) -> str:
        alias = ALIASES.get(match[1])
        option = options_by_parameter.get(match[1]) or (alias if alias in options_by_parameter.values() else None)
        return f"`{option}`" if option and match[1] not in _COLUMNS else match[0]

    return _PARAMETER.sub(named, message)


def option_names(parser: argparse.ArgumentParser) -> dict[str, str]:
    """Returns the parameter that each long option of a parser sets → the option."""
    return {
        action.dest: option
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--") and action.dest != "help"
    }
