"""`tfrec report`: writes one HTML page on a prepared shop for marketing."""

import argparse
import sys
import time
from pathlib import Path

from tfrec.cli.outputs import add_force, check_output, inputs_of
from tfrec.cli.settings import collected_place

HELP = "write one HTML page: customers, demand, rules, promotions, models"
DESCRIPTION = """\
Runs every analysis on the prepared shop (training and test period together) and writes one self-contained page with
pictures: the shop in figures, segments, interests, what is bought together, demand and stock, next purchase and churn;
where the shop has them also its coupon test and logged impressions, and with --models what `tfrec evaluate` and `tfrec
strategy evaluate` found.
Each figure has its n and its interval. Nothing is fetched when the page is read; no script runs in it.
"""
EXAMPLES = """\
examples:
  tfrec report prepared/online_retail --out report.html
  tfrec report prepared/online_retail --models models --out report.html --json report.json
  tfrec report prepared/online_retail --out report.zh.html --language zh
"""
_KIND, _FINDINGS = "a report", "findings of a report"
INTERRUPTED = "No report was written; an older one is untouched. Run the same command again."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument("prepared", type=Path, metavar="PREPARED", help="folder that `tfrec prepare` wrote")
    parser.add_argument(
        "--models",
        type=Path,
        metavar="MODELS",
        help="folder with what `tfrec evaluate` and `tfrec strategy evaluate` wrote",
    )
    parser.add_argument(
        "--collected",
        type=collected_place,
        metavar="PLACE",
        help="folder or URL that `tfrec collect` keeps events in, for what recommendations earned",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.html", help="path of the HTML page")
    parser.add_argument("--json", type=Path, metavar="FILE", help="path of the findings as JSON")
    parser.add_argument("--language", choices=("en", "zh"), default="en", help="language of the page's fixed text")
    parser.add_argument("--horizon", type=int, default=28, metavar="DAYS", help="days to forecast, a multiple of 7")
    add_force(parser)


def run(options: argparse.Namespace) -> None:
    """Writes the page and says where it lies."""
    from tfrec.errors import ConfigError
    from tfrec.ingest.prepared import read_prepared
    from tfrec.publish import write_json, write_page
    from tfrec.report import check_extra, render_report, study_shop
    from tfrec.report.page import written_text
    from tfrec.report.words import language
    from tfrec.schema.json_values import to_json

    check_output(options, options.out, _KIND)
    check_output(options, options.json, _FINDINGS)
    if options.json is not None and options.out.resolve() == options.json.resolve():
        raise ConfigError("--out and --json must be two files. Rename one.")
    check_extra()
    began = time.monotonic()
    prepared = read_prepared(options.prepared)
    sys.stderr.write(f"Studying {options.prepared} ...\n")
    findings = study_shop(prepared, models=options.models, collected=options.collected, horizon=options.horizon)
    page = render_report(findings, language_code=options.language)
    inputs = inputs_of(options)
    write_page(options.out, page, _KIND, inputs=inputs, force=options.force)
    if options.json is not None:
        write_json(options.json, to_json(findings), _FINDINGS, inputs=inputs, force=options.force)
    sys.stderr.write(f"Done in {time.monotonic() - began:.0f} s.\n")
    print(written_text(options.out, language(options.language), findings=options.json))
