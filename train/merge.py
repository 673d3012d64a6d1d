"""Merges a LoRA adapter into its base model: one ordinary model.

    python -m train.merge runs/qwen25vl7b_mask_lora --out runs/qwen25vl7b_mask_merged

Writes the folder a Hub repository has: whole weights, processor, and the small files the adapter was trained
with. The library also opens an adapter as it is.
"""

import argparse
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForImageTextToText, AutoProcessor

from train.checkpoints import UNCHANGED
from train.model_spec import base_of


def merge(adapter: Path, out: Path, dtype: torch.dtype | str = "auto") -> Path:
    """Write `out`; returns it. The weights are added in float32 and stored in the precision of the base.

    Errors: FileNotFoundError if `adapter` holds no adapter, HubError if its base cannot be had.
    """
    base = base_of(adapter)
    if base is None:
        raise FileNotFoundError(
            f"{adapter} holds no adapter_config.json; expected the folder of a run with lora_rank"
        )
    model = AutoModelForImageTextToText.from_pretrained(base, dtype=dtype)
    stored = model.dtype
    merged = PeftModel.from_pretrained(model.float(), adapter).merge_and_unload()
    merged.to(stored).save_pretrained(out)
    AutoProcessor.from_pretrained(adapter).save_pretrained(out)
    for name in (*UNCHANGED, "run.json"):
        if (adapter / name).exists():
            (out / name).write_bytes((adapter / name).read_bytes())
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("adapter", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    print(merge(args.adapter, args.out))


if __name__ == "__main__":
    main()
