"""A small set to publish, drawn here: pictures of noise with licences of three kinds, masks and one box
alone.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from medreasoner.data.sample import Sample

SIZE = (96, 64)


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8))


def draw(folder: Path, count: int = 6) -> Path:
    """`count` samples: one in three of them for validation, the last with a box and no mask, licences of
    three kinds.
    """
    folder.mkdir()
    lines = []
    for number in range(count):
        mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
        mask[8:20, 8 : 24 + number] = 1
        Image.fromarray(mask).save(folder / f"{number}_mask.png")
        picture(number).save(folder / f"{number}.jpg")
        lines.append(
            {
                "id": f"s{number}",
                "image": f"{number}.jpg",
                "mask": f"{number}_mask.png",
                "question": f"What grows here, {number}?",
                "modality": ("CT", "X-ray")[number % 2],
                "category": f"part {number % 2}",
                "supercategory": "neoplasm",
                "case": f"case {number}",
                "think": "It lies in the upper left.",
                "split": ("train", "train", "validation")[number % 3],
                "others": [[1.5, 2, 30, 40]],
                "dataset": "drawn",
                "source": "this test",
                "licence": ("CC0", "CC BY 4.0 (README)", "unknown (CC BY 4.0 from memory)")[number % 3],
            }
        )
    lines[-1] |= {"mask": None, "box": [3.5, 4, 30, 40.25], "points": [[10.5, 11.5], [20, 21]], "others": []}
    (folder / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def draw_absent(folder: Path) -> Path:
    """The set of `draw`, with two questions more: one about a part that s0 does not show, one small talk
    about s2.
    """
    draw(folder)
    with (folder / "samples.jsonl").open("a") as lines:
        for image, kind, name, split in (
            ("s0", "cannot show", "part 7", "train"),
            ("s2", "no question", "", "validation"),
        ):
            line = {
                "id": f"{image}_absent",
                "image": f"{image[1:]}.jpg",
                "absent": True,
                "kind": kind,
                "question": f"Is it here, {kind}?",
                "modality": "CT",
                "category": name or kind,
                "target": name,
                "supercategory": "absent",
                "case": f"case {image[1:]}",
                "think": "Nothing of it is here.",
                "split": split,
                "dataset": "drawn",
                "source": "this test",
                "licence": "CC0",
            }
            lines.write(json.dumps(line) + "\n")
    return folder


def same(one: Sample, other: Sample) -> bool:
    """Whether two samples are the same but for where their pictures lie and how their mask is stored."""
    masks = [None if sample.mask is None else sample.load_mask() for sample in (one, other)]
    images = [np.asarray(sample.load_image()) for sample in (one, other)]
    bare = [replace(sample, image=b"", mask=None, box=None, points=None) for sample in (one, other)]
    if not one.absent and one.truth() != other.truth():
        return False
    return bare[0] == bare[1] and np.array_equal(*images) and np.array_equal(*masks)
