"""`train/embedded/grpo.py` on the second architecture: steps of the real trainer, absences among its rows."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import GenerationConfig

from medreasoner.answer import Absence, render
from medreasoner.manifest import EMBEDDED_FOLDER
from medreasoner.reasoners.embedded import MedReasonerForConditionalGeneration
from tests import tiny, tiny_medreasoner
from train.embedded import feature_cache
from train.embedded.create import reset, save
from train.embedded.feature_cache import STAGE_3_NAME, FeatureCache, content_key
from train.embedded.grpo import Options, main
from train.model_spec import open_model_spec
from train.rows import prompt_rows
from train.run import open_samples

SURE = 2.0  # times the logits of the script: it is broken off now and then


@pytest.fixture
def start(tmp_path) -> Path:
    """A model that says, most of the time, that nothing is there, whatever it is asked."""
    config = tiny_medreasoner.config()
    config.tie_word_embeddings = config.text_config.tie_word_embeddings = False
    torch.manual_seed(0)
    model = MedReasonerForConditionalGeneration(config).eval()
    reset(model.model.multi_modal_projector)
    tokenizer, end = tiny_medreasoner.tokenizer(), config.text_config.eos_token_id
    spoken = tokenizer(render(Absence()), add_special_tokens=False).input_ids
    tiny._speak(model, [tokenizer("assistant\n", add_special_tokens=False).input_ids[-1], *spoken, end])
    with torch.no_grad():
        model.lm_head.weight *= SURE
    model.generation_config = GenerationConfig(
        max_new_tokens=24, pad_token_id=config.text_config.pad_token_id, eos_token_id=end
    )
    save(model, tiny_medreasoner.processor(), EMBEDDED_FOLDER / "prompt.json", tmp_path / "start")
    tiny.segmenter(tmp_path / "start/segmenter", own_encoder=False)
    return tmp_path / "start"


@pytest.fixture
def data(built_set, tmp_path) -> Path:
    """Two of its samples, and as many questions about what these images do not show."""
    lines = [json.loads(line) for line in (built_set / "samples.jsonl").read_text().splitlines()[:2]]
    for line in lines:
        line |= {key: str(built_set / line[key]) for key in ("image", "mask")}
    absent = [
        {key: line[key] for key in ("image", "modality", "case", "dataset", "split", "licence", "source")}
        | {"id": f"{line['id']}_absent", "question": "Hello!", "category": "no question", "absent": True}
        for line in lines
    ]
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [*lines, *absent]))
    return folder


def options(start: Path, data: Path, out: Path, **others) -> Options:
    given = {
        "model": str(start), "segmenter": str(start / "segmenter"), "data": [str(data)],
        "output_dir": str(out), "rewards": "mask", "max_steps": 2, "num_generations": 4,
        "per_device_train_batch_size": 16, "max_completion_length": 16, "temperature": 1.0,
        "use_cpu": True, "bf16": False, "gradient_checkpointing": False, "freeze_vision": True,
        "learning_rate": 1e-3, "lr_scheduler_type": "constant", "report_to": "none", "save_steps": 2,
        "draw_every": 1, "logging_steps": 1,
    }  # fmt: skip
    return Options(**given | others)


def test_a_run_learns_from_absences_as_from_places(start, data, tmp_path, monkeypatch):
    monkeypatch.setattr(feature_cache, "SHAPES", {STAGE_3_NAME: (32, 32, tiny_medreasoner.WIDTHS[2])})
    spec = open_model_spec(start)
    cache = FeatureCache(tmp_path / "features", (STAGE_3_NAME,))
    chosen = options(start, data, tmp_path / "out", features=[str(cache.folder)])
    rows = prompt_rows(open_samples(chosen), spec)
    assert sorted(row["absent"] for row in rows) == [False, False, True, True]
    for row in rows:
        assert (row["bbox_2d"] is None) == (row["point_2d"] is None) == (row["mask"] is None) == row["absent"]
        pixels = spec.processor.image_processor(row["image"], return_tensors="pt").pixel_values[0]
        if content_key(pixels) not in cache:
            cache.append(content_key(pixels), {STAGE_3_NAME: torch.randn(32, 32, tiny_medreasoner.WIDTHS[2])})
    main(chosen)
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert record["steps"] == 2 and record["samples"] == 4
    rewards = [line for line in record["curve"] if "rewards/box/mean" in line]
    # half of the questions have no answer in their image, and most answers say so
    assert all(0.2 < line["rewards/box/mean"] <= 0.5 for line in rewards), rewards
    assert all(0.2 < line["rewards/mask_dice/mean"] <= 0.5 for line in rewards)
    old, new = (load_file(folder / "model.safetensors") for folder in (start, tmp_path / "out"))
    moved = {name for name in old if not torch.equal(old[name], new[name].to(old[name].dtype))}
    assert moved and not any("vision_tower" in name for name in moved)
    assert Image.open(next((tmp_path / "out/completions").glob("*.png"))).width > 0


def test_a_model_that_was_never_taught_to_abstain_is_not_asked_for_it(start, data, tmp_path):
    manifest = start / "medreasoner.json"
    values = json.loads(manifest.read_text())
    assert values.pop("absence") is True
    manifest.write_text(json.dumps(values))
    chosen = options(start, data, tmp_path / "out", max_steps=1, per_device_train_batch_size=8)
    main(chosen)
    assert json.loads((tmp_path / "out/run.json").read_text())["samples"] == 2
