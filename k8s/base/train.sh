#!/bin/sh
# A shop's raw files → a version that passed its gate, published under a label. Run again, it resumes where it stopped.
#   STORE      where versions are published (folder or URL)     RECIPE     recipe of the shop
#   WORK       folder that is kept from night to night          BASE_PATH  models as the servers see them
#   LABEL      given to what passes (default: stable)           TRAIN_OPTIONS, GATE_OPTIONS  further words
set -eu
models="$WORK/models"

# The store's labels are the right ones: a canary may have been taken back or promoted since.
if [ -e "$WORK/published" ]; then tfrec publish "$STORE" --to "$models"; fi

tfrec prepare "$RECIPE" --out "$WORK/prepared"
# shellcheck disable=SC2086
if [ -d "$models/trained" ]; then
  tfrec train "$WORK/prepared" --out "$models" --warm-start "$models" ${TRAIN_OPTIONS:-}
else
  tfrec train "$WORK/prepared" --out "$models" ${TRAIN_OPTIONS:-}
fi

# The first version of all has no other to be tried beside.
label="${LABEL:-stable}"
grep -qs 'key: "stable"' "$models/models.config" || label=stable
verdict=0
# shellcheck disable=SC2086
tfrec gate "$models" --label "$label" --against stable ${GATE_OPTIONS:-} || verdict=$?
if [ "$verdict" -gt 1 ]; then exit "$verdict"; fi

# Also after a refusal: where nothing was good enough yet, the fall-back goes into service.
tfrec publish "$models" --to "$STORE" --base-path "$BASE_PATH"
touch "$WORK/published"
exit "$verdict"
