"""Trained embedded models side by side: `train/compare.py` with cached features, so that a model takes a
minute or two.

    python -m train.embedded.compare medreasoner/embedded runs/grpo_mask --data runs/data \\
        --features runs/features --segmenter medreasoner/embedded/segmenter
"""

from train import compare
from train.embedded.features import CachedFeatures

if __name__ == "__main__":
    compare.main(CachedFeatures)
