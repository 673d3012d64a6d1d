"""The demonstration set in medreasoner/examples: all can be read, every image has its attribution.

python -m pytest tests/test_examples.py
"""

import json
from pathlib import Path

from medreasoner.data.load import load
from medreasoner.data.publish.licences import licence_id
from medreasoner.geometry import mask_to_box

EXAMPLES = Path(__file__).parents[1] / "medreasoner" / "examples"


def test_every_demonstration_sample_can_be_read():
    found = list(load(EXAMPLES, strict=True))
    assert 24 <= len(found) <= 36 and len({sample.modality for sample in found}) >= 10
    for sample in found:
        mask = sample.load_mask()
        assert mask.shape == sample.load_image().size[::-1] and mask.any() and sample.think
        assert sample.truth().box == mask_to_box(mask)


def test_every_demonstration_image_has_its_attribution_and_an_open_licence():
    lines = [json.loads(line) for line in (EXAMPLES / "samples.jsonl").read_text().splitlines()]
    told = {
        line.split("|")[1].strip().strip("`"): line
        for line in (EXAMPLES / "ATTRIBUTION.md").read_text().splitlines()
        if "|" in line
    }
    pictures = {path.name for path in EXAMPLES.glob("*.jpg")}
    assert pictures == {line["image"] for line in lines} == set(told) - {"image", "---"}
    for line in lines:
        assert licence_id(line["licence"]) in ("cc0-1.0", "cc-by-4.0", "cc-by-3.0"), line["image"]
        assert line["licence"] in told[line["image"]] and line["source"] in told[line["image"]]
    assert {path.name for path in (EXAMPLES / "masks").iterdir()} == {
        Path(line["mask"]).name for line in lines
    }


def test_the_demonstration_set_is_small():
    assert sum(path.stat().st_size for path in EXAMPLES.rglob("*") if path.is_file()) < 4_000_000


def test_the_examples_on_the_page_are_of_the_demonstration_set():
    shown = json.loads((EXAMPLES / "examples.json").read_text())
    lines = {
        line["image"]: line for line in map(json.loads, (EXAMPLES / "samples.jsonl").read_text().splitlines())
    }
    for entry in shown:
        line = lines[entry["image"]]
        assert (entry["question"], entry["licence"], entry["mask"]) == (
            line["question"],
            line["licence"],
            line["mask"],
        )
