"""`train/jobs.py`: what would be sent to Hugging Face Jobs, and what really is, against a Hub on loopback."""

import ast
import os
import re
import subprocess
import sys

import pytest

from train.jobs import MOUNTED, ROOT, main, requirements, script, stage

RECIPE = "train/recipes/qwen25vl7b_mask_h200.yaml"
GIVEN = ["--recipe", RECIPE, "--flavor", "h200", "--push-to-hub", "me/mine"]


def test_a_dry_run_prints_the_call_the_script_and_every_file(capsys):
    assert main([*GIVEN, "--with", "bitsandbytes", "--dry-run", "--max_steps", "5"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("hf jobs uv run --flavor h200 --timeout 12h --secrets HF_TOKEN")
    assert (
        "train/grpo.py" in said
        and "embedded/" not in said
        and '#   "bitsandbytes",' in said
        and "'--max_steps', '5'" in said
    )


def test_the_script_is_python_with_the_projects_pins(tmp_path):
    text = script(ROOT / RECIPE, ["--push-to-hub", "me/mine"])
    ast.parse(text)
    pins = re.findall(r'^#   "(.+)",$', text, re.MULTILINE)
    assert pins == requirements([]) and "trl==1.16.0" in pins and "sam2==1.1.0" in pins


def test_the_script_runs_the_training_command(tmp_path):
    """As the job does, with the code where it would be mounted, up to the model, which is not to be had
    here."""
    recipe = ROOT / "train/recipes/lingshu7b_mask.yaml"
    text = script(recipe, ["--use_cpu", "--output_dir", str(tmp_path)])
    path = tmp_path / "job.py"
    path.write_text(text.replace(f'"{MOUNTED}"', f'"{ROOT}"'))
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=600, env=environment
    )
    assert done.returncode == 2 and "lingshu-medical-mllm/Lingshu-7B is neither" in done.stderr
    assert "the Hub cannot be reached" in done.stderr


@pytest.mark.parametrize("recipe", ["gone.yaml", "/etc/hostname"])
def test_a_recipe_that_would_not_travel_is_refused(recipe, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--recipe", recipe, *GIVEN[2:], "--dry-run"])
    assert stopped.value.code == 2 and "train/recipes" in capsys.readouterr().err


def test_the_recipe_says_which_command_runs_it_whatever_it_is_called(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("train.jobs.ROOT", tmp_path)
    (tmp_path / "requirements.txt").write_text("torch==2.11.0\n")
    recipe = tmp_path / "tuned.yaml"
    recipe.write_text("command: train.sft\nmodel: m\n")
    assert "runpy.run_module('train.sft'" in script(recipe, [])
    recipe.write_text("command: train.embedded.sft\n")
    with pytest.raises(SystemExit) as stopped:
        script(recipe, [])
    assert stopped.value.code == 2 and "a job runs train.sft or train.grpo" in capsys.readouterr().err


def test_the_code_that_is_sent_runs_without_what_is_left_out(tmp_path):
    stage(tmp_path / "code")
    assert not list((tmp_path / "code").rglob("embedded"))
    done = subprocess.run(
        [sys.executable, "-c", "import train.sft, train.grpo; print(train.sft.__file__)"],
        cwd=tmp_path / "code",
        env=os.environ | {"PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0 and str(tmp_path) in done.stdout, done.stderr[-2000:]
