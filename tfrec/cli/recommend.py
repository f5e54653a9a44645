"""`tfrec recommend`: answers a Parquet file of queries with a Parquet file of slates."""

import argparse
import sys
from pathlib import Path

from tfrec.cli.outputs import add_force

HELP = "answer a Parquet file of queries through the exported SavedModel"
DESCRIPTION = """\
QUERIES has a unique `query_id` and columns named as the signature's inputs (lists where they are lists; ids may be
numbers; null or a column left out is the input's default). OUT gets one row per recommended item: query_id, rank
(from 1), item_id, score and the signature's other outputs.
"""
EXAMPLES = """\
examples:
  tfrec recommend models --signature complete_cart --queries carts.parquet --k 20 --out slates.parquet
  tfrec recommend models --signature upsell --queries viewed.parquet --out slates.parquet

  carts.parquet:  query_id | user_id | cart_item_ids
                  1        | 17850   | [85123A, 71053]
"""
INTERRUPTED = "No slates were written; an older file of that name is untouched. Run the same command again."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    from tfrec.schema.signatures import SIGNATURES

    parser.add_argument("models", type=Path, metavar="MODELS", help="folder of servables; the newest version answers")
    parser.add_argument("--signature", required=True, metavar="NAME", help=f"one of {', '.join(SIGNATURES)}")
    parser.add_argument("--queries", type=Path, required=True, metavar="Q.parquet", help="Parquet file of the queries")
    parser.add_argument(
        "--k",
        type=int,
        help="number of items of a query without a `k` of its own: 20, of a bundle 2, of a page 10 a widget",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="S.parquet", help="Parquet file of the slates")
    parser.add_argument("--batch-size", type=int, default=128, metavar="B", help="number of queries answered together")
    add_force(parser)


def run(options: argparse.Namespace) -> None:
    """Answers the queries and says how fast."""
    from tfrec.serving.recommend import recommend_file

    done = recommend_file(
        options.models,
        options.queries,
        options.out,
        signature_name=options.signature,
        k=options.k,
        batch_size=options.batch_size,
        force=options.force,
    )
    sys.stderr.write(
        f"{done.num_queries:,} queries in {done.seconds:.1f} s: {done.queries_per_second:,.0f} queries/s.\n"
    )
    print(f"Slates: {options.out} ({done.num_rows:,} rows)")
