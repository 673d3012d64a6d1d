"""Stage 3 of a build: what is asked for in an image, and for what it does not show; words that a check refuses
are kept.
"""

import numpy as np
import pytest
from PIL import Image

from medreasoner.data.build.writers.base import Words
from medreasoner.data.build.writers.offline import Offline
from medreasoner.data.load import load
from medreasoner.data.sample import SampleError
from tests.data.build.source_drawn import ROWS, build, disc, lines, rewrite, source


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
