"""Reinforcement learning through its own command: the real trainer on a tiny model, killed and resumed, in
two processes, full and LoRA, and on sets that are not in order.

    python -m pytest tests/train/test_grpo.py
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from tests import tiny
from tests.train.sets import make_set

ROOT = Path(__file__).parents[2]
FAST = {
    "wordings": 1,
    "num_generations": 2,
    "per_device_train_batch_size": 4,
    "max_completion_length": 40,
    "temperature": 0.8,
    "use_cpu": "true",
    "bf16": "false",
    "gradient_checkpointing": "false",
    "learning_rate": 0.001,
    "lr_scheduler_type": "constant",
    "freeze_vision": "true",
    "draw_every": 1,
    "report_to": "none",
    "save_steps": 1,
}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """Most of its answers are broken off somewhere, so that a group has better and worse ones to learn
    from."""
    return tiny.embedded(tmp_path_factory.mktemp("model"), tiny.SCRIPT)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return make_set(tmp_path_factory.mktemp("set"), 6)


def command(model: Path, data: Path, out: Path, *before: str, **options) -> list[str]:
    given = (
        FAST | {"model": model, "data": data, "segmenter": model / "segmenter", "output_dir": out} | options
    )
    return [
        sys.executable,
        *before,
        "-m",
        "train.grpo",
        *(str(part) for key, value in given.items() for part in (f"--{key}", value)),
    ]


ENVIRONMENT = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def run(arguments: list[str]) -> subprocess.CompletedProcess:
    return subprocess.run(arguments, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=900)


def moved(before: Path, after: Path) -> set[str]:
    """Names of the tensors that differ, by their last parts."""
    old, new = load_file(before / "model.safetensors"), load_file(after / "model.safetensors")
    assert set(old) == set(new)
    return {name for name in old if not np.array_equal(old[name].float().numpy(), new[name].float().numpy())}


@pytest.mark.slow
def test_a_run_trains_is_killed_in_the_middle_and_goes_on(model, data, tmp_path):
    out = tmp_path / "run"
    arguments = command(model, data, out, max_steps=3)
    process = subprocess.Popen(
        arguments, cwd=ROOT, env=ENVIRONMENT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    for _ in process.stderr:
        if (out / "checkpoint-1").exists():  # begun, perhaps not yet whole
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    half = out / "checkpoint-9"
    half.mkdir()
    (half / "trainer_state.json").write_text('{"global_step": 9, "best')  # a save cut off by a kill
    done = run(arguments)
    assert done.returncode == 0, done.stderr[-2000:]
    record = json.loads((out / "run.json").read_text())
    assert record["steps"] == 3 and record["samples"] == 6 and record["options"]["learning_rate"] == 0.001
    assert {"mask_dice", "box", "form"} <= {
        key.split("/")[1] for line in record["curve"] for key in line if key.endswith("/mean")
    }
    changed = moved(model, out)
    assert changed and not any("vision_tower" in name for name in changed)
    assert (
        (out / "medreasoner.json").exists()
        and (out / "prompt.json").exists()
        and not (out / "training_args.bin").exists()
    )
    sheets = sorted((out / "completions").glob("*.png"))
    assert sheets and Image.open(sheets[0]).width >= 3 * 200
    texts = [json.loads(line) for line in sheets[0].with_suffix(".jsonl").read_text().splitlines()]
    assert len(texts) == 4 and all(text["id"].startswith("s") for text in texts)


def in_process(monkeypatch, model: Path, data: Path, out: Path, **options) -> Path:
    from train.grpo import Options, main
    from train.options import parse

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return main(parse(Options, command(model, data, out, **options)[3:]))


def test_an_adapter_is_trained_goes_on_and_merges_into_a_model_with_the_same_answers(
    model, data, tmp_path, monkeypatch
):
    from train.greedy_answers import answer
    from train.merge import merge

    out = tmp_path / "run"
    options = {"lora_rank": 4, "draw_every": 0, "max_completion_length": 40}
    in_process(monkeypatch, model, data, out, max_steps=1, **options)
    first = load_file(out / "adapter_model.safetensors")
    in_process(monkeypatch, model, data, out, max_steps=2, **options)
    second = load_file(out / "adapter_model.safetensors")
    assert set(first) == set(second) and all("language_model" in name for name in first)
    assert any(not np.array_equal(first[name].numpy(), second[name].numpy()) for name in first)
    state = json.loads((out / "checkpoint-2" / "trainer_state.json").read_text())
    assert [line["step"] for line in state["log_history"]] == [1, 2]

    from medreasoner.data.load import load

    samples = list(load(data))
    texts = answer(merge(out, tmp_path / "merged"), samples, None, think=True)
    assert texts == answer(out, samples, None, think=True) and any(texts)


def test_a_set_that_is_not_in_order_is_refused_by_name_or_left_out_with_a_count(
    model, tmp_path, monkeypatch, capsys
):
    from train.preflight import PreflightError

    data = make_set(tmp_path, 4)
    (data / "0.png").write_bytes(b"no picture")
    (data / "1_mask.png").unlink()
    lines = [json.loads(line) for line in (data / "samples.jsonl").read_text().splitlines()]
    lines[2]["question"] = "Where? " * 3000
    (data / "samples.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    with pytest.raises(PreflightError) as refused:
        in_process(monkeypatch, model, data, tmp_path / "run", max_steps=1)
    sentence = str(refused.value)
    assert (
        "3 of 4 samples cannot be trained on" in sentence
        and "--skip_broken" in sentence
        and "21,000 characters" in sentence
    )
    assert "s0: This cannot be read as an image" in sentence and "row 2: no file 1_mask.png" in sentence
    assert not (tmp_path / "run" / "checkpoint-1").exists()
    few = {"max_steps": 1, "skip_broken": "true", "per_device_train_batch_size": 2}
    in_process(monkeypatch, model, data, tmp_path / "run", **few)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["samples"] == 1
    assert "left out 3 of 4 samples" in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_train_one_model(model, data, tmp_path):
    out = tmp_path / "run"
    launch = (
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
    )  # accelerate launch needs mpirun for this on a CPU
    done = run(command(model, data, out, *launch, max_steps=2))
    assert done.returncode == 0, done.stderr[-2000:]
    record = json.loads((out / "run.json").read_text())
    assert record["steps"] == 2 and moved(model, out)
    assert [line["completions/mean_length"] > 0 for line in record["curve"][:2]] == [True, True]
    assert record["processes"] == 2


REFUSED = {
    "too few prompts": ({"per_device_train_batch_size": 400}, "a step takes 200 prompts and there are 6"),
    "an unknown set": ({"rewards": "best"}, "expected one of paper-soft"),
    "a reward that forbids direct answers": (
        {"rewards": "paper-soft", "direct_share": 0.1},
        "Set direct_share to 0",
    ),
    "no segmenter": ({"segmenter": ""}, "name a --segmenter"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_go_wrong_is_refused_before_the_first_step(name, model, data, tmp_path, monkeypatch):
    from train.preflight import PreflightError

    options, sentence = REFUSED[name]
    with pytest.raises(PreflightError, match=sentence):
        in_process(monkeypatch, model, data, tmp_path / "run", **{"max_steps": 1, **options})


def test_a_group_that_does_not_divide_the_batch_is_refused_in_a_sentence(
    model, data, tmp_path, monkeypatch, capsys
):
    with pytest.raises(SystemExit) as stopped:
        in_process(monkeypatch, model, data, tmp_path / "run", per_device_train_batch_size=3)
    assert stopped.value.code == 2 and "divisible" in capsys.readouterr().err


def test_weights_of_terms_can_be_changed_by_name_only():
    from train.grpo import weighed
    from train.preflight import PreflightError

    assert weighed({"box": 1.0, "form": 0.1}, "form=0.5, box=2") == {"box": 2.0, "form": 0.5}
    for wrong in ("boxes=1", "box", "box=much"):
        with pytest.raises(PreflightError, match="--weigh"):
            weighed({"box": 1.0}, wrong)


@pytest.mark.slow
def test_every_save_goes_to_the_hub_with_our_card_and_without_what_does_not_belong(model, data, tmp_path):
    from tests.hub_server import Hub

    with Hub() as hub:
        environment = ENVIRONMENT | hub.environment(tmp_path / "home") | {"HF_HUB_OFFLINE": "0"}
        arguments = command(model, data, tmp_path / "run", max_steps=2) + [
            "--push-to-hub",
            "tester/tiny-grpo",
        ]
        done = subprocess.run(
            arguments, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900
        )
        assert done.returncode == 0, done.stderr[-2000:]
        repository = hub.repository("tester/tiny-grpo")
        titles = [commit.title for commit in repository.history("main")]
        files = hub.files("tester/tiny-grpo")
    assert repository.private and {"step 1", "step 2"} <= set(titles)
    assert {
        "model.safetensors",
        "config.json",
        "prompt.json",
        "medreasoner.json",
        "run.json",
        "README.md",
    } <= set(files)
    assert not [
        name for name in files if name.endswith((".bin", ".pt", ".pth", ".parquet")) or "completions" in name
    ]
    card = files["README.md"].decode()
    assert "GRPOTrainer" in card and "None](" not in card
