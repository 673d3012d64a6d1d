"""`train/sft.py`: any model is tuned on the written reasoning and answer, in its own frame."""

import json

import numpy as np
import pytest

from medreasoner.answer import parse
from medreasoner.data.load import load
from medreasoner.geometry import to_image
from tests import tiny
from tests.train.sets import short_run
from train.model_spec import open_model_spec
from train.preflight import PreflightError
from train.sft import Options, lengths, main, rows


def test_any_model_is_tuned_on_the_written_reasoning_and_answer(tmp_path, built_set):
    tiny.qwen2_5_vl(tmp_path / "start")
    main(short_run(Options, tmp_path, built_set, 2, lora_rank=4))
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert record["steps"] == 2 and all(line["loss"] > 0 for line in record["curve"][:2])
    assert (tmp_path / "out/adapter_model.safetensors").exists()


def test_a_written_row_is_in_the_models_frame(tmp_path, built_set):
    tiny.qwen2_5_vl(tmp_path / "start", square=112)
    spec = open_model_spec(str(tmp_path / "start"))
    samples = list(load(built_set))
    row = rows(samples[:1], spec, short_run(Options, tmp_path, built_set, 1, wordings=1))[0]
    parsed = parse(row["completion"][0]["content"])
    found = to_image(parsed.answer.bbox, parsed.answer.points, spec.frame, (64, 64), row["images"][0].size)
    assert np.allclose(found.box, samples[0].box, atol=0.5) and row["images"][0].size == (112, 112)
    assert "Where is it?" in row["prompt"][0]["content"]


def test_pixels_of_the_input_are_those_the_processor_makes(tmp_path, built_set):
    """A model that writes pixels, whose processor changes the size: 64 x 64 becomes 96 x 96, and the
    answer is in that."""
    folder = tiny.qwen3_vl(tmp_path / "start")
    (folder / "medreasoner.json").write_text(json.dumps({"format": 1, "frame": "input pixels"}))
    path = folder / "processor_config.json"
    config = json.loads(path.read_text())
    config["image_processor"]["size"] = {"shortest_edge": 96 * 96, "longest_edge": 256 * 256}
    path.write_text(json.dumps(config))
    spec, samples = open_model_spec(str(folder)), list(load(built_set))
    row = rows(samples[:1], spec, short_run(Options, tmp_path, built_set, 1, wordings=1))[0]
    found = parse(row["completion"][0]["content"]).answer.bbox
    assert row["images"][0].size == (64, 64) and spec.input_wh(row["images"][0]) == (96, 96)
    assert np.allclose(found, np.array(samples[0].box) * 96 / 64, atol=0.5)


def test_a_run_whose_answers_would_be_cut_away_is_refused_with_the_length_that_fits(tmp_path, built_set):
    tiny.qwen2_5_vl(tmp_path / "start")
    spec, samples = open_model_spec(str(tmp_path / "start")), list(load(built_set))
    longest = max(length for _, length in lengths(samples, spec))
    with pytest.raises(PreflightError, match=f"set it to {longest} or more"):
        main(short_run(Options, tmp_path, built_set, 1, lora_rank=4, max_length=longest - 1))
    main(short_run(Options, tmp_path, built_set, 1, lora_rank=4, max_length=longest))
