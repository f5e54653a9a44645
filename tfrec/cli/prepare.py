"""`tfrec prepare`: prepares a shop from raw files that a recipe describes."""

import argparse
import functools
import re
import sys
from pathlib import Path

from tfrec.cli.analyses import add_language, wording
from tfrec.cli.prepared_counts import print_counts

HELP = "read, check, clean and split a shop's raw files"
DESCRIPTION = """\
Reads the raw files that a recipe (a TOML file) describes, leaves out what its rules exclude, rejects faulty rows (each
with its reason, in rejected.parquet), cuts orders and sessions, splits by time, and writes a folder that `tfrec train`
reads, with report.html, which shows what was read, kept and set aside, and what changed since the last time. A folder
that is up to date is reused; of one that is not, only new and changed raw files are read.
"""
EXAMPLES = """\
examples:
  tfrec prepare online_retail --data-home data --out prepared/online_retail
  tfrec prepare my_shop.toml --out prepared/my_shop            # a recipe of your own
  tfrec prepare my_shop.toml --out prepared/my_shop --until 2011-11-01    # nothing from then on enters training

recipes of the package:
  collected, collected_files, complete_journey, coop100, demo_shop, eshop_clothing_2008, groceries, online_retail,
  yoochoose_100k
"""
INTERRUPTED = (
    "What was prepared before is untouched. Run the same command again: files that were read are not read again."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument("recipe", help="name of a recipe of the package or in ./datasets, or the path of one")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to be written")
    parser.add_argument(
        "--until", metavar="DATE", help="end of training; later events are for evaluation (default: the recipe's)"
    )
    parser.add_argument(
        "--data-home",
        type=Path,
        metavar="DIR",
        help="folder with the raw files (default: $TFREC_DATA_HOME, else the recipe's folder, or the current folder "
        "for a recipe of the package)",
    )
    parser.add_argument(
        "--force", action="store_true", help="a new preparation that reads all files, even if nothing changed"
    )
    parser.add_argument(
        "--memory",
        type=_size,
        metavar="SIZE",
        help="memory of DuckDB for tables in between, such as 4GB; beyond, they go to the disk (default: 80%% of the "
        "machine's); Spark's memory is set by Spark's own configuration",
    )
    parser.add_argument(
        "--engine",
        choices=("duckdb", "spark"),
        default="duckdb",
        help="what computes: DuckDB in this process, or Spark, local or on the cluster that Spark's own configuration "
        "names; the result is the same (default: duckdb)",
    )
    parser.add_argument(
        "--trust-times",
        action="store_true",
        help="comparison of raw files by size and time only, without reading them",
    )
    parser.add_argument("--no-report", action="store_true", help="no report.html in the folder")
    add_language(parser)


def _write_report(folder: Path, *, options: argparse.Namespace) -> None:
    """Writes the page on a preparation into its folder; what was prepared before still lies in `options.out`."""
    from tfrec.report.preparation_page import preparation_page
    from tfrec.report.preparation_study import study_preparation

    study = study_preparation(folder, before=options.out)
    (folder / "report.html").write_text(preparation_page(study, wording(options)), encoding="utf-8")


def _size(text: str) -> str:
    if not re.fullmatch(r"[1-9]\d*(?:\.\d+)? ?[MGT]i?B", text):
        raise argparse.ArgumentTypeError(f"a size in MB, GB or TB, such as 4GB; got {text!r}")
    return text


def run(options: argparse.Namespace) -> None:
    """Prepares and says what came of it."""
    from tfrec.ingest.prepare import prepare_folder

    if not options.no_report:
        from tfrec.report import check_extra

        check_extra()
    sys.stderr.write(f"Preparing {options.recipe} ...\n")
    about = prepare_folder(
        options.recipe,
        options.out,
        until=options.until,
        data_home=options.data_home,
        force=options.force,
        trust_times=options.trust_times,
        memory=options.memory or "",
        engine=options.engine,
        describe=None if options.no_report else functools.partial(_write_report, options=options),
        announce=lambda line: print(f"Sources: {line}."),
    )
    print(f"{options.out}: {about.recipe}")
    print_counts(about)
    if (page := options.out / "report.html").is_file():
        print(f"  report     {page}")
    print(f"Next: tfrec train {options.out} --out models")
