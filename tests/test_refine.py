"""Corrections without a browser: clicks reach the segmenter, the image is taken in once, and what means no
place is refused.
"""

import numpy as np
import pytest
import torch
from PIL import Image

from medreasoner.geometry import Grounding, GroundingError
from medreasoner.image_cache import ImageCache
from medreasoner.refine import MAX_CLICKS, refine
from medreasoner.segmenters.base import SegmenterPrompt
from medreasoner.segmenters.registry import load_segmenter
from tests import tiny

WHERE = Grounding((40.0, 30.0, 200.0, 180.0), ((100.0, 90.0), (150.0, 120.0)))
CLICKS = [(60.0, 50.0, True), (190.0, 170.0, False)]


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory):
    return load_segmenter(tiny.segmenter(tmp_path_factory.mktemp("segmenter")), device="cpu")


def test_without_clicks_the_mask_is_the_one_of_the_first_run(segmenter, picture):
    refined = refine(picture, segmenter, WHERE)
    mask, score = segmenter.segment(segmenter.encode(picture), SegmenterPrompt.of(WHERE))
    assert np.array_equal(refined.mask, mask) and refined.score == score and refined.mask.shape == (240, 320)


def test_clicks_of_both_kinds_change_what_the_decoder_is_told(segmenter, picture):
    """The embedded prompts, which the decoder reads; an untrained decoder's scores hardly differ."""
    cache, told = ImageCache(), []
    hook = segmenter._model.prompt_encoder.register_forward_hook(lambda *call: told.append(call[-1][0]))
    x, y, _ = CLICKS[0]
    for clicks in ([], CLICKS, [(x, y, True)], [(x, y, False)]):
        refine(picture, segmenter, WHERE, clicks, cache)
    hook.remove()
    none, both, wanted, unwanted = told
    assert none.shape[-2] < wanted.shape[-2] < both.shape[-2]
    assert wanted.shape == unwanted.shape and not torch.allclose(wanted, unwanted, atol=1e-3)


def test_the_image_is_taken_in_once(segmenter, picture, monkeypatch):
    cache = ImageCache()
    refine(picture, segmenter, WHERE, cache=cache)
    encoded = cache.segmenter_encoding
    monkeypatch.setattr(segmenter, "encode", lambda *_: pytest.fail("the image was taken in again"))
    refine(picture, segmenter, WHERE, CLICKS, cache)
    assert cache.segmenter_encoding is encoded


def test_what_lies_outside_is_cut_at_the_edge_and_said(segmenter, picture):
    refined = refine(
        picture, segmenter, Grounding((200.0, 180.0, -5.0, 30.0), WHERE.points), [(999, -3, True)]
    )
    assert refined.grounding.box == (0, 30, 200, 180)
    assert refined.clicks == ((320.0, 0.0, True),)
    assert "cut at the edge" in " ".join(refined.notes)


@pytest.mark.parametrize(
    "clicks, said",
    [([(float("nan"), 1, True)], "not a finite number"), ([(1, 1, True)] * (MAX_CLICKS + 1), "at most 64")],
)
def test_clicks_that_mean_nothing_are_refused(segmenter, picture, clicks, said):
    with pytest.raises(GroundingError, match=said):
        refine(picture, segmenter, WHERE, clicks)
