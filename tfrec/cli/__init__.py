"""Parses `tfrec VERB ...` and calls the package; one file for each verb.

Results go to standard output, progress and errors to standard error. Nothing heavy is imported before a verb runs,
so that `--help` is there at once and `tfrec ask` works with the base install.
"""

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from types import ModuleType

import tfrec
from tfrec.cli import (
    ask,
    associations,
    audience,
    baseline,
    campaign,
    canary,
    churn,
    collect,
    demo,
    drift,
    earned,
    evaluate,
    experiment,
    export,
    follow,
    forecast,
    gate,
    history,
    init,
    interests,
    label,
    mcp,
    policy,
    prepare,
    profile,
    publish,
    recommend,
    refresh,
    relations,
    report,
    rollback,
    rules,
    segments,
    serve,
    strategy,
    train,
    tune,
    value,
    verify,
)
from tfrec.cli.actions import add_actions
from tfrec.cli.exhausted import explain_exhaustion
from tfrec.cli.interrupts import interruptible
from tfrec.cli.option_names import option_names, with_options
from tfrec.cli.terminal import PlainFormatter, Terminal, open_closed_streams, show_what_can_be_shown
from tfrec.errors import TfrecError, install_hint
from tfrec.schema.text_columns import plain

GROUPS = {
    "from a log to slates": (
        demo,
        init,
        collect,
        prepare,
        baseline,
        tune,
        train,
        refresh,
        rules,
        evaluate,
        strategy,
        recommend,
    ),
    "into service": (export, gate, label, publish, follow, verify, canary, rollback, serve, drift, history, ask, mcp),
    "know the customers": (
        report,
        interests,
        segments,
        audience,
        associations,
        relations,
        forecast,
        churn,
        value,
        profile,
    ),
    "promotions that pay, proof by experiment": (campaign, experiment, policy, earned),
}
DECISIONS = (*GROUPS["know the customers"], *GROUPS["promotions that pay, proof by experiment"])
"""Verbs whose libraries name parameters in their errors, which are options here."""
VERBS = tuple(verb for group in GROUPS.values() for verb in group)
EXIT_ERROR, EXIT_INTERRUPTED = 2, 130

_EPILOG = """\
from a log to slates:
  tfrec init orders_export.csv --out my_shop.toml       # a starting recipe, or take one of the package
  tfrec prepare online_retail --data-home data --out prepared/online_retail
  tfrec baseline prepared/online_retail --out models     # something good to serve until the training ends
  tfrec train prepared/online_retail --out models
  tfrec evaluate models
  tfrec serve models &
  tfrec ask localhost:8500 complete_cart --cart 85123A,71053 --k 5

from the same log to customers:
  tfrec report prepared/online_retail --models models --out report.html
  tfrec audience prepared/online_retail 'segment = "Champions" and recency < 30d'

from a test of offers to promotions that pay:
  tfrec campaign plan demo/prepared --budget 10000 --budget-in expected-cost --name spring --out spring

`tfrec demo` does all of it on a generated shop. `tfrec VERB --help` has examples of each.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a verb and returns the exit status: 0 done, 1 a check failed, 2 an error, 130 interrupted."""
    open_closed_streams()
    show_what_can_be_shown()
    options = build_parser().parse_args(arguments)
    _set_up_logging(verbose=options.verbose)
    try:
        with interruptible(), contextlib.redirect_stdout(Terminal(sys.stdout)):
            status = options.run(options) or 0
            sys.stdout.flush()
            return status
    except TfrecError as error:
        return _fail(explain_exhaustion(error) or with_options(str(error), options))
    except ModuleNotFoundError as error:
        if (error.name or "tfrec").split(".")[0] == "tfrec":
            raise
        is_decision = options.verb in map(_name, DECISIONS)
        hint = install_hint("analysis") if is_decision else install_hint("train")
        hint = install_hint("collect") if options.verb == "collect" else hint
        hint = install_hint("mcp") if options.verb == "mcp" else hint
        return _fail(f"`tfrec {options.verb}` needs {error.name}, which the base install leaves out. {hint}.")
    except BrokenPipeError:  # the reader of our output (`| head`) has gone
        _drop_output()
        return 0
    except KeyboardInterrupt:
        sys.stderr.write(f"\nInterrupted. {options.interrupted}\n")
        return EXIT_INTERRUPTED
    except Exception as error:
        sentence = explain_exhaustion(error)
        if sentence is None and not isinstance(error, OSError):
            raise
        if isinstance(error, OSError):
            sentence = sentence or f"{error.filename or 'The system'}: {error.strerror or error}."
            _drop_output()  # it may be what could not be written, and would be tried again at the end
        return _fail(sentence or str(error))


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of all verbs."""
    parser = argparse.ArgumentParser(
        prog="tfrec",
        usage="tfrec [-h] [--version] VERB ...",
        description="Cross-sell, upsell, cart completion and recommendations from a shop's own order log.\n\n"
        + _verbs_by_group(),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tfrec {tfrec.__version__}")
    verbs = parser.add_subparsers(dest="verb", prog="tfrec", metavar="VERB", required=True, help=argparse.SUPPRESS)
    for verb in VERBS:
        sub = verbs.add_parser(
            _name(verb),
            description=verb.DESCRIPTION,
            epilog=verb.EXAMPLES,
            formatter_class=_TeachingFormatter,
        )
        sub.add_argument("-v", "--verbose", action="store_true", help="log of each step")
        if hasattr(verb, "ACTIONS"):
            add_actions(sub, verb.ACTIONS)
            continue
        verb.add_arguments(sub)
        sub.set_defaults(run=verb.run, interrupted=verb.INTERRUPTED)
        if verb in DECISIONS:
            sub.set_defaults(option_names=option_names(sub))
    return parser


def _name(verb: ModuleType) -> str:
    return verb.__name__.rpartition(".")[2]


def _verbs_by_group() -> str:
    lines = []
    for title, verbs in GROUPS.items():
        lines += [f"{title}:", *(f"  {_name(verb):<12} {verb.HELP}" for verb in verbs), ""]
    return "\n".join(lines).rstrip()


def _fail(message: str) -> int:
    with contextlib.suppress(OSError):
        sys.stderr.write(f"tfrec: {plain(message)}\n")
    return EXIT_ERROR


def _drop_output() -> None:
    """Lets what still waits to be printed go to the null device."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        return
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _TeachingFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of descriptions and examples, and states each option's default."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text = action.help or ""
        has_default = action.option_strings and action.default not in (None, False, argparse.SUPPRESS, [])
        return f"{text} (default: %(default)s)" if has_default and "default" not in text else text


def _set_up_logging(*, verbose: bool) -> None:
    """Shows tfrec's messages as requested and only errors of libraries; hides progress bars without a terminal."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainFormatter("%(message)s"))
    logging.basicConfig(level=logging.ERROR, handlers=[handler])
    logging.getLogger("tfrec").setLevel(logging.INFO if verbose else logging.WARNING)
    for library in ("tensorflow", "absl", "tf_keras"):
        logging.getLogger(library).setLevel(logging.ERROR)
