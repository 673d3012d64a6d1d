"""From a manifest with masks to samples, on images drawn here."""

import json
import random

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from medreasoner.data.build import build, regions
from medreasoner.data.taxonomy import categories
from medreasoner.data.write import measure, reasoning, vary
from medreasoner.geometry import mask_to_box
from medreasoner.place import agrees


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
                "id": f"{dataset}/{name}", "dataset": dataset, "image": f"images/{name}.png", "mask": f"masks/{name}.png", "split": split,
                "targets": [{"index": 1, "name": target}], "case": name, "licence": "CC0", "source": "drawn",
            }  # fmt: skip
            file.write(json.dumps(row) + "\n")


ROWS = [
    ("a", "kvasir_seg", "polyp", "validation", (50, 40), 20),
    ("b", "kvasir_seg", "polyp", "train", (150, 100), 25),
    ("c", "kvasir_seg", "polyp", "train", (100, 75), 2),
    ("d", "drive_vessels", "retinal vessels", "train", (100, 75), 30),
]


def test_a_source_becomes_samples_whose_words_are_true(tmp_path):
    source(tmp_path / "src", ROWS)
    report = build(tmp_path / "src", tmp_path / "out")
    samples = [json.loads(line) for line in (tmp_path / "out/samples.jsonl").read_text().splitlines()]
    assert report["samples"] == {"validation": 1, "train": 1}
    assert report["rejected"] == {"box under 8 px": 1, "set left out: a network over the whole field, no single target": 1}
    polyp = categories()["colorectal polyp"]
    for sample in samples:
        mask = np.asarray(Image.open(tmp_path / "out" / sample["mask"])) > 0
        assert tuple(sample["box"]) == mask_to_box(mask)
        assert all(mask[int(y), int(x)] for x, y in sample["points"])
        assert agrees(sample["think"], tuple(sample["box"]), (200, 150)) is True
        assert "brighter than" in sample["think"] or "brighter the tissue" in sample["think"]
        assert polyp.leaks(sample["question"]) is None
    held_out = [s["question"] for s in samples if s["split"] == "validation"]
    assert set(held_out) <= set(polyp.held_out)


def test_the_same_source_gives_the_same_bytes(tmp_path):
    source(tmp_path / "src", ROWS)
    for name in ("one", "two"):
        build(tmp_path / "src", tmp_path / name)
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file())
    assert len(files) >= 6
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files)


def test_a_training_copy_of_a_validation_image_is_dropped(tmp_path):
    source(tmp_path / "src", ROWS)
    copy = Image.open(tmp_path / "src/images/a.png").resize((190, 143)).resize((200, 150))
    copy.save(tmp_path / "src/images/b.png")
    report = build(tmp_path / "src", tmp_path / "out")
    assert report["rejected"]["training image like a validation image"] == 1


def test_two_regions_of_like_size_are_no_single_target():
    both = disc((200, 150), (50, 75), 20) | disc((200, 150), (150, 75), 19)
    assert regions(both, "largest") == ([], "several regions of like size")
    ((_, found),) = regions(both | disc((200, 150), (150, 75), 8), "sides")[0][:1]
    assert np.array_equal(found, disc((200, 150), (50, 75), 20))


def test_the_largest_region_is_taken_when_it_stands_out():
    large, small = disc((200, 150), (50, 75), 30), disc((200, 150), (150, 75), 10)
    ((side, found),) = regions(large | small, "largest")[0]
    assert side == "" and np.array_equal(found, large)


def test_sides_are_named_by_their_place_in_the_image():
    parts, reason = regions(disc((200, 150), (150, 75), 30) | disc((200, 150), (40, 75), 20), "sides")
    assert reason is None and [side for side, _ in parts] == ["left", "right"]
    assert parts[0][1][75, 40] and parts[1][1][75, 150]
    assert regions(disc((200, 150), (50, 75), 30), "sides")[1] == "not two separate organs"


@pytest.mark.parametrize("inside,outside,said", [(200, 50, "brighter than"), (50, 200, "darker than"), (100, 100, "about as bright as")])
def test_brightness_is_measured_against_the_surroundings(inside, outside, said):
    mask = disc((200, 150), (60, 60), 20)
    grey = np.where(mask, inside, outside).astype(np.float32)
    assert measure(grey, mask, mask_to_box(mask)).brightness == said


def test_another_hand_still_asks_the_same_thing():
    rng = random.Random(0)
    made = {vary("Which bright spot on the scan explains the fever of this patient?", rng) for _ in range(60)}
    assert len(made) > 25
    assert all(sum(word in text.lower() for word in ("bright", "spot", "scan", "fever", "patient")) >= 4 for text in made)


def test_reasoning_names_the_target_and_is_three_sentences():
    mask = disc((200, 150), (60, 60), 20)
    measured = measure(mask.astype(np.float32) * 255, mask, mask_to_box(mask))
    for category in categories().values():
        text = reasoning(category, measured, random.Random(1))
        assert category.name in text and text.count(".") >= 3
