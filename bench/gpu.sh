#!/usr/bin/env bash
# Measures on one GPU, in at most eight minutes: Qwen2.5-VL-7B with made-up weights (answers, a batch, a GRPO step) and the embedded pair.
#
#     bench/gpu.sh                               # writes runs/gpu/gpu.json and runs/gpu/gpu.md
#     PYTHON=python3 WHEELS=wheels bench/gpu.sh  # a machine without network: first installs from wheels that were brought along
#     bench/gpu.sh --size tiny --device cpu      # the same parts in seconds, without a GPU
#
# The wheels, made beforehand in an environment of `make install`, on a machine of the same Python and system:
#     SAM2_BUILD_CUDA=0 .venv/bin/python -m pip wheel --no-build-isolation --wheel-dir wheels --constraint requirements.txt '.[sam2,train]'
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
if [ -n "${WHEELS:-}" ]; then
    "$python" -m pip install --quiet --no-index --find-links "$WHEELS" --no-build-isolation --editable '.[sam2,train]'
fi
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false PYTORCH_ALLOC_CONF=expandable_segments:True
export CUDA_VISIBLE_DEVICES=${CUDA_VISIBLE_DEVICES:-0} # one GPU: of several, the trainer would take all
exec timeout --signal=INT 480 "$python" -m bench.gpu "$@"
