"""Packs a trained VLM and segmenter into the folder that is shipped: half precision (the sentence encoder 8
bits), every file under 50 MB, the image encoder stored once.

    python -m train.embedded.pack --crm runs/sft --asm runs/asm --out medreasoner/embedded

The folder is exactly what a Hub repository would hold. The frozen vision tower has shards of its own, so that
a retrained VLM changes only the last one. The card is written after the evaluation, by
`train/embedded/card.py`.
"""

import argparse
import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText

import medreasoner.reasoners.embedded  # noqa: F401 (registers its classes with transformers)
from medreasoner.confidence import NAME as CALIBRATION
from medreasoner.manifest import Manifest
from medreasoner.prompts import Prompt
from train.embedded.presence import SHARD

MATRIX = 2  # dimensions

COPIED = (  # from the VLM's folder, unchanged
    "prompt.json",
    "medreasoner.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
)


def shards_of(state: dict[str, torch.Tensor]) -> list[dict[str, torch.Tensor]]:
    """The weights by shard: the vision tower in two halves, under the names that LLaVA gives it, then
    everything else, see `stored`."""
    state = {key.replace("model.vision_tower.", "vision_tower."): value for key, value in state.items()}
    tower = [key for key in state if "vision_tower." in key]
    total, done, halves = sum(state[k].nbytes for k in tower), 0, ({}, {})
    for key in tower:
        halves[0 if done < total / 2 else 1][key] = state[key]
        done += state[key].nbytes
    return [*halves, {key: stored(key, state[key]) for key in state if key not in set(tower)}]


def stored(key: str, value: torch.Tensor) -> torch.Tensor:
    """A trained weight in the type it is stored in; loading turns every type into that which is computed in.

    Rounded to bf16, in which it was multiplied during training, and written as fp16, a repository compresses
    it by a sixth. The matrices of the sentence encoder take 8 bits (e4m3, errors of about 3 %), for with 16
    it would be larger than all else that is trained.
    """
    if "question_encoder." in key and value.ndim == MATRIX:
        return value.to(torch.float8_e4m3fn)
    return value.bfloat16().half()


def pack(crm: Path, asm: Path, out: Path) -> None:
    """Write `out`, which must hold the manifest `medreasoner.json` already, from the folders of a VLM and a
    segmenter.

    Prints the size of every file.
    """
    out.mkdir(parents=True, exist_ok=True)
    for name in (CALIBRATION, SHARD):  # of the weights before; `calibrate` and `presence` fit new ones
        (out / name).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        model = AutoModelForImageTextToText.from_pretrained(crm, dtype=torch.float16)
        model.save_pretrained(scratch)
        for name in ("config.json", "generation_config.json"):
            shutil.copyfile(Path(scratch) / name, out / name)
        state = load_file(Path(scratch) / "model.safetensors")
    index = {"metadata": {"total_size": sum(v.nbytes for v in state.values())}, "weight_map": {}}
    shards = shards_of(state)
    for number, shard in enumerate(shards, 1):
        name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        save_file({k: v.contiguous() for k, v in shard.items()}, out / name, metadata={"format": "pt"})
        index["weight_map"] |= dict.fromkeys(shard, name)
    (out / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")
    for name in COPIED:
        shutil.copyfile(crm / name, out / name)
    manifest = replace(Manifest.read(out), prompt_sha256=Prompt.load(out / "prompt.json").sha256)
    (out / "medreasoner.json").write_text(manifest.dumps())
    for source, name in ((crm, "run.json"), (asm, "segmenter/run.json")):
        (out / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(source / "run.json", out / name)
    for name in ("config.json", "model.safetensors", "medreasoner.json"):
        shutil.copyfile(asm / name, out / "segmenter" / name)
    for path in sorted(out.rglob("*")):
        if path.is_file():
            print(f"{path.stat().st_size / 1e6:8.2f} MB  {path.relative_to(out)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--crm", type=Path, required=True)
    parser.add_argument("--asm", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    a = parser.parse_args()
    pack(a.crm, a.asm, a.out)
