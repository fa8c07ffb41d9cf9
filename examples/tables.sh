#!/usr/bin/env bash
# The report's five tables at a tenth of their size, on simulated features: pages for docs/results.
#   bash examples/tables.sh OUT [ANNOTATIONS]
# OUT gets the data, the runs and the pages. With ANNOTATIONS (coarse_labels/, coarse_splits/ and actions.csv of
# Assembly101) the timelines are real ones and the data set is called real_timelines; without, it is generated.
# Takes about an hour on two quiet cores. Stopped, it goes on when started again.
set -euo pipefail
out=$1 annotations=${2:-}
data=generated more=()
if [ -n "$annotations" ]; then data=real_timelines more=(--timelines "$(realpath "$annotations")"); fi
mkdir -p "$out" && cd "$out"
[ -d "$data" ] || viewloom simulate --out "$data" --recordings 40 --views v3,v4,e4 "${more[@]}"
viewloom pack --data "$data" --out "$data.packed"
for table in 1 2 3 4 5; do
  # Table 5 trains on three times as many windows: a third of the epochs makes as many steps.
  epochs=$([ "$table" = 5 ] && echo 10 || echo 30)
  viewloom experiment --table "table$table" --data "$data" --features "$data.packed" --out "tables_$data" \
    --scale 0.1 --seeds "${SEEDS:-0,1,2}" --head_epochs "$epochs" --head_batch_size 8 --head_width 64 \
    --trainer.validate_every_epochs 10 --trainer.logger none --trainer.progress false \
    --docs "docs/results/$data/table$table.md"
done
