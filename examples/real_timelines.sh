#!/usr/bin/env bash
# The whole chain on real timelines: simulated features, but the actions, durations and published lists of Assembly101.
#   bash examples/real_timelines.sh ANNOTATIONS OUT [RECORDINGS] [EPOCHS]
# ANNOTATIONS holds coarse_labels/, coarse_splits/ and actions.csv, as Assembly101's authors give them out.
set -euo pipefail
annotations=$1 out=$2 recordings=${3:-40} epochs=${4:-40}
viewloom simulate --out "$out/data" --timelines "$annotations" --recordings "$recordings"
viewloom index --data "$out/data" --out "$out/index.json"
viewloom check --data "$out/data"
viewloom pack --data "$out/data" --out "$out/packed"
for row in naive:v3 oracle:e4; do
  run="$out/runs/${row%%:*}"
  viewloom train --data "$out/data" --features "$out/packed" --views "${row##*:}" --run "$run" --epochs "$epochs" \
    --trainer.logger none --trainer.validate_every_epochs 10
  viewloom evaluate --data "$out/data" --features "$out/packed" --run "$run"
done
viewloom report --runs "$out/runs" --out "$out/report.html"
