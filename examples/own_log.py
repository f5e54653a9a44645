"""A log of one's own, from a CSV file to an answer: `python examples/own_log.py FOLDER`.

The log is drawn here, so that the answer is known: the shop sells teas and biscuits, and whoever buys a tea mostly buys
the biscuit of the same number with it. With a log of your own, leave out `write_log` and write your columns' names.
"""

import random
import sys
from datetime import datetime, timedelta
from pathlib import Path

from tfrec.client import RecommenderClient
from tfrec.ingest.prepare import prepare_shop
from tfrec.jobs.fallback import publish_baseline
from tfrec.serving.server import EmbeddedServer

RECIPE = """\
name = "tea_shop"
currency = "EUR"

[events]
files = "orders.csv"
type = "purchase"
time_zone = "Europe/Berlin"

[events.columns]                 # name in tfrec = name in the file
order_id = "Order"
user_id = "Customer"
item_id = "SKU"
timestamp = "Created at"
price = "Unit price"

[split]
test_days = 28
validation_days = 28
"""
NEXT = """\
tfrec train prepared --out models      # the funnel, in minutes
tfrec evaluate models                  # beside the baselines, on the test period
tfrec report prepared --models models --out report.html
"""


def write_log(path: Path, *, num_orders: int = 2_000, num_pairs: int = 30) -> None:
    """Writes orders of a year: a tea, in four cases of five its biscuit, and now and then something else."""
    draw = random.Random(7)
    lines = ["Order,Customer,SKU,Created at,Unit price"]
    for order in range(num_orders):
        moment = datetime(2025, 1, 1, 9) + timedelta(hours=order * 365 * 24 / num_orders)
        pair = draw.randrange(num_pairs)
        basket = [f"tea-{pair}"]
        if draw.random() < 0.8:
            basket.append(f"biscuit-{pair}")
        if draw.random() < 0.3:
            basket.append(f"tea-{draw.randrange(num_pairs)}")
        customer = f"c{draw.randrange(300)}"
        lines += [f"{order},{customer},{item},{moment:%Y-%m-%d %H:%M},4.90" for item in dict.fromkeys(basket)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(folder: Path) -> None:
    """Prepares the log, publishes a baseline, serves it and asks what goes with a tea."""
    folder.mkdir(parents=True, exist_ok=True)
    write_log(folder / "orders.csv")
    (folder / "tea_shop.toml").write_text(RECIPE, encoding="utf-8")

    # `tfrec prepare tea_shop.toml --out prepared`
    prepared = prepare_shop(folder / "tea_shop.toml", folder / "prepared")
    manifest = prepared.manifest
    print(f"{manifest.train_events:,} events in training, {sum(manifest.rejected.values()):,} rows left out")

    # `tfrec baseline prepared --out models`: something good to serve at once
    published = publish_baseline(prepared.path, folder / "models")
    print(f"models/fallback/{published.version} after {published.seconds:.0f} s")

    # `tfrec serve models`, and what a page of the shop sends
    with (
        EmbeddedServer(folder / "models", port=0) as server,
        RecommenderClient(f"localhost:{server.port}", servable="fallback", deadline=30) as client,
    ):
        for item in client.complete_cart(cart_item_ids=["tea-3"], k=3):
            print(f"{item.item_id:<12} {item.probability:6.1%}  {item.reason_sentence()}")
    print(f"\nNext, in {folder}:\n{NEXT}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
