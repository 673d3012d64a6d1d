"""`train/embedded/augment.py`: views in the usual position, with boxes of their own masks."""

import json
import random

import numpy as np
import pytest
from PIL import Image

from medreasoner.geometry import mask_to_box
from train.embedded.augment import Pose, transform, view
from train.embedded.poses import STANDARD


@pytest.mark.parametrize(
    "dataset,place",
    [("mri_spine_spider_t2", (2, 7)), ("ct_lung_tumour_msd", (7, 17)), ("ct_heart_hocm", (17, 2))],
)
def test_a_stored_position_becomes_the_usual_one(dataset, place):
    """The bright corner of a picture of 20 x 10 at (2, 2): head down becomes upright, lying becomes
    supine, mirrored becomes straight."""
    picture = np.zeros((10, 20), np.uint8)
    picture[2, 2] = 255
    shown = transform(
        Image.fromarray(picture).resize((20, 10)),
        Pose((0, 0, 20, 10), STANDARD[dataset], mirror=False, turns=0),
    )
    y, x = np.argwhere(np.asarray(shown) == 255).mean(0) * 20 / 512
    assert (x, y) == pytest.approx((place[0] + 0.5, place[1] + 0.5), abs=0.1)


def test_a_view_has_the_box_of_its_own_mask_and_files_of_its_own(built_set, tmp_path):
    [sample, *_] = map(json.loads, (built_set / "samples.jsonl").read_text().splitlines())
    views = [view([sample], built_set, tmp_path, n, random.Random(n)) for n in range(8)]
    made = [each for found in views for each in found]
    assert made and len({each["id"] for each in made}) == len(made)
    for each in made:
        mask = np.asarray(Image.open(tmp_path / each["mask"])) > 127
        assert Image.open(tmp_path / each["image"]).size == mask.shape[::-1]
        assert tuple(each["box"]) == tuple(mask_to_box(mask)) and each["category"] == sample["category"]
