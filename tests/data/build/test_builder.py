"""From a manifest with masks to samples in three stages, on images drawn here; stages go on after a real
SIGKILL.
"""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medreasoner.cli import main
from medreasoner.data.build.stages import StageError
from medreasoner.data.taxonomy import categories
from medreasoner.geometry import mask_to_box
from medreasoner.text.places import place_agrees
from tests.data.build.source_drawn import ROWS, build, disc, lines, rewrite, source

ROOT = Path(__file__).parents[3]


def test_a_source_becomes_samples_whose_words_are_true(tmp_path):
    source(tmp_path / "src", ROWS)
    report = build(tmp_path / "src", tmp_path / "out")
    samples = lines(tmp_path / "out/samples.jsonl")
    assert report["samples"] == {"validation": 1, "train": 1}
    assert report["rejected"].pop("box under 8 px") == 1
    ((reason, count),) = report["rejected"].items()
    assert reason.startswith("set aside: all: masks are mirrored") and count == 1
    polyp = categories()["colorectal polyp"]
    for sample in samples:
        mask = np.asarray(Image.open(tmp_path / "out" / sample["mask"])) > 0
        assert tuple(sample["box"]) == mask_to_box(mask)
        assert all(mask[int(y), int(x)] for x, y in sample["points"])
        assert place_agrees(sample["think"], tuple(sample["box"]), (200, 150)) is True
        assert sample["measured"]["brightness"] == "brighter than" and "darker than" not in sample["think"]
        assert sample["target"] == "colorectal polyp" and sample["side"] == sample["image_side"] == ""
        assert polyp.leaks(sample["question"]) is None
    held_out = [s["question"] for s in samples if s["split"] == "validation"]
    assert set(held_out) <= set(polyp.held_out)


def test_every_image_has_descriptions_and_a_format_for_its_supercategory(tmp_path):
    source(tmp_path / "src", ROWS[:1])
    build(tmp_path / "src", tmp_path / "out")
    (said,) = lines(tmp_path / "out/stages/2_descriptions.jsonl")
    assert said["short_description"] == "Endoscopy image: colorectal polyp in the upper left."
    assert said["long_description"].endswith(
        "The colorectal polyp lies in the upper left of the image: "
        "small, about as wide as tall and brighter than its surroundings."
    )
    assert set(said["formats"]) == {"neoplasm"} and all(said["formats"]["neoplasm"].values())


def test_the_same_source_gives_the_same_bytes(tmp_path):
    source(tmp_path / "src", ROWS)
    for name in ("one", "two"):
        build(tmp_path / "src", tmp_path / name)
    build(tmp_path / "src", tmp_path / "two")  # once more over what is finished
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file())
    assert len(files) >= 10
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files)


KILLED = """
import os, signal, sys
from pathlib import Path
from medreasoner.data.build import builder
from medreasoner.data.build.source_files import Options
from medreasoner.data.build.sources import open_source
from medreasoner.data.build.writers.offline import Offline

where, source, out = sys.argv[1], *map(Path, sys.argv[2:])
calls = 0
def dying(name, work):
    def called(*given):
        global calls
        calls += name == where
        if calls == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return work(*given)
    return called
builder.clean = dying("clean", builder.clean)
Offline.describe = dying("describe", Offline.describe)
Offline.ask = dying("ask", Offline.ask)
builder.Builder(open_source(source, out, Options()), out).run()
"""


@pytest.mark.parametrize(
    "where,left", [("clean", (2, None, None)), ("describe", (4, 2, None)), ("ask", (4, 4, 2))]
)
def test_a_build_that_was_killed_goes_on_to_the_same_bytes(tmp_path, where, left):
    rows = [
        (name, "own", "colorectal polyp", "train", (40 + 30 * i, 60), 20 + 3 * i)
        for i, name in enumerate("abcd")
    ]
    source(tmp_path / "src", rows)
    run = subprocess.run(
        [sys.executable, "-c", KILLED, where, tmp_path / "src", tmp_path / "out"], cwd=ROOT, timeout=600
    )
    assert run.returncode == -signal.SIGKILL
    paths = [
        tmp_path / "out/stages" / name
        for name in ("1_regions.jsonl", "2_descriptions.jsonl", "3_questions.jsonl")
    ]
    assert tuple(len(lines(path)) if path.exists() else None for path in paths) == left
    last = paths[sum(number is not None for number in left) - 1]
    last.write_bytes(last.read_bytes() + b'{"id": "own/c", "targ')  # the kill could have come here too
    build(tmp_path / "src", tmp_path / "out")
    build(tmp_path / "src", tmp_path / "undisturbed")
    for path in (tmp_path / "undisturbed").rglob("*"):
        if path.is_file():
            assert (
                path.read_bytes()
                == (tmp_path / "out" / path.relative_to(tmp_path / "undisturbed")).read_bytes()
            ), path


