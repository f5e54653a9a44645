"""`tfrec segments`: groups users into segments with a name and a value."""

import argparse
from pathlib import Path

from tfrec.cli.analyses import add_log, print_json, read_log, wording
from tfrec.cli.outputs import add_force, inputs_of
from tfrec.cli.plots import add_plot, check_plot, save_plot

HELP = "group users by behaviour: RFM, K-means or DBSCAN"
DESCRIPTION = """\
Groups users by what they did. rfm: fixed steps of recency, frequency and value. kmeans: the number of segments is
chosen by silhouette among those that are stable under resampling. dbscan: dense regions; who is in none is noise.

The models read segments that a recipe joins: `[users] files = "DIR/users.parquet"`, `[users.columns]
user_id = "user_id"`, `segment = "segment"`; any column of the shop's own will do as well.
"""
EXAMPLES = """\
examples:
  tfrec segments prepared/online_retail
  tfrec segments prepared/online_retail --method kmeans --export segments
  tfrec segments prepared/online_retail --method kmeans --k 4,5,6 --json
"""
INTERRUPTED = "Nothing was written; an older export is untouched."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    add_log(parser)
    parser.add_argument("--method", choices=("rfm", "kmeans", "dbscan"), default="rfm", help="method of segmentation")
    parser.add_argument("--k", metavar="K,K", help="numbers of segments to try with kmeans (default: 3 to 8)")
    parser.add_argument(
        "--export",
        type=Path,
        metavar="DIR",
        help="folder of users.parquet, popular.parquet (for cold start), segments.json",
    )
    add_plot(parser)
    add_force(parser)


def run(options: argparse.Namespace) -> None:
    """Groups and prints."""
    from tfrec.analysis.segments import SEGMENTS_FOLDER, segment_by_dbscan, segment_by_kmeans, segment_by_rfm
    from tfrec.errors import ConfigError
    from tfrec.publish import check_folder
    from tfrec.report.plots import segments_figure
    from tfrec.report.terminal.customers import segments_text

    if options.k is not None and options.method != "kmeans":
        raise ConfigError(f"--k is for --method kmeans; got --method {options.method}.")
    if options.export is not None:
        check_folder(options.export, SEGMENTS_FOLDER, inputs=inputs_of(options))
    check_plot(options)
    tables = read_log(options)
    if options.method == "rfm":
        segments = segment_by_rfm(tables)
    elif options.method == "dbscan":
        segments = segment_by_dbscan(tables)
    else:
        segments = segment_by_kmeans(tables) if options.k is None else segment_by_kmeans(tables, ks=_numbers(options.k))
    if options.export is not None:
        segments.export(options.export, inputs=inputs_of(options))
    if options.plot is not None:
        say = wording(options)
        save_plot(options, segments_figure(segments, say("customers.segments"), say))
    if options.json:
        print_json(segments)
    else:
        print(segments_text(segments, wording(options), out=options.export))


def _numbers(text: str) -> list[int]:
    from tfrec.errors import ConfigError

    try:
        return sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise ConfigError(f"--k takes whole numbers separated by commas; got {text!r}. Try 3,4,5.") from None
