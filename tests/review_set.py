"""A small set to review, drawn here: images with one target each, in the upper left."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from medreasoner.data.load import load
from medreasoner.data.publish.reviews import REASONS
from medreasoner.data.sample import Sample

QUESTIONS = ("What would you take out here?", "What shines here?", "What casts a shadow?", "What grows here?")
THINK = "It lies in the upper left of the image."
REASON = REASONS[2]


def draw(folder: Path, count: int = 4) -> Path:
    """A set of `count` images with one target each, in the upper left."""
    folder.mkdir(exist_ok=True)
    lines = []
    for number in range(count):
        mask = np.zeros((64, 96), np.uint8)
        mask[8:20, 8 : 24 + number] = 255
        Image.fromarray(mask).save(folder / f"{number}_mask.png")
        Image.fromarray(mask // 2 + 60).convert("RGB").save(folder / f"{number}.png")
        line = {
            "id": f"s{number}",
            "image": f"{number}.png",
            "mask": f"{number}_mask.png",
            "case": f"case {number}",
        }
        line |= {"question": QUESTIONS[number % 4], "think": THINK, "modality": "Endoscopy"}
        lines.append(line | {"category": "colorectal polyp", "supercategory": "neoplasm"})
    (folder / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def samples(folder: Path) -> list[Sample]:
    return list(load(folder))
