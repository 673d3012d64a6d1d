"""Small sets of drawn images, and options of runs that take seconds."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

MEASURED = {
    "side": "left",
    "height": "upper",
    "size": "small",
    "shape": "wider than tall",
    "brightness": "brighter than",
    "margin": "even",
    "neighbours": [],
}
CASES = ("case-0", "case-1", "case-2", "case-32")  # the last one is held back, see train/holdout.py


def make_built_set(folder: Path) -> Path:
    """Four targets in four images, as `medreasoner data build` writes them, with measured facts."""
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    (folder / "stages").mkdir()
    lines, regions = [], []
    for i, case in enumerate(CASES):
        mask = np.zeros((64, 64), np.uint8)
        mask[10 + 5 * i : 30 + 5 * i, 8:40] = 255
        Image.fromarray(np.stack([mask // 2 + 40] * 3, -1)).save(folder / f"images/{i}.png")
        Image.fromarray(mask).save(folder / f"masks/{i}.png")
        sample = {
            "id": str(i), "image": f"images/{i}.png", "mask": f"masks/{i}.png",
            "question": "Where is it?", "modality": "Endoscopy",
            "category": "colorectal polyp", "case": case, "dataset": "kvasir_seg", "split": "train",
            "box": [8.0, 10.0 + 5 * i, 40.0, 30.0 + 5 * i],
            "points": [[20.5, 25.5], [12.5, 22.5]],
            "measured": MEASURED, "licence": "CC0", "source": "drawn",
        }  # fmt: skip
        lines.append(json.dumps(sample))
        target = {key: sample[key] for key in ("mask", "box", "points", "measured")}
        target |= {"name": sample["category"], "called": sample["category"], "side": "", "image_side": ""}
        shared = {key: sample[key] for key in ("id", "image", "dataset", "case", "split")}
        regions.append(json.dumps(shared | {"classes": ["polyp"], "targets": [target]}))
    (folder / "samples.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "stages/1_regions.jsonl").write_text("\n".join(regions) + "\n")
    return folder


def make_set(folder: Path, count: int) -> Path:
    """Samples with one bright square each, in the project's own folder format."""
    lines = []
    for n in range(count):
        mask = np.zeros((60, 80), np.uint8)
        mask[10 + n : 40, 20:50] = 255
        Image.fromarray(np.dstack([mask // 2 + 40] * 3)).save(folder / f"{n}.png")
        Image.fromarray(mask).save(folder / f"{n}_mask.png")
        row = {"id": f"s{n}", "image": f"{n}.png", "mask": f"{n}_mask.png", "question": "Where is it bright?"}
        lines.append(row | {"modality": "CT", "category": "square", "case": f"c{n}", "split": "train"})
    (folder / "samples.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    return folder


def short_run(kind, folder: Path, data: Path, steps: int, **others):
    """Options of the SFT command `kind` for a few steps on a CPU, from the model in `folder`/start to
    `folder`/out."""
    given = {
        "model": str(folder / "start"), "data": [str(data)], "output_dir": str(folder / "out"),
        "max_steps": steps, "wordings": 4, "per_device_train_batch_size": 2, "save_steps": 2,
        "logging_steps": 1, "use_cpu": True, "bf16": False, "gradient_checkpointing": False,
        "freeze_vision": True,
        "learning_rate": 1e-3, "lr_scheduler_type": "constant", "report_to": "none",
    }  # fmt: skip
    return kind(**given | others)
