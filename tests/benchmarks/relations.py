"""Prints how many of the demo shop's true complements are found, with views and from orders alone, on several shops.

`python -m tests.benchmarks.relations [--seeds 7 11 12 13]`
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from tests.demo_shops import prepare_demo_shop
from tfrec.demo_shop import read_truth
from tfrec.features.complements import compare_categories
from tfrec.features.feature_tables import target_type
from tfrec.features.sequences import BehaviourSequences
from tfrec.features.shop import load_shop


def judge(sequences: BehaviourSequences, true_pairs: set[tuple[str, str]]) -> dict[str, float]:
    """Returns shares: of the true pairs found; of what is found for categories that have any, true, reversed."""
    target = sequences.event_type == target_type(sequences)
    pairs = compare_categories(sequences, np.ones(len(sequences), bool), target)
    names = sequences.vocabularies.categories
    found = pairs[pairs["strength"] > 0]
    ids = list(zip(names.decode(found["category"]), names.decode(found["complement"]), strict=True))
    about = pd.Series([pair for pair in ids if pair[0] in {first for first, _ in true_pairs}], dtype=object)
    weight = found["strength"].to_numpy()[[pair[0] in {first for first, _ in true_pairs} for pair in ids]]
    is_true = about.isin(true_pairs).to_numpy()
    is_reversed = np.array([pair[::-1] in true_pairs for pair in about], bool) & ~is_true
    total = max(weight.sum(), 1e-9)
    return {
        "found": is_true.sum() / len(true_pairs),
        "true": (weight * is_true).sum() / total,
        "reversed": (weight * is_reversed).sum() / total,
    }


def main() -> None:
    """Generates the shops and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 11, 12, 13])
    options = parser.parse_args()
    print("shares of true pairs found; of what is found, by strength: true, true the other way round only")
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            path = prepare_demo_shop(Path(folder), seed=seed)
            leaves = read_truth(path).leaf_complements
            true_pairs = set(zip(leaves["from_leaf"], leaves["to_leaf"], strict=True))
            train = load_shop(path).train
        orders = train.where(train.event_type == train.type_code("purchase"))
        for name, log in (("views and orders", train), ("orders alone", orders)):
            shares = judge(log, true_pairs)
            print(f"seed {seed:3}  {name:18}", "  ".join(f"{key} {value:.2f}" for key, value in shares.items()))


if __name__ == "__main__":
    main()
