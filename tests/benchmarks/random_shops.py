"""Looks for infinities and NaN in features of random shops: `python -m tests.benchmarks.random_shops [--shops N]`."""

import argparse
import collections

from tqdm import tqdm

from tests.random_shops import odd_values, random_shop


def count_odd_values(num_shops: int) -> collections.Counter[str]:
    """Returns table or feature → in how many of the shops it holds an infinity or NaN."""
    found: collections.Counter[str] = collections.Counter()
    for seed in tqdm(range(num_shops), unit="shop", disable=None):
        found.update(set(odd_values(random_shop(seed), seed)))
    return found


def main() -> None:
    """Prints what was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shops", type=int, default=1000)
    num_shops = parser.parse_args().shops
    found = count_odd_values(num_shops)
    print(f"{num_shops:,} random shops: " + (f"infinities or NaN in {dict(found)}" if found else "all values finite"))


if __name__ == "__main__":
    main()
