"""The GPU run from end to end at tiny size, on the CPU, by its one command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.gpu.__main__ import PARTS, run
from bench.gpu.sizes import SIZES
from bench.gpu.table import markdown

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict:
    out = tmp_path_factory.mktemp("gpu")
    done = subprocess.run(
        ["bash", "bench/gpu.sh", "--size", "tiny", "--device", "cpu", "--out", str(out)],
        cwd=ROOT,
        env=os.environ | {"PYTHON": sys.executable, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    return json.loads((out / "gpu.json").read_text()) | {"table": (out / "gpu.md").read_text()}


def test_every_part_gives_figures_and_a_row_each(found):
    assert set(found["parts"]) == set(PARTS)
    for name, figures in found["parts"].items():
        assert figures and all(f"| {name} | {figure} |" in found["table"] for figure in figures)


def test_a_streamed_answer_has_all_its_tokens_and_a_mask(found):
    for attention in ("SDPA", "eager"):
        figures = found["parts"][f"one streamed answer, {attention}"]
        assert 0 < figures["first token, s"] < figures["whole run, s"]
        assert figures["tokens a second"] > 0 and figures["mask after the last token, s"] > 0


def test_a_step_is_rollout_reward_and_update_and_its_completions_are_as_long_as_asked(found):
    tokens = SIZES["tiny"].tokens
    for name in ("ours", "TRL's example"):
        figures = found["parts"][f"GRPO step, {name}"]
        shares = [figures[f"{part}, share"] for part in ("rollout", "reward", "update")]
        assert sum(shares) == pytest.approx(1) and all(share > 0 for share in shares)
        assert figures["completions cut off, share"] == 0
        assert figures["tokens of a completion"] == pytest.approx(tokens, abs=4)


def test_a_part_that_fails_is_recorded_and_the_next_one_runs():
    def fails(size, device):
        raise RuntimeError("out of\nmemory")

    seen = []
    parts = {"first": fails, "second": lambda size, device: {"s": 1.5}}
    done = run(SIZES["tiny"], "cpu", parts, lambda found: seen.append(len(found)))
    assert done == {"first": {"failed": "RuntimeError: out of\nmemory"}, "second": {"s": 1.5}}
    assert seen == [1, 2]
    table = markdown({"machine": {"GPU": "none"}, "size": "tiny", "device": "cpu", "parts": done})
    assert "| first | failed | RuntimeError: out of memory |" in table and "| second | s | 1.5 |" in table
