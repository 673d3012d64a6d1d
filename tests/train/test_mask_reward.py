"""Masks for a reward are those that the segmenter draws one by one, in the original image's size."""

import numpy as np
import pytest
import torch
from PIL import Image

from medreasoner.geometry import Grounding
from medreasoner.segmenters.base import Segmenter, SegmenterPrompt
from medreasoner.segmenters.registry import load_segmenter
from medreasoner.segmenters.sam2_package import PackageSegmenter, build
from tests import tiny
from tests.segmenters.small_sam2 import SMALL_TRUNK, iou
from train.mask_reward import MaskReward

IMAGE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (512, 512, 3), dtype=np.uint8))
SIZE = (512, 512)
ANSWERS = [
    Grounding((120.0, 90.0, 380.0, 400.0), ((250.0, 240.0), (300.0, 300.0))),
    Grounding((20.0, 30.0, 200.0, 240.0), ((100.0, 100.0), (150.0, 200.0))),
]


class OneByOne:
    """A segmenter that cannot draw several masks at once."""

    revision = None

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter, self.name = segmenter, segmenter.name

    def encode(self, image: Image.Image, features: object = None) -> object:
        return self._segmenter.encode(image, features)

    def segment(self, encoded: object, prompt: SegmenterPrompt) -> tuple[np.ndarray, float]:
        return self._segmenter.segment(encoded, prompt)


@pytest.fixture(scope="module")
def package() -> PackageSegmenter:
    torch.manual_seed(0)
    return PackageSegmenter(build(overrides=SMALL_TRUNK), "package")


def test_a_group_drawn_at_once_has_the_masks_of_each_alone(package, tmp_path):
    own = load_segmenter(tiny.segmenter(tmp_path / "segmenter"), device="cpu")
    for segmenter in (package, own, OneByOne(package)):
        masks = MaskReward(segmenter)([IMAGE] * 2, ANSWERS, [SIZE] * 2)
        for mask, answer in zip(masks, ANSWERS, strict=True):
            alone, _ = segmenter.segment(segmenter.encode(IMAGE), SegmenterPrompt.of(answer))
            # of an untrained decoder a few pixels lie at the threshold, where a product of another shape decides
            assert mask.shape == alone.shape and iou(mask, alone) >= 0.999


def test_a_mask_of_a_resized_image_has_the_originals_size_and_place(package):
    wide = Grounding((240.0, 90.0, 760.0, 400.0), ((500.0, 240.0), (600.0, 300.0)))
    (small,), (large,) = (
        MaskReward(package)([IMAGE], [answer], [size])
        for answer, size in ((ANSWERS[0], SIZE), (wide, (1024, 512)))
    )
    assert large.shape == (512, 1024) and iou(large[:, ::2], small) > 0.9
