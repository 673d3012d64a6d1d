"""Segmenters: both libraries draw the same mask from the same weights, a shared eye changes nothing, and half a folder is refused.

Weights are random and small except where the real ones lie beside the repository.
"""

import json
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import Sam2Config, Sam2Model

from medreasoner.reasoners.registry import load_reasoner
from medreasoner.segmenters import sam2_keys, sam2_package
from medreasoner.segmenters.base import SegmenterError, SegmenterPrompt
from medreasoner.segmenters.registry import load_segmenter
from medreasoner.segmenters.sam2 import Sam2Segmenter
from tests import tiny
from tests.segmenters.small_sam2 import SMALL_BACKBONE, SMALL_TRUNK

REAL = Path(__file__).parents[3] / "shared" / "weights" / "sam2_hiera_tiny_image_fp16.safetensors"
PROMPT = SegmenterPrompt((120.0, 90.0, 380.0, 400.0), ((250.0, 240.0), (300.0, 300.0)))


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    """512 x 512, so that neither library resizes and both see the same numbers: two soft discs on a gradient."""
    y, x = np.mgrid[:512, :512]
    discs = sum(
        200 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * r**2))
        for cx, cy, r in ((250, 250, 70), (420, 120, 30))
    )
    return Image.fromarray(
        np.clip(np.stack([discs + x / 20, discs + y / 20, discs + 20], -1), 0, 255).astype(np.uint8)
    )


@pytest.fixture(scope="module")
def package_model() -> torch.nn.Module:
    torch.manual_seed(0)
    return sam2_package.build(overrides=SMALL_TRUNK)


@pytest.fixture(scope="module")
def whole_state() -> dict[str, torch.Tensor]:
    """Every tensor of a hiera-tiny as published, random, in half precision."""
    torch.manual_seed(0)
    return {key: value.half() for key, value in sam2_package.build().state_dict().items()}


def through_transformers(state: dict[str, torch.Tensor], **backbone: object) -> Sam2Model:
    channels = {"backbone_channel_list": backbone["embed_dim_per_stage"][::-1]} if backbone else {}
    vision = {
        "model_type": "sam2_vision_model",
        "backbone_config": {"model_type": "sam2_hiera_det_model", "image_size": [512, 512], **backbone},
        "backbone_feature_sizes": [[128, 128], [64, 64], [32, 32]],
        **channels,
    }
    model = Sam2Model(Sam2Config(vision_config=vision, prompt_encoder_config={"image_size": 512}))
    missing, unexpected = model.load_state_dict(sam2_keys.to_transformers(state), strict=False)
    assert not unexpected
    assert all("pred_obj_score_head" in key for key in missing)
    return model.eval()


def iou(first: np.ndarray, second: np.ndarray) -> float:
    return float((first & second).sum() / (first | second).sum())


def same_masks(one, other, picture: Image.Image) -> None:
    encoded = [(segmenter, segmenter.encode(picture)) for segmenter in (one, other)]
    clicked = ((300.0, 150.0, True), (200.0, 380.0, False))
    box_alone, points_alone = replace(PROMPT, points=()), replace(PROMPT, box=None)
    for prompt in (
        PROMPT,
        replace(PROMPT, clicks=clicked),
        box_alone,
        replace(box_alone, clicks=clicked),
        points_alone,
    ):
        (first, first_score), (second, second_score) = (
            segmenter.segment(seen, prompt) for segmenter, seen in encoded
        )
        assert first.shape == second.shape == (512, 512)
        assert first.dtype == second.dtype == bool
        assert 0.01 < first.mean() < 0.99, "a mask that is all one value would prove nothing"
        assert iou(first, second) >= 0.999
        assert first_score == pytest.approx(second_score, abs=1e-3)


@pytest.mark.parametrize("multimask", [True, False])
def test_the_same_weights_give_the_same_mask_through_both_libraries(package_model, picture, multimask):
    image_keys = {
        key: value
        for key, value in package_model.state_dict().items()
        if not key.startswith(sam2_keys.MEMORY)
    }
    model = through_transformers(image_keys, **SMALL_BACKBONE)
    package = sam2_package.PackageSegmenter(package_model, "package", multimask)
    same_masks(package, Sam2Segmenter(model, "transformers", shared=False, multimask=multimask), picture)


