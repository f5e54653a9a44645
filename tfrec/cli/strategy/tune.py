"""`tfrec strategy tune`: chooses settings of the strategies on the validation period."""

import argparse
from pathlib import Path

from tfrec.cli.outputs import add_force, inputs_of
from tfrec.cli.settings import add_json, named_numbers
from tfrec.cli.strategy.replays import add_replay, studies, study_text

HELP = "choose settings by what they brought, and write them as TOML"
DESCRIPTION = """\
Compares settings as `tfrec strategy evaluate` does, on the validation period alone, and chooses those of each signature
that bring surely more of what is maximised, while the bounds are kept. Where the gain is within chance, the settings in
service stay. Writes a TOML file of [strategy.…] and prints the command that publishes it, without a training. What was
finished is kept until the file is written: the same command goes on after an interruption.
"""
EXAMPLES = """\
examples:
  tfrec strategy tune models --out strategy.toml
  tfrec strategy tune models --maximise revenue --at-least acceptance=0.9,distance=1 --out strategy.toml
  tfrec train prepared/my_shop --out models --warm-start models --config strategy.toml    # publishes in seconds
"""
INTERRUPTED = "Finished settings are kept. The same command goes on after them."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the action takes."""
    add_replay(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.toml", help="file of the chosen settings")
    parser.add_argument(
        "--maximise", default="margin", metavar="MEASURE", help="margin, revenue, acceptance or add_on_rate"
    )
    parser.add_argument(
        "--at-least",
        default="acceptance=0.95",
        metavar="MEASURE=SHARE,...",
        help="shares of what the settings in service have that must be kept; empty = none",
    )
    add_force(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Chooses, writes and prints."""
    from tfrec.cli.analyses import print_json
    from tfrec.jobs.kept_slates import KeptSlates
    from tfrec.jobs.strategy_settings import describe
    from tfrec.jobs.strategy_tuning import check_objective, check_tuned, choose_setting, write_tuned
    from tfrec.models_folder import read_models_manifest

    at_least = named_numbers(options.at_least, "--at-least")
    check_objective(options.maximise, at_least)
    check_tuned(options.out, inputs=inputs_of(options), force=options.force)
    manifest, choices = read_models_manifest(options.models), []
    kept = KeptSlates.beside(options.out, models=options.models)
    for study in studies(options, kept):
        if not options.json:
            print(study_text(study), flush=True)
        choices.append(choose_setting(study, maximise=options.maximise, at_least=at_least))
    write_tuned(options.out, choices, inputs=inputs_of(options), force=options.force)
    kept.clear()
    prepared = options.prepared or Path(manifest.prepared)
    publish = f"tfrec train {prepared} --out {options.models} --warm-start {options.models} --config {options.out}"
    is_new = any(choice.setting for choice in choices)
    if options.json:
        print_json({"choices": choices, "file": options.out, "publish": publish if is_new else None})
        return
    for choice in choices:
        print(f"{choice.signature}: {describe(choice.setting)}. {choice.why}")
    print(f"\nChosen settings: {options.out}")
    print(f"Publish them, without a training: {publish}" if is_new else "The settings in service stay.")