def test_a_damaged_mask_is_one_refusal_and_the_build_goes_on(tmp_path):
    source(tmp_path / "src", [(name, *ROWS[1][1:4], (60 + 20 * i, 60), 20) for i, name in enumerate("abcd")])
    for name, change in (("a", b"\0" * 40), ("b", b"IHDR"), ("c", b"")):
        path = tmp_path / f"src/masks/{name}.png"
        data = path.read_bytes()
        path.write_bytes(data[:30] + change + data[40 : 60 if name == "c" else None])
    report = build(tmp_path / "src", tmp_path / "out")
    assert report["samples"] == {"train": 1} and sum(report["rejected"].values()) == 3
    assert all(
        line["reason"].startswith("cannot be read: ") for line in lines(tmp_path / "out/rejects.jsonl")
    )


def test_a_set_is_not_finished_with_other_words_than_it_was_begun_with(tmp_path):
    source(tmp_path / "src", ROWS)
    build(tmp_path / "src", tmp_path / "out")
    with pytest.raises(StageError, match="3_questions.jsonl was begun .* choose another --out"):
        build(tmp_path / "src", tmp_path / "out", seed=1)
    rewrite(tmp_path / "src", a={"licence": "CC-BY-4.0"})
    with pytest.raises(StageError, match="1_regions.jsonl was begun"):
        build(tmp_path / "src", tmp_path / "out")


def test_what_cannot_be_read_is_left_out_with_its_reason(tmp_path):
    source(tmp_path / "src", ROWS[:2])
    (tmp_path / "src/images/a.png").write_bytes(b"no picture")
    Image.new("L", (20, 20)).save(tmp_path / "src/masks/b.png")
    build(tmp_path / "src", tmp_path / "out")
    first, second = lines(tmp_path / "out/rejects.jsonl")
    assert first["id"] == "own/a" and first["stage"] == 1 and first["reason"].startswith("cannot be read: ")
    assert second["reason"] == "mask of 20 x 20 pixels for an image of 200 x 150"


def test_a_category_without_wordings_is_left_out_with_the_reason(tmp_path):
    source(tmp_path / "src", [("a", "own", "liver", "train", (50, 40), 20)])
    report = build(tmp_path / "src", tmp_path / "out")
    assert report["rejected"] == {"no wordings for liver in Endoscopy images": 1}


def test_the_command_builds_and_says_what_was_left_out(tmp_path, capsys):
    source(tmp_path / "src", ROWS)
    assert main(["data", "build", str(tmp_path / "src"), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "1 validation, 1 train samples of 2 images" in said and "1  box under 8 px" in said
    assert len(lines(tmp_path / "out/samples.jsonl")) == 2


def test_the_command_says_what_a_source_must_be(tmp_path, capsys):
    assert main(["data", "build", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "expected manifest.jsonl, or the folders images and masks" in capsys.readouterr().err


def test_a_stored_position_is_put_right_with_its_mask(tmp_path):
    """This set is stored head down: the pictures are written upright, and so are the masks."""
    source(tmp_path / "src", [("a", "mri_spine_spider_t2", "spinal canal", "train", (60, 120), 18)])
    rewrite(tmp_path / "src", a={"modality": "MRI"})
    build(tmp_path / "src", tmp_path / "out")
    sample = next(line for line in lines(tmp_path / "out/samples.jsonl") if line["target"] == "spinal canal")
    upright = disc((200, 150), (60, 150 - 1 - 120), 18)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / sample["mask"])) > 0, upright)
    assert tuple(sample["box"]) == mask_to_box(upright) and sample["measured"]["height"] == "upper"
    shown = np.asarray(Image.open(tmp_path / "out" / sample["image"]).convert("L"))
    stored = np.asarray(Image.open(tmp_path / "src/images/a.png").convert("L"))
    assert np.array_equal(shown, stored[::-1]) and sample["modality"] == "MRI"
