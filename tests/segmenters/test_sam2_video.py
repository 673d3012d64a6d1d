"""The memory of SAM 2 goes through a volume exactly as the package's own video predictor goes through a video.

python -m pytest tests/segmenters/test_sam2_video.py
"""

import threading

import numpy as np
import pytest
import torch
from PIL import Image

from medreasoner.segmenters import sam2_package
from medreasoner.segmenters.propagation import propagator_of
from medreasoner.segmenters.sam2_video import VIDEO_CLASS, VideoPropagator
from tests.segmenters.ball import Drawn
from tests.segmenters.small_sam2 import PROMPT, SMALL_TRUNK

COUNT, SEED = 5, 3


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    """The video predictor of a few thousand random weights, which never takes a target for gone."""
    torch.manual_seed(0)
    made = sam2_package.build("2.1", overrides=(*SMALL_TRUNK, VIDEO_CLASS))
    made.pred_obj_scores = True
    with torch.no_grad():
        made.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(9.0)
        for layers in made.sam_mask_decoder.output_hypernetworks_mlps:
            layers.layers[-1].bias.add_(0.5)
    return made


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return Drawn(np.random.default_rng(0).integers(0, 255, (COUNT, 512, 512), dtype=np.uint8))


def test_the_masks_are_those_of_the_packages_own_predictor(model, drawn, monkeypatch):
    found = {one.number: one for one in VideoPropagator(model, "video").propagate(drawn, {SEED: PROMPT})}
    frames = VideoPropagator(model, "video")._begun(drawn)["images"]
    monkeypatch.setattr(
        "sam2.sam2_video_predictor.load_video_frames", lambda **options: (frames, 512, 512), raising=True
    )
    state = model.init_state("slices")
    points, labels = PROMPT.labelled_points()
    model.add_new_points_or_box(
        state, SEED - 1, 1, np.float32(points), np.int32(labels), box=np.float32(PROMPT.box)
    )
    stock = {}
    for reverse in (False, True):
        for frame, _, logits in model.propagate_in_video(state, SEED - 1, reverse=reverse):
            stock[frame + 1] = (logits[0, 0] > 0).numpy()
    assert sum(mask.any() for mask in stock.values()) > 1  # else nothing would be compared
    reached = {number: mask for number, mask in stock.items() if number in found}
    assert found and all(np.array_equal(found[number].mask, mask) for number, mask in reached.items())
    assert set(found) >= {number for number in (SEED, SEED + 1) if stock[number].any()}
    assert all(0 <= one.score <= 1 for one in found.values())


def test_it_stops_within_a_slice(model, drawn):
    stop = threading.Event()
    found = VideoPropagator(model, "video").propagate(drawn, {SEED: PROMPT}, stop)
    assert next(found).number == SEED
    stop.set()
    assert len(list(found)) <= 1


def test_weights_with_a_memory_bring_their_propagator_and_others_do_not(model, package_model):
    own = propagator_of(sam2_package.PackageSegmenter(model, "with memory"))
    assert isinstance(own, VideoPropagator) and own.name == "with memory"
    assert not isinstance(
        propagator_of(sam2_package.PackageSegmenter(package_model, "without")), VideoPropagator
    )


def test_an_image_is_segmented_as_before_by_a_model_with_memory(model, drawn):
    segmenter = sam2_package.PackageSegmenter(model, "with memory")
    mask, score = segmenter.segment(segmenter.encode(Image.fromarray(drawn.values[0]).convert("RGB")), PROMPT)
    assert mask.shape == (512, 512) and 0 <= score <= 1