@pytest.mark.parametrize("multimask", [True, False])
def test_a_second_look_is_the_mean_of_two_masks_the_second_prompted_with_the_first(
    package_model, picture, multimask
):
    keys = {
        key: value
        for key, value in package_model.state_dict().items()
        if not key.startswith(sam2_keys.MEMORY)
    }
    segmenter = Sam2Segmenter(
        through_transformers(keys, **SMALL_BACKBONE), "two looks", shared=False, multimask=multimask, looks=2
    )
    predictor = sam2_package.PackageSegmenter(package_model, "package").encode(picture)
    prompts = {
        "box": np.asarray(PROMPT.box),
        "point_coords": np.asarray(PROMPT.points),
        "point_labels": np.ones(2),
    }
    drawn, scores, before = [], [], None
    for _ in range(2):
        _, found, logits = predictor.predict(**prompts, mask_input=before, multimask_output=multimask)
        best = int(found.argmax())
        before = logits[best : best + 1]
        drawn.append(before)
        scores.append(found[best])
    mean = torch.from_numpy(np.mean(drawn, axis=0))[None]
    expected = (
        torch.nn.functional.interpolate(mean, (512, 512), mode="bilinear", align_corners=False)[0, 0].numpy()
        > 0
    )
    mask, score = segmenter.segment(segmenter.encode(picture), PROMPT)
    assert iou(mask, expected) >= 0.999 and score == pytest.approx(np.clip(np.mean(scores), 0, 1), abs=1e-3)
    once = Sam2Segmenter(segmenter._model, "one look", shared=False, multimask=multimask)
    assert iou(mask, once.segment(once.encode(picture), PROMPT)[0]) < 0.999


@pytest.mark.skipif(not REAL.exists(), reason="needs the SAM 2 weights in ../shared")
def test_the_real_weights_give_the_same_mask_through_both_libraries(picture):
    package = load_segmenter(REAL, device="cpu")
    model = through_transformers({key: value.float() for key, value in load_file(REAL).items()})
    same_masks(package, Sam2Segmenter(model, "transformers", shared=False), picture)


@pytest.mark.parametrize("looks", [1, 2])
def test_a_group_is_decoded_as_each_of_it_is_alone(tmp_path, picture, looks):
    folder = tiny.segmenter(tmp_path / "segmenter")
    (folder / "medreasoner.json").write_text(json.dumps({"format": 1, "multimask": False, "looks": looks}))
    segmenter = load_segmenter(folder, device="cpu")
    encoded = segmenter.encode(picture)
    group = [
        PROMPT,
        replace(PROMPT, box=(20.0, 30.0, 200.0, 240.0)),
        replace(PROMPT, points=((130.0, 100.0), (200.0, 350.0))),
    ]
    for (mask, score), prompt in zip(segmenter.segment_many(encoded, group), group, strict=True):
        alone, alone_score = segmenter.segment(encoded, prompt)
        assert np.array_equal(mask, alone) and score == pytest.approx(alone_score, abs=1e-5)


def test_a_group_of_prompts_that_cannot_be_decoded_together_is_refused(tmp_path, picture):
    segmenter = load_segmenter(tiny.segmenter(tmp_path / "segmenter"), device="cpu")
    encoded = segmenter.encode(picture)
    for other in (replace(PROMPT, box=None), replace(PROMPT, points=PROMPT.points[:1])):
        with pytest.raises(ValueError, match="must all have a box or none"):
            segmenter.segment_many(encoded, [PROMPT, other])


def test_adopted_features_give_the_mask_that_encoding_anew_gives(tmp_path, picture):
    reasoner = load_reasoner(tiny.embedded(tmp_path / "pair"), device="cpu")
    shared = load_segmenter(tmp_path / "pair" / "segmenter", tower=reasoner.paired_segmenter.tower)
    alone = load_segmenter(tmp_path / "pair" / "segmenter", device="cpu")
    adopted = shared.segment(shared.encode(picture, reasoner.encode(picture).features), PROMPT)
    encoded = shared.segment(shared.encode(picture), PROMPT)
    separate = alone.segment(alone.encode(picture, features="of another eye"), PROMPT)
    assert adopted[0].any()
    for other in (encoded, separate):
        assert iou(adopted[0], other[0]) >= 0.999
        assert adopted[1] == pytest.approx(other[1], abs=1e-5)


def test_prompts_are_scaled_from_image_pixels_and_the_mask_has_the_images_size(tmp_path, picture):
    segmenter = load_segmenter(tiny.segmenter(tmp_path / "s"), device="cpu")
    square = segmenter.encode(picture)
    wide = replace(square, image_wh=(1024, 256))
    score = segmenter.segment(square, PROMPT)[1]
    mask, same_place = segmenter.segment(
        wide, SegmenterPrompt((240.0, 45.0, 760.0, 200.0), ((500.0, 120.0), (600.0, 150.0)))
    )
    elsewhere = segmenter.segment(wide, PROMPT)[1]
    assert mask.shape == (256, 1024)
    assert same_place == score
    assert elsewhere != score, "the score must depend on the prompt for this to prove anything"


def test_a_folder_says_whether_its_single_mask_is_the_tuned_one(tmp_path, picture):
    torch.manual_seed(0)
    folder = tiny.segmenter(tmp_path / "s", multimask=True)
    best_of_three = load_segmenter(folder, device="cpu")
    (folder / "medreasoner.json").write_text('{"format": 1, "multimask": false}')
    single = load_segmenter(folder, device="cpu")
    first, second = (s.segment(s.encode(picture), PROMPT) for s in (best_of_three, single))
    assert iou(first[0], second[0]) < 0.999


