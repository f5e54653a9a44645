"""Asks `complete_cart` of a served shop over REST and prints the offered items. Needs Python alone.

python recommend.py localhost:8501 85123A,71053
"""

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

DEADLINE = 1.0  # seconds
REQUEST = Path(__file__).parents[1] / "requests" / "complete_cart.json"


def main() -> int:
    """Asks and prints; returns 1 where there are no offers."""
    target = sys.argv[1] if len(sys.argv) > 1 else "localhost:8501"
    cart = sys.argv[2].split(",") if len(sys.argv) > 2 else []
    # REST takes no request that leaves an input out. Each list begins with the padding value "": TF Serving with
    # batching widens lists by their first element.
    request = json.loads(REQUEST.read_text(encoding="utf-8"))
    request["inputs"] |= {"cart_item_ids": [["", *cart]], "k": [5]}
    try:
        body = json.dumps(request).encode()
        with urllib.request.urlopen(f"http://{target}/v1/models/shop:predict", body, timeout=DEADLINE) as response:
            outputs = json.load(response)["outputs"]  # Python reads -Infinity, the score behind the end of a short row
    except urllib.error.HTTPError as error:
        # 404, 429, 503, 504: show the shop's own list. 400: the request is wrong.
        print(f"no offers ({error.code}): {error.read().decode()}", file=sys.stderr)
        return 1
    except OSError as error:  # no connection, or no answer in time
        print(f"no offers: {error}", file=sys.stderr)
        return 1
    names = ("item_ids", "scores", "prices", "reasons", "reason_item_ids")
    for item_id, score, price, reason, reason_item_id in zip(*(outputs[name][0] for name in names), strict=True):
        if item_id:
            print(item_id, f"{score:.4f}", f"{price:.2f}", reason, reason_item_id, sep="\t")
    return 0


if __name__ == "__main__":
    sys.exit(main())
