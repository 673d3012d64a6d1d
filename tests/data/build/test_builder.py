"""From a manifest with masks to samples in three stages, on images drawn here; stages go on after a real
SIGKILL.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from medreasoner.cli import main
from medreasoner.data.build.builder import Builder
from medreasoner.data.build.source_files import Options
from medreasoner.data.build.sources import open_source
from medreasoner.data.build.stages import StageError
from medreasoner.data.build.writers.base import Words
from medreasoner.data.build.writers.offline import Offline
from medreasoner.data.load import load
from medreasoner.data.sample import SampleError
from medreasoner.data.taxonomy import categories
from medreasoner.geometry import mask_to_box
from medreasoner.text.places import place_agrees

ROOT = Path(__file__).parents[3]


def disc(wh: tuple[int, int], centre: tuple[int, int], radius: int) -> np.ndarray:
    y, x = np.mgrid[: wh[1], : wh[0]]
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2


def source(folder, rows):
    """Write a source of one-target images: rows of (id, dataset, target, split, centre, radius)."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    noise = np.random.default_rng(0)
    with open(folder / "manifest.jsonl", "w") as file:
        for name, dataset, target, split, centre, radius in rows:
            mask = disc((200, 150), centre, radius)
            texture = ndimage.gaussian_filter(noise.normal(0, 1, (150, 200)), 12)  # smooth, as anatomy is
            shade = (80 + 30 * texture / texture.std()).clip(0, 150).astype(np.uint8)
            shade[mask] = 220
            Image.fromarray(shade).convert("RGB").save(folder / f"images/{name}.png")
            Image.fromarray(mask.astype(np.uint8)).save(folder / f"masks/{name}.png")
            row = {
                "id": f"{dataset}/{name}",
                "dataset": dataset,
                "image": f"images/{name}.png",
                "mask": f"masks/{name}.png",
                "split": split,
                "modality": "Endoscopy",
                "targets": [{"index": 1, "name": target}],
                "case": name,
                "licence": "CC0",
                "source": "drawn",
            }
            file.write(json.dumps(row) + "\n")


def build(folder: Path, out: Path, **options) -> dict:
    return Builder(open_source(folder, out, Options()), out, **options).run()


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def rewrite(folder: Path, **changes: dict) -> None:
    """Change rows of a manifest, by the last part of their ids."""
    rows = [row | changes.get(row["id"].split("/")[1], {}) for row in lines(folder / "manifest.jsonl")]
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


ROWS = [
    ("a", "own", "colorectal polyp", "validation", (50, 40), 20),
    ("b", "own", "colorectal polyp", "train", (150, 100), 25),
    ("c", "own", "colorectal polyp", "train", (100, 75), 2),
    ("d", "mammo_mias", "mass", "train", (100, 75), 30),
]


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
        [sys.executable, "-c", KILLED, where, tmp_path / "src", tmp_path / "out"], cwd=ROOT, timeout=60
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


def test_words_that_a_check_refuses_are_kept_with_the_reason(tmp_path):
    class Blurting(Offline):
        def ask(self, picture, target, *rest):
            words = super().ask(picture, target, *rest)
            return Words("Where is the polyp?", words.think) if picture.line["split"] == "train" else words

    source(tmp_path / "src", ROWS[:2])
    report = build(tmp_path / "src", tmp_path / "out", writer=Blurting())
    assert report["samples"] == {"validation": 1}
    (reject,) = lines(tmp_path / "out/rejects.jsonl")
    assert (
        reject["stage"] == 3
        and reject["reason"] == "question names the target"
        and reject["detail"] == "polyp"
    )
    assert reject["question"] == "Where is the polyp?" and reject["think"]


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


# --- what a known source adds ---


def test_an_image_of_a_known_source_is_also_asked_for_what_it_does_not_show(tmp_path):
    rows = [(f"{i}", "kvasir_seg", "polyp", "train", (40 + 9 * i, 60), 15 + i) for i in range(10)]
    source(tmp_path / "src", [*rows, ("v", "kvasir_seg", "polyp", "validation", (60, 90), 30)])
    build(tmp_path / "src", tmp_path / "out")
    made = lines(tmp_path / "out/samples.jsonl")
    absent = [sample for sample in made if sample.get("absent")]
    assert 2 <= len(absent) < len(made) - len(absent) == 11
    for sample in absent:
        assert (
            not {"mask", "box", "points"} & set(sample)
            and sample["think"]
            and sample["id"].endswith("_absent")
        )
        assert (tmp_path / "out" / sample["image"]).is_file() and sample["target"] != "colorectal polyp"
    loaded = [sample for sample in load(tmp_path / "out", strict=True) if sample.absent]
    assert [sample.id for sample in loaded] == [sample["id"] for sample in absent]
    with pytest.raises(SampleError, match="asks for what is not in its image"):
        loaded[0].truth()


def test_an_image_without_a_target_is_kept_where_something_can_be_asked_of_it(tmp_path):
    rows = [(f"{i}", "drive_vessels", "retinal vessels", "train", (40 + 9 * i, 60), 15 + i) for i in range(8)]
    source(tmp_path / "src", rows)
    report = build(tmp_path / "src", tmp_path / "out")
    made = lines(tmp_path / "out/samples.jsonl")
    assert (
        made and all(sample["absent"] for sample in made) and report["supercategory"] == {"absent": len(made)}
    )


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


def test_one_of_a_pair_is_asked_for_by_the_side_of_the_patient(tmp_path):
    source(tmp_path / "src", [("a", "ct_abdomen_btcv", "left kidney", "train", (140, 75), 18)])
    mask = disc((200, 150), (140, 75), 18).astype(np.uint8) + 2 * disc((200, 150), (60, 75), 18).astype(
        np.uint8
    )
    Image.fromarray(mask).save(tmp_path / "src/masks/a.png")
    named = [{"index": 1, "name": "left kidney"}, {"index": 2, "name": "right kidney"}]
    rewrite(tmp_path / "src", a={"modality": "CT", "targets": named})
    build(tmp_path / "src", tmp_path / "out")
    found = [line for line in lines(tmp_path / "out/samples.jsonl") if line["target"].startswith("kidney")]
    sides = {sample["category"]: (sample["side"], sample["image_side"]) for sample in found}
    assert sides == {"left kidney": ("left", "right"), "right kidney": ("right", "left"), "kidneys": ("", "")}
    boxes = {sample["category"]: sample["box"] for sample in found}
    assert boxes["left kidney"][0] > boxes["right kidney"][2]
    assert boxes["kidneys"] == [boxes["right kidney"][0], boxes["left kidney"][1], *boxes["left kidney"][2:]]
    others = {sample["category"]: sample["others"] for sample in found}
    assert others["left kidney"] == [boxes["right kidney"]] and others["kidneys"] == []
    for sample in found:
        assert (
            sample["category"] in sample["think"] and not sample["measured"]["neighbours"] or sample["side"]
        )
