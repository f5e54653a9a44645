#!/usr/bin/env bash
# Asks `complete_cart` of a served shop over gRPC and prints the answer. Needs grpcurl, and jq for the table.
#   ./recommend.sh localhost:8500 85123A,71053
set -euo pipefail
target="${1:-localhost:8500}" cart="${2:-}"
here="$(cd "$(dirname "$0")" && pwd)"

# Texts are bytes, in JSON base64. Each list begins with the padding value "".
request="$(jq --null-input --arg cart "$cart" '([""] + ($cart / ",")) as $values | {
  model_spec: {name: "shop", signature_name: "complete_cart"},
  inputs: {
    cart_item_ids: {
      dtype: "DT_STRING",
      tensor_shape: {dim: [{size: 1}, {size: ($values | length)}]},
      string_val: ($values | map(@base64))
    },
    k: {dtype: "DT_INT32", tensor_shape: {dim: [{size: 1}]}, int_val: [5]}
  }
}')"

# -max-time is the deadline in seconds. The status after a failure: UNAVAILABLE, DEADLINE_EXCEEDED, NOT_FOUND and
# RESOURCE_EXHAUSTED mean no offers now; INVALID_ARGUMENT names what is wrong with the request.
if ! answer="$(grpcurl -plaintext -max-time 1 -import-path "$here/../protos" -proto predict.proto -d "$request" \
  "$target" tensorflow.serving.PredictionService/Predict)"; then
  echo "no offers" >&2
  exit 1
fi

# Numbers are packed: tensorContent holds them as bytes. The texts are read here; other languages read the numbers too.
jq --raw-output '
  .outputs as $of | ($of.item_ids.stringVal | map(@base64d)) as $items | range($items | length)
  | select($items[.] != "")
  | [$items[.], ($of.reasons.stringVal[.] | @base64d), ($of.reason_item_ids.stringVal[.] | @base64d)] | @tsv' <<<"$answer"
