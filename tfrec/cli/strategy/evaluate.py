"""`tfrec strategy evaluate`: compares settings of the strategies on the validation period."""

import argparse

from tfrec.cli.outputs import add_force
from tfrec.cli.plots import add_plot, check_plot, save_plot
from tfrec.cli.settings import add_json
from tfrec.cli.strategy.replays import MEANINGS, add_replay, studies, study_text

HELP = "what settings would have offered of what was bought"
DESCRIPTION = (
    """\
Asks `recommend`, `cross_sell`, `upsell` and `complete_cart` about the visits and orders of the validation period, each
with the settings in service and with others, and prints what each would have offered of what was bought afterwards, and
how varied its slates were. Where the prepared shop has impressions with propensities, what clicks a setting would have
had is estimated from them too. --plot draws acceptance against variety and margin. What was found is kept in
MODELS/strategies.json, and shown by `tfrec report --models MODELS`.

"""
    + MEANINGS
)
EXAMPLES = """\
examples:
  tfrec strategy evaluate models
  tfrec strategy evaluate models --signature upsell --grid "max_price_ratio=1.5,2.5 objective=purchase,margin"
  tfrec strategy evaluate models --grid settings.toml --plot trade_off.svg

settings.toml:
  [[settings]]
  diversity = 0.2
  [[settings]]
  diversity = 0.2
  outside_cart_level = 1
"""
_KIND = "settings of strategies compared"
INTERRUPTED = "The tables above are complete; nothing was written."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the action takes."""
    add_replay(parser)
    add_plot(parser)
    add_force(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Replays, and prints each signature as it is done."""
    from tfrec.cli.analyses import print_json
    from tfrec.models_folder import STRATEGIES
    from tfrec.publish import check_file, write_json
    from tfrec.schema.json_values import to_json

    check_plot(options)
    check_file(options.models / STRATEGIES, _KIND, force=options.force)
    found = []
    for study in studies(options):
        found.append(study)
        if not options.json:
            print(study_text(study), flush=True)
    if options.json:
        print_json({"signatures": found})
    else:
        print(MEANINGS)
    kept = {"signatures": [to_json(study) for study in found]}
    write_json(options.models / STRATEGIES, kept, _KIND, force=options.force)
    if options.plot is not None:
        from tfrec.report.trade_offs import trade_off_figure
        from tfrec.report.words import language

        measures = {study.signature: [one.estimates for one in study.tried] for study in found}
        save_plot(options, trade_off_figure(measures, language("en")))
