#!/usr/bin/env bash
# Asks `complete_cart` of a served shop over REST and prints the offered items. Needs curl and jq.
#   ./recommend.sh localhost:8501 85123A,71053
set -euo pipefail
target="${1:-localhost:8501}" cart="${2:-}"
here="$(cd "$(dirname "$0")" && pwd)"

# REST takes no request that leaves an input out. Each list begins with the padding value "": TF Serving with batching
# widens lists by their first element.
request="$(jq --arg cart "$cart" '.inputs.cart_item_ids = [[""] + ($cart / ",")] | .inputs.k = [5]' \
  "$here/../requests/complete_cart.json")"

# --max-time is the deadline in seconds. An error has a status of 400 or above and a text in `error`; where no server
# answered, curl's own message is the cause.
if ! answer="$(curl --silent --show-error --fail-with-body --max-time 1 --data-binary "$request" \
  "http://$target/v1/models/shop:predict" 2>&1)"; then
  # 404, 429, 503, 504, no connection: show the shop's own list. 400: the request is wrong.
  error="$(sed 's/curl: (22).*//' <<<"$answer" | jq --raw-output '.error // empty' 2>/dev/null || true)"
  echo "no offers: ${error:-$answer}" >&2
  exit 1
fi

# Behind the end of a short row the score is -Infinity, which is no JSON; outside texts it becomes null.
sed -E ':next; s/^(([^"-]|-[^I]|"([^"\\]|\\.)*")*)-?(Infinity|NaN)/\1null/; t next' <<<"$answer" | jq --raw-output '
  .outputs as $of | range($of.item_ids[0] | length) | select($of.item_ids[0][.] != "")
  | [$of.item_ids[0][.], $of.scores[0][.], $of.prices[0][.], $of.reasons[0][.], $of.reason_item_ids[0][.]] | @tsv'
