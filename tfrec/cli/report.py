"""`tfrec report`: a prepared shop → one HTML page that a marketing person reads."""

import argparse
import json
import sys
import time
from pathlib import Path

HELP = "write one HTML page: customers, demand, rules, promotions, models"
DESCRIPTION = """\
Runs every analysis on the prepared shop (training and test period together) and writes one self-contained page with
pictures: the shop in figures, segments, interests, what is bought together, demand and stock, next purchase and churn;
where the shop has them also its coupon test and logged impressions, and with --models what `tfrec evaluate` found.
Each figure has its n and its interval. Nothing is fetched when the page is read; no script runs in it.
"""
EXAMPLES = """\
examples:
  tfrec report prepared/online_retail --out report.html
  tfrec report prepared/online_retail --models models --out report.html --json report.json
  tfrec report prepared/online_retail --out report.zh.html --language zh
"""
INTERRUPTED = "No report was written; an older one is untouched. Run the same command again."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument("prepared", type=Path, metavar="PREPARED", help="folder that `tfrec prepare` wrote")
    parser.add_argument(
        "--models", type=Path, metavar="MODELS", help="folder with report/report.json of `tfrec evaluate`"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.html", help="the page")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the findings for machines")
    parser.add_argument("--language", choices=("en", "zh"), default="en", help="of the page's fixed text")
    parser.add_argument("--horizon", type=int, default=28, metavar="DAYS", help="days to forecast, a multiple of 7")


def run(options: argparse.Namespace) -> None:
    """Writes the page and says where it lies."""
    from tfrec.ingest.prepared import read_prepared
    from tfrec.report import check_extra, render_report, study_shop

    check_extra()
    began = time.monotonic()
    prepared = read_prepared(options.prepared)
    sys.stderr.write(f"Studying {options.prepared} ...\n")
    findings = study_shop(prepared, models=options.models, horizon=options.horizon)
    page = render_report(findings, language_code=options.language)
    _write(options.out, page)
    if options.json is not None:
        _write(options.json, json.dumps(findings.to_dict(), indent=2, ensure_ascii=False) + "\n")
    sys.stderr.write(f"Done in {time.monotonic() - began:.0f} s.\n")
    print(f"Report: {options.out}" + (f" (and {options.json})" if options.json is not None else ""))


def _write(path: Path, text: str) -> None:
    """Writes the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".tmp-{path.name}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
