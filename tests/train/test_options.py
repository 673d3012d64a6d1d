"""`train/options.py`: a recipe holds overrides, names its command, and is refused in a sentence; every
recipe of the project is understood."""

import dataclasses
import importlib
import re
import subprocess
from pathlib import Path

import pytest
import torch
import yaml

from train import grpo, sft
from train.bf16 import SLOW
from train.options import parse

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "train" / "recipes").glob("*.yaml"))


def test_a_recipe_holds_overrides_and_a_misspelt_one_is_named(tmp_path, capsys):
    recipe = tmp_path / "a.yaml"
    recipe.write_text("model: m\nbeta: 0.1\nuse_cpu: true\nbf16: false\noutput_dir: " + str(tmp_path) + "\n")
    options = parse(grpo.Options, ["--recipe", str(recipe), "--beta", "0.2", "--push-to-hub", "me/mine"])
    assert (options.model, options.beta, options.hub_model_id, options.push_to_hub) == (
        "m",
        0.2,
        "me/mine",
        False,
    )
    recipe.write_text("modle: m\n")
    with pytest.raises(SystemExit) as stopped:
        parse(grpo.Options, ["--recipe", str(recipe)])
    assert stopped.value.code == 2 and "modle" in capsys.readouterr().err


def test_a_recipe_of_another_command_is_refused_with_the_command_that_runs_it(capsys):
    recipe = str(ROOT / "train/recipes/embedded_sft.yaml")
    with pytest.raises(SystemExit) as stopped:
        parse(grpo.Options, ["--recipe", recipe])
    assert stopped.value.code == 2 and "python -m train.embedded.sft --recipe" in capsys.readouterr().err


@pytest.mark.parametrize(("capability", "kept"), [("AVX2", False), ("AVX512", True)])
def test_bf16_becomes_fp32_on_a_cpu_that_is_slow_at_it(capability, kept, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    given = ["--model", "m", "--use_cpu", "true", "--output_dir", str(tmp_path), "--bf16"]
    assert parse(sft.Options, [*given, "true"]).bf16 is kept and (SLOW in capsys.readouterr().err) is not kept
    assert parse(sft.Options, [*given, "false"]).bf16 is False and SLOW not in capsys.readouterr().err


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_understood(recipe, tmp_path):
    head = recipe.read_text().split("\nmodel:")[0]
    assert head.startswith("# ") and ("not run" in head or "docs/experiments" in head)
    command = yaml.safe_load(recipe.read_text())["command"]
    Options = importlib.import_module(command).Options
    # what needs a GPU is not asked of this machine
    options = parse(
        Options,
        ["--recipe", str(recipe), "--use_cpu", "--output_dir", str(tmp_path), "--optim", "adamw_torch"],
    )
    assert (
        options.model
        and options.data
        and (command.endswith("sft") or options.rewards in ("mask", "paper-soft"))
    )


NAMED = re.compile(r"\b(?:train|docs|medreasoner|tests)/[\w./-]+\.(?:py|yaml|md)\b")


@pytest.mark.parametrize(
    "path", [*RECIPES, *sorted((ROOT / "train").rglob("*.py"))], ids=lambda path: path.name
)
def test_the_files_that_training_names_exist(path):
    assert [name for name in NAMED.findall(path.read_text()) if not (ROOT / name).exists()] == []


TARGETS = ("features", "train", "mean", "grpo", "study", "seeds", "compare", "curves", "pack")


@pytest.mark.parametrize("target", TARGETS)
def test_the_makefile_calls_training_commands_with_options_they_have(target):
    """Read from what `make` would run, in which loops stand unrolled: a module, and then its options."""
    made = subprocess.run(
        ["make", "-n", "-B", "-o", ".venv/installed", target],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    commands = re.findall(r"-m (train\.[\w.]+)((?:[^|&;\n\\]|\\\n)*)", made.stdout.replace("\\\n", " "))
    assert commands
    for module, arguments in commands:
        path = ROOT / (module.replace(".", "/") + ".py")
        flags = set(re.findall(r" --([\w-]+)", arguments))
        if module.endswith(("sft", "grpo")):
            known = {field.name for field in dataclasses.fields(importlib.import_module(module).Options)}
            known |= {"recipe"}
        else:
            known = set(
                re.findall(r'"--([\w-]+)"', path.read_text() + (ROOT / "train/compare.py").read_text())
            )
        assert flags <= known, f"{module}: {flags - known}"
