"""Reinforcement learning of the embedded VLM: `train/grpo.py` with cached features, so that no image is
encoded twice.

python -m train.embedded.grpo --recipe train/recipes/embedded_grpo.yaml
"""

from dataclasses import dataclass, field
from pathlib import Path

from train import grpo
from train.embedded.features import CachedFeatures
from train.options import run


@dataclass
class Options(grpo.Options):
    """The options of `train/grpo.py` and the caches."""

    command: str = field(default="train.embedded.grpo", metadata={"help": "the command a recipe is for"})
    features: list[str] = field(
        default_factory=list, metadata={"help": "caches that train/embedded/features.py filled"}
    )


def main(options: Options) -> Path:
    """Train; returns the folder with the model."""
    new_maps = Path(options.output_dir) / f"maps-{options.process_index}"
    return grpo.main(options, CachedFeatures(options.features, new_maps))


if __name__ == "__main__":
    run(Options, main)
