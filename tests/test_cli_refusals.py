"""Names that name nothing, and a disk without room: one sentence each, and nothing of an earlier run is lost.

python -m pytest tests/test_cli_refusals.py
"""

import os
from pathlib import Path

import pytest
from PIL import Image

from medreasoner.cli import main
from tests import tiny


@pytest.mark.parametrize("name", ["", " ", ".", "..", "../", "./.."])
@pytest.mark.parametrize("option", ["--model", "--segmenter"])
def test_a_name_without_a_letter_is_no_model(tmp_path, capsys, option, name):
    image = tmp_path / "a.png"
    Image.new("RGB", (40, 40), "grey").save(image)
    assert main(["ground", str(image), "Where?", "--out", str(tmp_path / "out"), option, name]) == 2
    said = capsys.readouterr().err
    assert f"{name!r} is no {option[2:]}; give a folder by its name" in said and "Traceback" not in said


def test_a_folder_that_ends_like_a_recording_is_a_folder(tmp_path, capsys):
    image = tmp_path / "a.png"
    Image.new("RGB", (40, 40), "grey").save(image)
    (tmp_path / "x.json").mkdir()
    model = str(tmp_path / "x.json")
    assert main(["ground", str(image), "Where?", "--out", str(tmp_path / "out"), "--model", model]) == 2
    assert f"{model} holds no config.json; expected the folder of" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device that is always full is Linux's")
@pytest.mark.parametrize("name", ["mask.png", "grounding.json"])
def test_a_full_disk_is_one_sentence_and_mixes_no_two_runs(tmp_path, capsys, name):
    """The file that is written beside the one to replace lies on a full device."""
    image, out = tmp_path / "a.png", tmp_path / "out"
    Image.new("RGB", (40, 40), "grey").save(image)
    asked = ["ground", str(image), "Where does fluid collect?", "--out", str(out)]
    asked += ["--model", str(tiny.embedded(tmp_path / "model", tiny.SCRIPT)), "--device", "cpu"]
    assert main(asked) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    (out / f".{name}.{os.getpid()}").symlink_to("/dev/full")
    capsys.readouterr()
    assert main([*asked, "--no-think"]) == 1
    said = capsys.readouterr().err
    assert "The disk is full: there is no room. Make room and run the same command again" in said
    assert "Traceback" not in said
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
