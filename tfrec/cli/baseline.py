"""`tfrec baseline`: publishes a baseline of a prepared shop as the servable `fallback`, without training."""

import argparse
import sys
from pathlib import Path

HELP = "publish a baseline to serve until, and whenever, the models do not answer"
DESCRIPTION = """\
Learns one baseline on the training period, in seconds and without a step of gradients, and publishes it as
OUT/fallback/N: the signatures, limits and reasons of `shop`, its candidates in the baseline's own order. Before the
first training has ended a shop serves it alone; afterwards the client falls back to it when `shop` does not answer:
RecommenderClient(target, fallback="fallback"). Publish it again when the shop was prepared again.

methods:
  popularity, recent_popularity                    what everybody buys, and in the last 30 days
  personal_frequency                               what the shopper buys, then what is popular
  rule_confidence, rule_lift, cosine, bm25, ease   what goes with the cart
  p3alpha, rp3beta                                 the same by random walks
  ease_personal, ease_more_personal                what goes with the cart, and what the shopper buys
  item_knn                                         what goes with all that the shopper bought, and the cart
  markov_chain                                     what follows the latest item, for logs of visits without orders
"""
EXAMPLES = """\
examples:
  tfrec baseline prepared/online_retail --out models
  tfrec baseline prepared/online_retail --out models --method rp3beta
  tfrec serve models    # and in another shell, once it serves:
  tfrec ask localhost:8500 complete_cart --cart 85123A --servable fallback
  tfrec evaluate models --servable fallback            # beside the baselines, one of which it is
"""
INTERRUPTED = "The versions that were there are untouched. Run the same command again."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument("prepared", type=Path, metavar="DIR", help="folder that `tfrec prepare` wrote")
    parser.add_argument("--out", type=Path, required=True, metavar="MODELS", help="folder of servables")
    parser.add_argument("--method", default="ease_personal", metavar="NAME", help="name of a method listed above")


def run(options: argparse.Namespace) -> None:
    """Learns, publishes and says where."""
    from tfrec.baselines.registry import check_served
    from tfrec.ingest.prepared import read_manifest
    from tfrec.jobs.fallback import publish_baseline
    from tfrec.publish import check_claim
    from tfrec.serving.models_config import CONFIG, FALLBACK, read_serving_config

    check_served(options.method)
    check_claim(options.out)
    read_manifest(options.prepared)
    sys.stderr.write("Loading TensorFlow ...\n")
    published = publish_baseline(options.prepared, options.out, options.method)
    print(f"Learned {options.method} and published it in {published.seconds:.1f} s.")
    print(f"SavedModel: {options.out}/fallback/{published.version}")
    if (config := options.out / CONFIG).is_file() and FALLBACK not in read_serving_config(config):
        print(
            f"{config} does not name `{FALLBACK}`, so no server that follows it serves it: tfrec label writes it again."
        )
    print(f"Next: tfrec serve {options.out}, or tfrec evaluate {options.out} --servable fallback")
