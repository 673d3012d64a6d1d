"""`train/embedded/sft.py`: a short run of the real trainer that is killed and goes on."""

import json

import torch
from PIL import Image

from medreasoner import MedReasoner
from tests import tiny
from tests.train.sets import short_run
from train.checkpoints import newest_checkpoint
from train.embedded.sft import Options, main
from train.run import open_model


def test_training_is_resumed_from_the_newest_checkpoint_and_leaves_an_ordinary_model(tmp_path, built_set):
    tiny.embedded(tmp_path / "start")
    features = {"features": [str(tmp_path / "no_features")]}
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
