"""Averages a model with runs that started from it: one ordinary model, no slower than its parts (model soups,
Wortsman et al. 2022, arXiv 2203.05482).

    python -m train.soup runs/sft runs/grpo_150 runs/sft_words --out runs/mean
    python -m train.soup … --only 'self_attn'        # the other weights stay those of the first

Writes the folder a Hub repository has; its record names every part. Runs from different first weights cannot
be averaged.
"""

import argparse
import json
import re
from pathlib import Path

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

import medreasoner.reasoners.embedded  # noqa: F401 (registers its classes with transformers)
from train.checkpoints import complete
from train.record import without_curve


@torch.no_grad()
def soup(folders: list[Path], out: Path, only: str = "") -> Path:
    """Write `out`: the first folder with the weights whose names match `only` averaged over all, in fp32;
    returns it.

    Errors: ValueError if the folders do not hold the same weights.
    """
    first, *others = (
        AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32) for folder in folders
    )
    states = [other.state_dict() for other in others]
    for name, value in first.state_dict().items():
        if any(name not in state or state[name].shape != value.shape for state in states):
            raise ValueError(
                f"{name} is not in every model with its shape {tuple(value.shape)}; "
                "expected runs that went on from the first"
            )
        values = [value, *(state[name] for state in states)]
        # what was frozen stays to the bit, a sum would lose the sign of zeros
        same = all(torch.equal(value, other) for other in values)
        if value.is_floating_point() and re.search(only, name) and not same:
            value.copy_(torch.stack(values).mean(0))
    first.save_pretrained(out)
    AutoProcessor.from_pretrained(folders[0]).save_pretrained(out)
    record, *runs = (json.loads((folder / "run.json").read_text(encoding="utf-8")) for folder in folders)
    complete(
        out, folders[0], record | {"averaged_with": [without_curve(run) for run in runs], "averaged": only}
    )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument(
        "--only", default="", help="regular expression: names of the weights that are averaged"
    )
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    print(soup(args.models, args.out, args.only))


if __name__ == "__main__":
    main()
