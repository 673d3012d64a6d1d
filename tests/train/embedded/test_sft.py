"""`train/embedded/sft.py`: a short run of the real trainer that is killed and goes on."""

import json

import pytest
import torch
from PIL import Image

from medreasoner import MedReasoner
from tests import tiny_medreasoner
from tests.train.sets import short_run
from train.checkpoints import newest_checkpoint
from train.embedded import feature_cache
from train.embedded.feature_cache import STAGE_3_NAME, FeatureCache, content_key
from train.embedded.sft import Options, factors, main, open_rows
from train.embedded.stage_3_cache import Stage3Cache
from train.embedded.trainer import GroundingTrainer
from train.model_spec import open_model_spec
from train.preflight import PreflightError
from train.run import open_model


@pytest.fixture
def features(built_set, tmp_path, monkeypatch) -> dict[str, list[str]]:
    """The option that names a cache with random maps of the tiny tower's width for three of the four images."""
    monkeypatch.setattr(feature_cache, "SHAPES", {STAGE_3_NAME: (32, 32, tiny_medreasoner.WIDTHS[2])})
    spec = open_model_spec(str(tiny_medreasoner.folder(tmp_path / "start")))
    cache = FeatureCache(tmp_path / "features", (STAGE_3_NAME,))
    for n in range(3):
        image = Image.open(built_set / f"images/{n}.png").convert("RGB")
        pixels = spec.processor.image_processor(image, return_tensors="pt").pixel_values[0]
        cache.append(content_key(pixels), {STAGE_3_NAME: torch.randn(32, 32, tiny_medreasoner.WIDTHS[2])})
    return {"features": [str(cache.folder)], "turns": 2}


def test_training_is_resumed_from_the_newest_checkpoint_and_leaves_an_ordinary_model(
    tmp_path, built_set, features
):
    main(short_run(Options, tmp_path, built_set, 2, **features))
    first = json.loads((tmp_path / "out/run.json").read_text())
    kept = newest_checkpoint(tmp_path / "out")
    chosen = short_run(Options, tmp_path, built_set, 4)
    fresh, resumed = (
        open_model(chosen, tmp_path / "start", None),
        open_model(chosen, tmp_path / "start", kept),
    )
    trained = MedReasoner.from_pretrained(tmp_path / "out").reasoner._model.state_dict()
    for name, value in trained.items():
        assert torch.equal(resumed.state_dict()[name], value), name
    assert any(not torch.equal(fresh.state_dict()[name], value) for name, value in trained.items())
    (tmp_path / "out/checkpoint-3").mkdir()  # a save that was killed half-way
    main(short_run(Options, tmp_path, built_set, 4, **features))  # the same folder: goes on from step 2
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert first["steps"] == 2 and record["steps"] == 4 and record["curve"][-1]["step"] == 4
    assert record["options"]["max_steps"] == 4 and record["samples"] == first["samples"] == 4
    [source] = record["sources"]
    assert source == {
        "set": "kvasir_seg",
        "images": 4,
        "licence": "CC0",
        "confirmed": "as the set states",
        "source": "drawn",
    }
    assert {"loss_coordinates", "loss_box"} <= set(record["curve"][0])
    names = (tmp_path / "out/model.safetensors").read_bytes()[:200_000]
    assert b"dense_heads" not in names and b"vision_tower" in names
    events = list(
        MedReasoner.from_pretrained(tmp_path / "out").stream(
            Image.open(built_set / "images/0.png").convert("RGB"), "Where is it?"
        )
    )
    assert events  # untrained, so it may well fail to answer; but it loads and speaks


def test_rows_are_of_the_images_whose_maps_are_cached(tmp_path, built_set, features):
    spec = open_model_spec(str(tmp_path / "start"))
    maps = Stage3Cache(features["features"])
    rows = open_rows(short_run(Options, tmp_path, built_set, 1, **features), spec, maps)
    assert {rows[n]["image"] for n in range(30)} == {str(built_set / f"images/{n}.png") for n in range(3)}
    assert len(rows[0]["conversations"]) == 2


@pytest.mark.parametrize("wrong", [{"turns": 0}, {"even": 1.5}])
def test_turns_and_evenness_that_no_rows_can_have_are_refused(tmp_path, built_set, wrong):
    with pytest.raises(PreflightError, match="--turns"):
        open_rows(short_run(Options, tmp_path, built_set, 1, **wrong), None, None)


@pytest.mark.parametrize("wrong", ["drawn", "drawn=much", "unknown=2", "drawn=0", "drawn=inf", "drawn=nan"])
def test_what_cannot_be_drawn_oftener_is_refused(wrong):
    assert factors(["drawn=2.5"], {"drawn"}) == {"drawn": 2.5}
    with pytest.raises(PreflightError, match="--oftener: expected"):
        factors([wrong], {"drawn"})


def test_images_without_cached_maps_are_refused(tmp_path, built_set, features):
    FeatureCache(tmp_path / "empty", (STAGE_3_NAME,))
    with pytest.raises(PreflightError, match="none of 4 images is in the caches"):
        open_rows(short_run(Options, tmp_path, built_set, 1), None, Stage3Cache([tmp_path / "empty"]))


def test_a_batch_in_which_nothing_is_to_be_marked_has_a_finite_loss(
    tmp_path, built_set, features, monkeypatch
):
    """Means over no target are nan, and one such step would lose the whole run."""
    losses = []
    compute = GroundingTrainer.compute_loss

    def watched(self, *args, **kwargs):
        losses.append(compute(self, *args, **kwargs))
        return losses[-1]

    monkeypatch.setattr(GroundingTrainer, "compute_loss", watched)
    main(short_run(Options, tmp_path, built_set, 1, absent_share=1.0, weight_heard=0.5, **features))
    assert len(losses) == 1 and torch.isfinite(losses[0])


def test_training_on_fixed_views_leaves_the_last_stage_as_it_was(tmp_path, built_set, features):
    chosen = short_run(
        Options, tmp_path, built_set, 1, fixed_views=2, freeze_last_stage=True, weight_heard=0.5, **features
    )
    start = open_model(chosen, tmp_path / "start", None).state_dict()
    main(chosen)
    trained = MedReasoner.from_pretrained(tmp_path / "out").reasoner._model.state_dict()
    changed = {name for name, value in trained.items() if not torch.equal(value, start[name])}
    assert any("language_model" in name for name in changed)
    assert not any(part in name for name in changed for part in (".down.", ".up.", "vision_tower"))
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert "loss_heard" in record["curve"][0]


def test_fixed_views_of_a_last_stage_that_trains_are_refused(tmp_path, built_set, features):
    spec = open_model_spec(str(tmp_path / "start"))
    chosen = short_run(Options, tmp_path, built_set, 1, fixed_views=2, **features)
    with pytest.raises(PreflightError, match="expected --freeze_last_stage"):
        open_rows(chosen, spec, Stage3Cache(features["features"]))
