"""SAM 2 through transformers: prompts, passes and shared features mean what they say, and half a folder is
refused.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from medreasoner.reasoners.registry import load_reasoner
from medreasoner.segmenters import sam2_keys, sam2_package
from medreasoner.segmenters.base import SegmenterError, SegmenterPrompt
from medreasoner.segmenters.registry import load_segmenter
from medreasoner.segmenters.sam2 import Sam2Segmenter
from tests import tiny
from tests.segmenters.small_sam2 import PROMPT, SMALL_BACKBONE, iou, same_masks, through_transformers


@pytest.mark.parametrize("multimask", [True, False])
def test_a_second_pass_is_the_mean_of_two_masks_the_second_prompted_with_the_first(
    package_model, picture, multimask
):
    keys = {
        key: value
        for key, value in package_model.state_dict().items()
        if not key.startswith(sam2_keys.MEMORY)
    }
    segmenter = Sam2Segmenter(
        through_transformers(keys, **SMALL_BACKBONE),
        "two passes",
        shared=False,
        multimask=multimask,
        passes=2,
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
    once = Sam2Segmenter(segmenter._model, "one pass", shared=False, multimask=multimask)
    assert iou(mask, once.segment(once.encode(picture), PROMPT)[0]) < 0.999


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
        # of an untrained decoder a few pixels lie at the threshold, where a product of another shape decides
        assert iou(mask, alone) >= 0.999 and score == pytest.approx(alone_score, abs=1e-5)


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
    separate = alone.segment(alone.encode(picture, features="of another encoder"), PROMPT)
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
