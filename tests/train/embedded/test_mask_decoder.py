"""Tuning the mask decoder: noisy prompts, the click of a person who corrects, and views in the usual position."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from medreasoner.segmenters.base import SegmenterPrompt
from medreasoner.segmenters.registry import load_segmenter
from tests import tiny
from train.embedded.augment import STANDARD, Pose, transform
from train.embedded.mask_correction import correction
from train.embedded.mask_decoder import masks_of
from train.embedded.mask_examples import NOISES, SIDE, Batch, near, noisy_prompt
from train.embedded.mask_weights import interpolate, mean_of

torch = pytest.importorskip("torch")
BOX, POINTS = np.array([0.4, 0.4, 0.6, 0.7]), np.array([[0.5, 0.5], [0.55, 0.65]])


def square(x1: int, y1: int, x2: int, y2: int) -> np.ndarray:
    mask = np.zeros((40, 80), bool)
    mask[y1:y2, x1:x2] = True
    return mask


def test_a_prompt_without_spread_is_the_true_one():
    box, points = noisy_prompt(BOX, POINTS, np.random.default_rng(0), 0.0)
    assert np.allclose(box, BOX) and np.allclose(points, POINTS)


def test_a_noisy_box_stays_ordered_and_inside():
    rng = np.random.default_rng(0)
    boxes = np.array([noisy_prompt(BOX, POINTS, rng, 0.8)[0] for _ in range(200)])
    assert (boxes[:, :2] <= boxes[:, 2:]).all() and boxes.min() >= 0 and boxes.max() <= 1
    assert boxes.std(0).min() > 0.05


def test_near_noise_is_nearer_than_wide_noise():
    far = {
        noise: np.mean(
            [np.abs(noisy_prompt(BOX, POINTS, rng, noise=noise)[0] - BOX).mean() for _ in range(500)]
        )
        for noise, rng in ((noise, np.random.default_rng(0)) for noise in NOISES)
    }
    assert 0 < far["near"] < far["wide"]


@pytest.mark.parametrize("looks", [1, 2])
def test_the_masks_that_are_trained_are_those_that_are_drawn(tmp_path, looks):
    torch.manual_seed(1)
    folder = tiny.segmenter(tmp_path / "s")
    (folder / "medreasoner.json").write_text(json.dumps({"format": 1, "multimask": False, "looks": looks}))
    segmenter = load_segmenter(folder, device="cpu")
    y, x = np.mgrid[:SIDE, :SIDE]
    picture = Image.fromarray(np.stack([x, y, 255 * (np.hypot(x - 128, y - 150) < 50)], -1).astype(np.uint8))
    encoded = segmenter.encode(picture)
    prompt = SegmenterPrompt((80.0, 100.0, 180.0, 200.0), ((128.0, 150.0), (110.0, 140.0)))
    nothing = torch.zeros(1, SIDE, SIDE)
    batch = Batch(
        encoded.maps,
        torch.tensor([[prompt.box]]) * 2,
        torch.tensor([[prompt.points]]) * 2,
        nothing,
        nothing,
    )
    plain, _ = masks_of(segmenter._model, batch, looks)
    clicked, _ = masks_of(
        segmenter._model, batch, looks, torch.tensor([[[[120.0, 400.0]]]]), torch.tensor([[[0]]])
    )
    assert ((plain[0] > 0).numpy() == segmenter.segment(encoded, prompt)[0]).mean() > 0.999
    prompt = replace(prompt, clicks=((60.0, 200.0, False),))
    assert ((clicked[0] > 0).numpy() == segmenter.segment(encoded, prompt)[0]).mean() > 0.999
    assert 0.01 < (plain > 0).float().mean() < 0.99 and not torch.allclose(plain, clicked)


def test_a_person_includes_what_is_missed_and_excludes_what_is_too_much():
    truth = square(20, 10, 40, 30)
    (x, y), label = correction(square(20, 10, 30, 30), truth)
    assert label == 1 and (0.375 < x < 0.5) and (0.25 < y < 0.75)
    (x, y), label = correction(square(20, 10, 70, 30), truth)
    assert label == 0 and x > 0.5
    (x, y), label = correction(truth, truth)
    assert label == 1 and truth[int(y * 40), int(x * 80)], "where nothing is wrong, the target is clicked"
    assert correction(square(0, 0, 0, 0), truth)[1] == 1


def test_errors_far_from_the_box_weigh_little():
    weight = near(torch.tensor([[0.4, 0.4, 0.6, 0.6]]))[0]
    assert weight[128, 128] == 1 and weight[5, 5] == pytest.approx(0.02)


@pytest.mark.parametrize(
    "dataset,place",
    [("mri_spine_spider_t2", (2, 7)), ("ct_lung_tumour_msd", (7, 17)), ("ct_heart_hocm", (17, 2))],
)
def test_a_stored_position_becomes_the_usual_one(dataset, place):
    """The bright corner of a picture of 20 x 10 at (2, 2): head down becomes upright, lying becomes supine, mirrored becomes straight."""
    picture = np.zeros((10, 20), np.uint8)
    picture[2, 2] = 255
    shown = transform(
        Image.fromarray(picture).resize((20, 10)),
        Pose((0, 0, 20, 10), STANDARD[dataset], mirror=False, turns=0),
    )
    y, x = np.argwhere(np.asarray(shown) == 255).mean(0) * 20 / 512
    assert (x, y) == pytest.approx((place[0] + 0.5, place[1] + 0.5), abs=0.1)


def test_tuned_weights_are_drawn_back_towards_the_untuned_ones():
    layer = torch.nn.Linear(2, 2)
    untuned = {name: torch.zeros_like(value) for name, value in layer.state_dict().items()}
    torch.nn.init.constant_(layer.weight, 4.0)
    torch.nn.init.constant_(layer.bias, 2.0)
    interpolate(layer, untuned, 0.75, "^bias$")
    assert torch.equal(layer.weight, torch.full((2, 2), 3.0)) and torch.equal(
        layer.bias, torch.full((2,), 2.0)
    )
    interpolate(layer, untuned, 1.0, "^$")
    assert torch.equal(layer.weight, torch.full((2, 2), 3.0))


def test_the_mean_of_segmenters_leaves_fixed_weights_as_in_the_first(tmp_path):
    for n in (1.0, 2.0):
        (tmp_path / str(n)).mkdir()
        save_file(
            {"a.mlp": torch.tensor([n]).half(), "b": torch.tensor([n]).half()},
            tmp_path / str(n) / "model.safetensors",
        )
    mean = mean_of([tmp_path / "1.0", tmp_path / "2.0"], r"\.mlp$")
    assert mean["a.mlp"].item() == 1.0 and mean["b"].item() == 1.5 and mean["b"].dtype == torch.float32
