"""The `sam2` package and transformers draw the same mask from the same weights; files are read strictly,
pickles when allowed.

Weights are random and small except where the real ones lie beside the repository.
"""

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from medreasoner.segmenters import sam2_keys, sam2_package
from medreasoner.segmenters.base import SegmenterError
from medreasoner.segmenters.registry import load_segmenter
from medreasoner.segmenters.sam2 import Sam2Segmenter
from tests.segmenters.small_sam2 import PROMPT, SMALL_BACKBONE, iou, same_masks, through_transformers

REAL = Path(__file__).parents[3] / "shared" / "weights" / "sam2_hiera_tiny_image_fp16.safetensors"


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


@pytest.mark.skipif(not REAL.exists(), reason="needs the SAM 2 weights in ../shared")
def test_the_real_weights_give_the_same_mask_through_both_libraries(picture):
    package = load_segmenter(REAL, device="cpu")
    model = through_transformers({key: value.float() for key, value in load_file(REAL).items()})
    same_masks(package, Sam2Segmenter(model, "transformers", shared=False), picture)


@pytest.mark.parametrize("multimask", [True, False])
def test_a_group_is_drawn_as_each_of_it_is_alone(package_model, picture, multimask):
    segmenter = sam2_package.PackageSegmenter(package_model, "package", multimask)
    encoded = segmenter.encode(picture)
    group = [PROMPT, replace(PROMPT, box=(20.0, 30.0, 200.0, 240.0))]
    for asked in (group, [replace(each, points=()) for each in group]):
        for (mask, score), prompt in zip(segmenter.segment_many(encoded, asked), asked, strict=True):
            alone, alone_score = segmenter.segment(encoded, prompt)
            # of an untrained decoder a few pixels lie at the threshold, where a product of another shape decides
            assert iou(mask, alone) >= 0.999 and score == pytest.approx(alone_score, abs=1e-5)
    with pytest.raises(ValueError, match="must all have a box or none"):
        segmenter.segment_many(encoded, [PROMPT, replace(PROMPT, box=None)])


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


def test_upstream_compat_runs_medsam2_at_1024(tmp_path):
    torch.manual_seed(0)
    state = {key: value.half() for key, value in sam2_package.build("2.1").state_dict().items()}
    save_file(state, tmp_path / "medsam2.safetensors")
    compat = load_segmenter(f"upstream-compat:{tmp_path / 'medsam2.safetensors'}", device="cpu")
    assert compat._predictor.model.image_size == 1024
    assert compat._predictor._bb_feat_sizes == [(256, 256), (128, 128), (64, 64)]
    save_file({"nothing": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(SegmenterError, match="does not fit SAM 2.1 hiera-tiny"):
        load_segmenter(f"upstream-compat:{tmp_path / 'other.safetensors'}", device="cpu")


def test_upstream_compat_is_no_leave_to_read_a_pickle(tmp_path):
    torch.save({"model": {}}, tmp_path / "medsam2.pt")
    with pytest.raises(SegmenterError, match="allow_pickle"):
        load_segmenter(f"upstream-compat:{tmp_path / 'medsam2.pt'}", device="cpu")
