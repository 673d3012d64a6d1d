"""The command line: exit codes and messages, in process on tiny models in the real folder formats.

Start-up and exit codes are tried once more in a process of their own.

python -m pytest tests/test_cli.py
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medreasoner.cli import build_parser, main
from tests import tiny

QUESTION = "Where does fluid collect?"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A tiny pair that always writes the same well-formed answer."""
    return tiny.embedded(tmp_path_factory.mktemp("model"), tiny.SCRIPT)


@pytest.fixture(scope="module")
def babbler(tmp_path_factory) -> Path:
    """A tiny pair that stops without an answer."""
    return tiny.embedded(tmp_path_factory.mktemp("babbler"), "<think>I cannot tell where it is.</think>")


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("image") / "scan.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Six images of a train and a validation split, with one target each and one row that cannot be used."""
    folder = tmp_path_factory.mktemp("data")
    lines = []
    for number in range(6):
        mask = np.zeros((60, 90), np.uint8)
        mask[10 + number : 30, 20:50] = 255
        Image.fromarray(mask).save(folder / f"{number}_mask.png")
        Image.fromarray(mask).convert("RGB").save(folder / f"{number}.png")
        split = "train" if number < 3 else "validation"
        line = {
            "id": f"s{number}",
            "image": f"{number}.png",
            "mask": f"{number}_mask.png",
            "question": f"{QUESTION} {number}",
            "split": split,
        }
        lines.append(line | {"modality": "CT", "category": f"part {number % 2}", "case": f"case {number}"})
    lines.append(lines[-1] | {"id": "bad", "image": "gone.png"})
    (folder / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def last_line(text: str) -> str:
    """What stays on the terminal last; before it, in process, comes the bar of transformers' loader."""
    return text.splitlines()[-1]


def test_an_answer_that_cannot_be_read_is_exit_1_with_one_sentence(babbler, image, tmp_path, capsys):
    assert run("ground", image, QUESTION, "--model", babbler, "--out", tmp_path / "out") == 1
    out, err = capsys.readouterr()
    assert "I cannot tell" in out and last_line(err) == "The model stopped without giving an answer block."
    assert not (tmp_path / "out" / "grounding.json").exists()


@pytest.fixture
def usual(model, image, tmp_path) -> dict:
    """What `ground` needs."""
    return {"image": image, "question": QUESTION, "--model": model, "--out": tmp_path / "out"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": "gone.png"}, "no file at 'gone.png'"),
        ({"image": "samples.jsonl"}, "cannot be read as an image"),
        ({"question": " ?! "}, "The question is empty"),
        ({"question": "x" * 5000}, "at most 2,000"),
        ({"--model": "no/such folder"}, "no folder"),
        ({"--model": "empty"}, "holds no config.json"),
        ({"--model": "."}, "is no model"),
        ({"--segmenter": "no/such folder"}, "no folder"),
        ({"--prompt": "gone.json"}, "--prompt gone.json is no prompt file"),
        ({"--prompt": "samples.jsonl"}, "is no prompt file"),
        ({"--out": "0.png"}, "cannot be a folder"),
    ],
)
def test_what_the_user_gives_wrongly_is_exit_2_with_one_sentence(
    usual, data, capsys, monkeypatch, change, message
):
    monkeypatch.chdir(data)
    Path("empty").mkdir(exist_ok=True)
    given = usual | change
    options = [part for key, value in given.items() if key.startswith("--") for part in (key, value)]
    assert run("ground", given["image"], given["question"], *options) == 2
    out, err = capsys.readouterr()
    assert message in last_line(err) and "Traceback" not in err and out == ""


@pytest.mark.parametrize(
    "arguments",
    [[], ["ground"], ["ground", "a.png", "why?"], ["evaluate", "--data", "x"], ["fly"], ["ground", "--fly"]],
)
def test_missing_and_unknown_options_are_exit_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(*arguments)
    assert stopped.value.code == 2 and "usage:" in capsys.readouterr().err


def test_ctrl_c_stops_without_a_traceback(model, image, tmp_path, capsys, monkeypatch):
    class Impatient:
        """A terminal whose user presses Ctrl-C at the first word."""

        def write(self, text: str) -> None:
            if text:
                raise KeyboardInterrupt

        def flush(self) -> None: ...

    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Impatient())
        code = run("ground", image, QUESTION, "--model", model, "--out", tmp_path / "out")
    assert code == 130 and last_line(capsys.readouterr().err) == "Stopped."
    assert list((tmp_path / "out").iterdir()) == []


def test_evaluate_writes_records_and_summary_of_one_split(model, data, tmp_path, capsys):
    assert run("evaluate", "--data", data, "--split", "validation", "--model", model, "--out", tmp_path) == 0
    out, err = capsys.readouterr()
    records = [json.loads(line) for line in (tmp_path / "records.jsonl").read_text().splitlines()]
    result = json.loads((tmp_path / "summary.json").read_text())
    assert [record["id"] for record in records] == ["s3", "s4", "s5"] and result["n"] == 3
    assert (
        result["skipped_rows"] == ["samples.jsonl, row 7: no file gone.png"]
        and "skipped samples.jsonl, row 7" in err
    )
    assert result["well_formed"]["mean"] == 1 and 0 < result["overall"]["box_iou"]["mean"] < 1
    assert (
        f"Box IoU                     {result['overall']['box_iou']['mean']:.3f}" in out
        and "records.jsonl: 3 of 3" in err
    )