def test_two_threads_share_one_package_segmenter_without_mixing_images(package_model, picture):
    segmenter = sam2_package.PackageSegmenter(package_model, "package")
    pictures = [picture, picture.rotate(90).resize((300, 200)), picture.transpose(0).resize((200, 300))]
    expected = [segmenter.segment(segmenter.encode(p), PROMPT)[0] for p in pictures]
    with ThreadPoolExecutor(3) as threads:
        encoded = list(threads.map(segmenter.encode, pictures))
        masks = list(threads.map(lambda e: segmenter.segment(e, PROMPT)[0], encoded))
    for mask, alone, p in zip(masks, expected, pictures, strict=True):
        assert mask.shape == p.size[::-1]
        assert (mask == alone).all()


def test_medsam2s_layout_loads_only_when_pickles_are_allowed(tmp_path):
    state = {
        key: value.half() for key, value in sam2_package.build("2.1").state_dict().items()
    }  # MedSAM2 is a SAM 2.1
    torch.save({"model": state}, tmp_path / "medsam2.pt")
    with pytest.raises(SegmenterError, match="allow_pickle"):
        load_segmenter(tmp_path / "medsam2.pt")
    segmenter = load_segmenter(tmp_path / "medsam2.pt", device="cpu", allow_pickle=True, name="m")
    assert segmenter.name == "m"
    loaded = segmenter._predictor.model.state_dict()
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[key].half(), state[key]) for key in state)


class Intruder:
    def __reduce__(self):
        return os.mkdir, ("intruded",)


def test_a_pickle_that_wants_to_run_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("evil.pt").write_bytes(pickle.dumps({"model": Intruder()}, protocol=2))
    with pytest.raises(SegmenterError, match="more than tensors"):
        load_segmenter("evil.pt", device="cpu", allow_pickle=True)
    assert not Path("intruded").exists()


def test_only_the_memory_of_video_may_be_absent_from_a_weights_file(tmp_path, whole_state):
    image_only = {k: v for k, v in whole_state.items() if not k.startswith(sam2_package.MAY_BE_ABSENT)}
    save_file(image_only, tmp_path / "image.safetensors")
    load_segmenter(tmp_path / "image.safetensors", device="cpu")
    save_file({k: v for k, v in image_only.items() if "conv_s0" not in k}, tmp_path / "lacking.safetensors")
    with pytest.raises(SegmenterError, match="2 tensors missing, 0 unknown, sam_mask_decoder.conv_s0"):
        load_segmenter(tmp_path / "lacking.safetensors", device="cpu")
    save_file({**image_only, "more": torch.zeros(1)}, tmp_path / "more.safetensors")
    with pytest.raises(SegmenterError, match="1 unknown, more"):
        load_segmenter(tmp_path / "more.safetensors", device="cpu")


def cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def without(path: Path, part: str) -> None:
    save_file({key: value for key, value in load_file(path).items() if part not in key}, path)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda f: (f / "model.safetensors").unlink(), "No such file"),
        (lambda f: cut(f / "model.safetensors"), "incomplete"),
        (lambda f: without(f / "model.safetensors", "mask_tokens"), "mask_decoder.mask_tokens.weight"),
        (lambda f: (f / "config.json").write_text("{"), "not valid JSON"),
        (lambda f: (f / "config.json").write_text("{}"), "another shape"),
        (lambda f: (f / "medreasoner.json").write_text('{"format": 9}'), "format 9 is not known"),
        (lambda f: without(f / "model.safetensors", "vision_encoder"), "config.json"),
    ],
)
def test_half_a_folder_is_refused_in_one_sentence(tmp_path, spoil, says):
    folder = tiny.segmenter(tmp_path / "s")
    spoil(folder)
    with pytest.raises(SegmenterError, match=says) as refusal:
        load_segmenter(folder, device="cpu")
    assert "\n" not in str(refusal.value)


def test_object_scores_may_be_absent_because_they_are_not_read(tmp_path, picture):
    folder = tiny.segmenter(tmp_path / "s")
    segmenter = load_segmenter(folder, device="cpu")
    without(folder / "model.safetensors", "pred_obj_score_head")
    same_masks(segmenter, load_segmenter(folder, device="cpu"), picture)


def test_a_missing_segmenter_is_one_clear_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(SegmenterError, match="no folder"):
        load_segmenter(tmp_path / "nowhere")
    with pytest.raises(SegmenterError, match="Hub cannot be reached"):
        load_segmenter("nobody/nothing")


def test_the_manifest_of_a_tiny_segmenter_is_the_documented_one(tmp_path):
    assert json.loads((tiny.segmenter(tmp_path / "s") / "medreasoner.json").read_text()) == {
        "format": 1,
        "multimask": False,
    }
