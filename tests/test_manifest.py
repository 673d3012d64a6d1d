"""`medreasoner.json`: written as it is read, and refused in a sentence where it says what cannot be meant."""

from dataclasses import replace

import pytest

from medreasoner.geometry import THOUSAND, Frame
from medreasoner.manifest import EMBEDDED_FOLDER, RULES, Manifest
from medreasoner.prompts import Prompt

FULL = Manifest(
    frame=THOUSAND,
    square=840,
    max_pixels=1 << 20,
    prompt_sha256="ab" * 32,
    segmenter="segmenter",
    absence=True,
    multimask=False,
    specks=0.03,
    looks=2,
)


def test_a_manifest_is_written_as_it_is_read(tmp_path):
    assert Manifest.read(tmp_path) == Manifest(), "a folder without the file is an ordinary one"
    for each in (FULL, replace(FULL, frame=None), replace(FULL, segmenter="owner/name-2.1"), Manifest()):
        (tmp_path / "medreasoner.json").write_text(each.dumps())
        assert Manifest.read(tmp_path) == each


@pytest.mark.parametrize("folder", [EMBEDDED_FOLDER, EMBEDDED_FOLDER / "segmenter"])
def test_the_shipped_folders_are_read(folder):
    assert Manifest.read(folder) != Manifest()


def test_the_shipped_pair_names_its_prompt():
    assert Manifest.read(EMBEDDED_FOLDER).prompt_sha256 == Prompt.load(EMBEDDED_FOLDER / "prompt.json").sha256


REFUSED = {
    '{"format": 2}': "format 2 is not known, expected 1",
    '{"square": 840}': "format None is not known",
    "[1]": "expected a JSON object, got list",
    '{"format": 1, "fram": 1}': "unknown key 'fram', expected some of frame, square",
    '{"format": 1, "frame": "0..7"}': "frame must be one of 'input pixels', .*, got '0..7'",
    '{"format": 1, "frame": 7}': "frame must be one of .*, got 7",
    '{"format": 1, "square": "big"}': "square must be a whole number from 16 to 8192, got 'big'",
    '{"format": 1, "square": -5}': "square must be .*, got -5",
    '{"format": 1, "square": true}': "square must be .*, got True",
    '{"format": 1, "square": 840.0}': "square must be .*, got 840.0",
    '{"format": 1, "max_pixels": 1e12}': "max_pixels must be a whole number from 256 to 67108864",
    '{"format": 1, "looks": 0}': "looks must be a whole number from 1 to 16, got 0",
    '{"format": 1, "looks": 10000000}': "looks must be .*, got 10000000",
    '{"format": 1, "specks": NaN}': "specks must be a number from 0 to 0.5, got nan",
    '{"format": 1, "specks": -0.1}': "specks must be .*, got -0.1",
    '{"format": 1, "specks": 1e999}': "specks must be .*, got inf",
    '{"format": 1, "multimask": 1}': "multimask must be true or false, got 1",
    '{"format": 1, "multimask": null}': "multimask must be true or false, got null; leave it out",
    '{"format": 1, "prompt_sha256": "abc"}': "prompt_sha256 must be a SHA-256 of 64 hex digits, got 'abc'",
    '{"format": 1, "segmenter": "../../etc"}': "segmenter must be the name of a subfolder, or owner/name",
    '{"format": 1, "segmenter": "/etc"}': "segmenter must be",
    '{"format": 1, "segmenter": "~/weights"}': "segmenter must be",
    '{"format": 1, "segmenter": ""}': "segmenter must be",
    '{"format": 1, "square": ' + "9" * 5000 + "}": "is not valid JSON",
    "[" * 100_000: "is nested too deeply|is not valid JSON",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:50])
def test_what_cannot_be_meant_is_refused_in_a_sentence(tmp_path, text):
    (tmp_path / "medreasoner.json").write_text(text)
    with pytest.raises(ValueError, match=f"medreasoner.json:? .*({REFUSED[text]})") as refusal:
        Manifest.read(tmp_path)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 400


def test_a_manifest_made_here_obeys_the_same_rules():
    for values in ({"square": -5}, {"frame": Frame("0..7", 7)}, {"looks": 17}):
        with pytest.raises(ValueError, match="must be"):
            Manifest(**values)
    assert set(RULES) == set(vars(Manifest())), "every key has a rule"