def test_evaluate_counts_parse_failures(babbler, data, tmp_path, capsys):
    assert (
        run(
            "evaluate",
            "--data",
            data,
            "--split",
            "validation",
            "--model",
            babbler,
            "--out",
            tmp_path,
            "--no-masks",
        )
        == 0
    )
    result = json.loads((tmp_path / "summary.json").read_text())
    assert result["failures"] == {"no answer block": 3} and result["overall"]["box_iou"]["mean"] == 0
    assert "failed: no answer block 3" in capsys.readouterr().out


def test_evaluate_with_controls_learns_the_prior_from_the_train_split(model, data, tmp_path, capsys):
    assert (
        run(
            "evaluate",
            "--data",
            data,
            "--split",
            "validation",
            "--model",
            model,
            "--out",
            tmp_path,
            "--controls",
        )
        == 0
    )
    rows = json.loads((tmp_path / "summary.json").read_text())["controls"]
    deceived = {"question_shuffled", "image_swapped", "image_blanked", "direct"}
    assert deceived | {"prior", "centre_box", "whole_image", "random_box", "oracle"} <= set(rows)
    assert rows["prior"]["box_iou"]["mean"] > 0.7 and rows["image_swapped"]["box_iou"]["n"] == 3
    assert rows["question_shuffled"]["model_minus_this"]["mean"] == 0, (
        "this model says the same whatever it is asked"
    )
    assert "oracle" in capsys.readouterr().out


def test_evaluate_limits_to_a_seeded_draw(model, data, tmp_path):
    base = (
        "evaluate",
        "--data",
        data,
        "--split",
        "validation",
        "--model",
        model,
        "--no-masks",
        "--no-think",
        "--limit",
        2,
    )
    assert run(*base, "--out", tmp_path / "a") == run(*base, "--out", tmp_path / "b") == 0
    first, second = (
        [json.loads(line)["id"] for line in (tmp_path / x / "records.jsonl").read_text().splitlines()]
        for x in "ab"
    )
    assert len(first) == 2 and first == second


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "gone"], "there is no file or folder gone"),
        (["--split", "test"], "no usable sample of split 'test'"),
        (["--strict"], "row 7: no file gone.png"),
        (["--controls"], "the training samples hold 's0', which is being evaluated too"),
        (["--controls", "--train-split", "other"], "no usable sample of split 'other'"),
        (["--out", "0.png"], "cannot be a folder"),
    ],
)
def test_what_evaluate_cannot_use_is_exit_2_with_a_sentence(
    model, data, tmp_path, capsys, monkeypatch, options, message
):
    monkeypatch.chdir(data)
    assert run("evaluate", "--data", ".", "--model", model, "--out", tmp_path / "out", *options) == 2
    assert message in last_line(capsys.readouterr().err)


def test_records_of_another_model_are_not_continued(model, babbler, data, tmp_path, capsys):
    options = (
        "evaluate",
        "--data",
        data,
        "--split",
        "validation",
        "--no-masks",
        "--out",
        tmp_path,
        "--model",
    )
    assert run(*options, model) == 0
    assert run(*options, babbler) == 2
    assert "choose another folder" in capsys.readouterr().err


def test_every_option_has_a_help_text(capsys):
    def commands(parser) -> dict:
        return next(
            (action.choices for action in parser._actions if action.choices and action.metavar == "COMMAND"),
            {},
        )

    named = commands(build_parser())
    assert {"ground", "evaluate", "score", "report", "push", "data"} <= set(named)
    for command in [*named.values(), *commands(named["data"]).values()]:
        assert all(action.help for action in command._actions if action.metavar != "COMMAND")


def process(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    root = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": str(root), "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=600
    )


@pytest.mark.parametrize("arguments", [[], ["ground"], ["evaluate"]])
def test_help_comes_before_anything_heavy_is_imported(arguments, tmp_path):
    code = (
        "import sys; from medreasoner.cli import main\n"
        "try: main(sys.argv[1:] + ['--help'])\n"
        "finally: print([m for m in ('torch', 'numpy', 'transformers', 'PIL', 'scipy') if m in sys.modules])"
    )
    done = process("-c", code, *arguments, cwd=tmp_path)
    assert (
        done.returncode == 0
        and done.stdout.startswith("usage: python -m medreasoner")
        and done.stdout.endswith("[]\n")
    )


def test_the_module_runs_with_the_same_exit_codes(babbler, image, tmp_path):
    assert process("-m", "medreasoner", "--help", cwd=tmp_path).returncode == 0
    assert process("-m", "medreasoner", "ground", cwd=tmp_path).returncode == 2
    missing = process("-m", "medreasoner", "ground", "gone.png", "Where?", "--out", "out", cwd=tmp_path)
    assert missing.returncode == 2 and missing.stderr == "There is no file at 'gone.png'.\n"
    mute = process(
        "-m",
        "medreasoner",
        "ground",
        str(image),
        QUESTION,
        "--model",
        str(babbler),
        "--out",
        "out",
        "--json",
        cwd=tmp_path,
    )
    assert mute.returncode == 1 and mute.stdout == ""
    assert mute.stderr == "I cannot tell where it is.\nThe model stopped without giving an answer block.\n"
