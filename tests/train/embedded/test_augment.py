"""Copies of training images: image and mask move together, and what is left out stays out."""

import json
import random

import numpy as np
from PIL import Image, ImageDraw

from train.embedded.augment import TURN, ZOOM, copies, transform


def source(folder):
    """A source with one image: a bright disc on black, and its mask."""
    image = Image.new("L", (200, 160))
    ImageDraw.Draw(image).ellipse((80, 60, 120, 100), fill=255)
    for name, picture in (
        ("images/a.png", image),
        ("masks/a.png", image.point(lambda value: value // 255 * 7)),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture.save(folder / name)
    targets = [{"index": 7, "name": "liver"}, {"index": 9, "name": "spleen"}]
    return {"id": "set/a", "image": "images/a.png", "mask": "masks/a.png", "case": "c1", "targets": targets}


def test_image_and_mask_of_a_copy_move_together(tmp_path):
    made = list(copies(source(tmp_path), tmp_path, tmp_path / "out", 5))
    assert len(made) == 5 and len({row["id"] for row in made}) == 5
    for row in made:
        mask = np.asarray(Image.open(tmp_path / "out" / row["mask"])) == 7
        grey = np.asarray(Image.open(tmp_path / "out" / row["image"]).convert("L"))
        assert mask.sum() > 12
        assert (grey[mask] > 128).mean() > 0.95 and (grey[~mask] > 128).mean() < 0.02
        assert row["case"] == "c1" and row["targets"] == [{"index": 7, "name": "liver"}]


def test_a_copy_depends_on_its_name_alone(tmp_path):
    row = source(tmp_path)
    first = list(copies(row, tmp_path, tmp_path / "one", 2))
    second = list(copies(row, tmp_path, tmp_path / "two", 2))
    assert json.dumps(first) == json.dumps(second)
    for each in first:
        assert (tmp_path / "one" / each["image"]).read_bytes() == (
            tmp_path / "two" / each["image"]
        ).read_bytes()


def test_turns_and_sizes_stay_within_their_limits():
    for seed in range(50):
        a, b, _, d, e, _ = transform((200, 160), random.Random(seed))
        zoom = 1 / np.hypot(a, b)
        assert ZOOM[0] <= zoom <= ZOOM[1] and abs(np.degrees(np.arctan2(b, a))) <= TURN
        assert (a, b) == (e, -d)
