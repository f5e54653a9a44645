"""`tfrec policy`: estimates from logged slates what other policies, and a bandit, would have earned."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.cli.analyses import add_language, print_json, wording
from tfrec.cli.settings import add_json, names

if TYPE_CHECKING:
    import pandas as pd

HELP = "what another policy would have earned, from logged slates"
DESCRIPTION = """\
Evaluates policies without showing them to users, from a log of slates whose items were drawn by known chances, and
replays bandits over it. LOG is a prepared shop that has impressions (the demo shop does), or a CSV or Parquet file, a
row a place: slate, position from 1, the item, probability (of the item in its place given those above), clicked; where
known position_probability, the user, and what was known of the visitor.

Judged are three rules (uniform, popular, personal) and each --scores FILE: item_id, score and any of the log's context
columns; places are filled one after the other with softmax(score) over the items left. IPS and SNIPS weight by
propensities, DR adds a model's predictions, DM is the model alone (without interval: its bias is unknown); slate IPS
assumes nothing, cascade that a place depends on those above, independent that it stands for itself.
"""
EXAMPLES = """\
examples:
  tfrec policy demo/prepared
  tfrec policy impressions.parquet --scores new_ranking.csv --rules uniform
  tfrec policy demo/prepared --json
"""
INTERRUPTED = "Nothing was written."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument("log", type=Path, metavar="LOG", help="prepared shop with impressions, or a file of slates")
    parser.add_argument(
        "--scores",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="file of a policy's scores; may be repeated",
    )
    parser.add_argument("--rules", default="uniform,popular,personal", metavar="A,B,...", help="rules to be evaluated")
    parser.add_argument("--item", metavar="COLUMN", help="column of items (default: item_id, product, item or arm)")
    parser.add_argument("--reward", metavar="COLUMN", help="column of the outcome (default: clicked or reward)")
    parser.add_argument(
        "--contexts", metavar="A,B,...", help="columns known of a visitor (default: texts of few values)"
    )
    parser.add_argument("--no-bandits", action="store_true", help="evaluation without the replay of bandits")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="random seed of folds and draws")
    add_json(parser)
    add_language(parser)


def run(options: argparse.Namespace) -> None:
    """Judges and prints."""
    from tfrec.errors import ConfigError, nearest_hint
    from tfrec.experiments.known_policies import known_policies
    from tfrec.experiments.logged_slates import ITEM_NAMES, read_slates
    from tfrec.experiments.policies import RULES, rule_scores, scores_from_table, study_policies
    from tfrec.experiments.user_tables import read_table
    from tfrec.report.terminal.policies import policies_text
    from tfrec.schema.json_values import to_json

    rules = names(options.rules)
    for name in rules:
        if name not in RULES:
            raise ConfigError(f"There is no rule {name!r}.{nearest_hint(name, RULES)}")
    table, truth = _read_log(options.log)
    contexts = names(options.contexts) if options.contexts is not None else None
    log = read_slates(table, item=options.item, reward=options.reward, contexts=contexts)
    made = rule_scores(log, seed=options.seed)
    scores = {name: made[name] for name in rules}
    for path in options.scores:
        given = read_table(path)
        item = next((name for name in (options.item, *ITEM_NAMES) if name in given.columns), "item_id")
        scores[path.stem] = scores_from_table(log, given, item=item)
    known_policies_by_name = known_policies(log, truth)
    scores |= {name: policy.scores for name, policy in known_policies_by_name.items()}
    if not scores:
        raise ConfigError("There is no policy to judge. Name --rules or a --scores FILE.")
    study = study_policies(log, scores, has_bandits=not options.no_bandits, seed=options.seed)
    values = {name: policy.value for name, policy in known_policies_by_name.items()}
    if options.json:
        print_json({**to_json(study), "true_values": values})
    else:
        print(policies_text(study, wording(options), true_values=values, skipped=log.skipped))


def _read_log(path: Path) -> "tuple[pd.DataFrame, Path | None]":
    from tfrec.experiments.shown_slates import shown_slates
    from tfrec.experiments.user_tables import read_table
    from tfrec.ingest.prepared import read_prepared

    if path.is_file():
        return read_table(path), None
    prepared = read_prepared(path)
    truth = prepared.truth / "policies.json" if prepared.truth is not None else None
    return shown_slates(prepared), truth
