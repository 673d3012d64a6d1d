"""`evaluate` and `report` as one types them: two stages, batches, a server, and what cannot be used.

python -m pytest tests/commands/test_evaluate.py
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from medreasoner.cli import main
from tests import tiny
from tests.reasoners.test_openai_server import Server, server  # noqa: F401 (the fixture)

ROOT = Path(__file__).parents[2]
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny.embedded(tmp_path_factory.mktemp("model"), tiny.SCRIPT)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    lines = []
    for number in range(4):
        mask = np.zeros((60, 90), np.uint8)
        mask[10 + number : 30, 20:50] = 255
        Image.fromarray(mask).save(folder / f"{number}_mask.png")
        Image.fromarray(mask).convert("RGB").save(folder / f"{number}.png")
        about = {
            "question": f"Where does fluid collect? {number}",
            "modality": "CT",
            "category": "part",
            "case": f"case {number}",
        }
        lines.append({"id": f"s{number}", "image": f"{number}.png", "mask": f"{number}_mask.png", **about})
    (folder / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def summary(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


@pytest.mark.skipif(torch.cuda.is_available(), reason="the launched process would take its GPU")
def test_a_launched_process_needs_no_gpu(model, data, tmp_path, monkeypatch):
    """As torchrun and `accelerate launch` start it on a machine that has none."""
    monkeypatch.setenv("LOCAL_RANK", "0")
    given = ("evaluate", "--model", model, "--data", data, "--limit", 1, "--no-masks", "--out", tmp_path)
    assert run(*given) == 0 and summary(tmp_path)["n"] == 1


def test_batches_answers_and_a_report_of_both(model, data, tmp_path, capsys):
    assert (
        run(
            "evaluate",
            "--data",
            data,
            "--model",
            model,
            "--batch",
            2,
            "--no-masks",
            "--out",
            tmp_path / "asked",
        )
        == 0
    )
    asked = summary(tmp_path / "asked")
    assert asked["n"] == 4 and asked["well_formed"]["mean"] == 1 and asked["cost"]["tokens_out"] > 40
    drawn = (
        "evaluate",
        "--data",
        data,
        "--answers",
        tmp_path / "asked",
        "--segmenter",
        model / "segmenter",
        "--out",
        tmp_path / "drawn",
    )
    assert run(*drawn, "--frame", "upstream-raw") == 0
    assert (
        summary(tmp_path / "drawn")["overall"]["mask_dice"]
        and "numbers were read as 'upstream-raw'" in capsys.readouterr().out
    )
    assert (
        run(
            "report",
            tmp_path / "asked",
            tmp_path / "drawn",
            "--data",
            data,
            "--out",
            tmp_path / "new" / "report.html",
        )
        == 0
    )
    assert "(drawn), upstream-raw" in (tmp_path / "new" / "report.md").read_text()
    assert (tmp_path / "new" / "report.csv").exists()


def test_a_model_behind_a_server(server: Server, data, tmp_path, capsys):  # noqa: F811
    given = ("evaluate", "--data", data, "--no-masks", "--out", tmp_path / "out", "--model")
    assert run(*given, "openai:gpt-4o", "--endpoint", server.url, "--batch", 3) == 0
    assert (
        summary(tmp_path / "out")["model"] == "openai:gpt-4o"
        and len(server.requests) == 4
        and server.most <= 3
    )
    server.plan = [401]
    assert (
        run(
            *given[:-2],
            tmp_path / "other",
            "--model",
            "openai:gpt-4o",
            "--endpoint",
            server.url,
            "--batch",
            3,
        )
        == 2
    )
    assert "OPENAI_API_KEY" in capsys.readouterr().err


def test_a_killed_process_is_continued_by_two_that_share_the_rest(model, tmp_path):
    lines = []
    for number in range(60):
        mask = np.zeros((60, 90), np.uint8)
        mask[10 + number % 9 : 30, 20:50] = 255
        Image.fromarray(mask).save(tmp_path / f"{number}.png")
        about = {
            "id": f"s{number}",
            "image": f"{number}.png",
            "mask": f"{number}.png",
            "question": f"Where does fluid collect? {number}",
        }
        lines.append(
            json.dumps(about | {"modality": "CT", "category": "part", "case": f"case {number}"}) + "\n"
        )
    (tmp_path / "samples.jsonl").write_text("".join(lines))
    told = (
        "-m",
        "medreasoner",
        "evaluate",
        "--data",
        tmp_path,
        "--model",
        model,
        "--device",
        "cpu",
        "--out",
        tmp_path / "out",
    )
    with subprocess.Popen(
        [sys.executable, *told], stderr=subprocess.PIPE, text=True, cwd=ROOT, env=ONE_THREAD
    ) as first:
        assert any(line.startswith("records.jsonl: 20 of") for line in first.stderr)
        first.kill()
    before = (tmp_path / "out" / "records.jsonl").read_bytes()
    kept = before[: before.rindex(b"\n") + 1]
    assert 20 <= kept.count(b"\n") < 60
    launch = (
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
    )  # accelerate launch needs mpirun for this on a CPU
    subprocess.run(
        [sys.executable, *launch, *told],
        check=True,
        cwd=ROOT,
        env=ONE_THREAD,
        capture_output=True,
        timeout=900,
    )
    records = [json.loads(line) for line in (tmp_path / "out" / "records.jsonl").read_text().splitlines()]
    assert sorted(record["id"] for record in records) == sorted(f"s{number}" for number in range(60)), (
        "all, and nothing twice"
    )
    old = {record["id"]: record for record in map(json.loads, kept.splitlines())}
    assert all(old.get(record["id"], record) == record for record in records), (
        "what was written is kept as it was"
    )
    fresh = [sum(1 for _ in part.open()) for part in sorted((tmp_path / "out").glob("records.rank*"))]
    assert len(fresh) == 2 and sum(fresh) == 60 - len(old) and summary(tmp_path / "out")["n"] == 60


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--frame", "pixels"], "--frame knows only 'upstream-raw'"),
        (["--prompts", "lines"], "--prompts must be one of both, box, points"),
        (["--endpoint", "http://127.0.0.1:9/v1"], "--endpoint belongs to a model behind a server"),
        (["--answers", "."], "--answers scores what another run wrote; leave --model out"),
        (["--family", "giraffe"], "the family 'giraffe' is not known"),
    ],
)
def test_what_cannot_be_used_is_exit_2_with_a_sentence(model, data, tmp_path, capsys, options, message):
    assert run("evaluate", "--data", data, "--model", model, "--out", tmp_path, *options) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_a_report_needs_a_finished_run(tmp_path, capsys):
    assert run("report", tmp_path, "--out", tmp_path / "r.html") == 2
    assert "holds no finished run" in capsys.readouterr().err
