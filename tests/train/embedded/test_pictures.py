"""`train/embedded/pictures.py`: images with targets as a build left them, and which of them covers an image
token.
"""

import json

import numpy as np

from tests.train.embedded.targets_drawn import target
from tests.train.sets import CASES
from train.embedded.pictures import kinds_of, load_pictures
from train.embedded.views import View


def test_a_built_set_is_read_with_its_measured_facts(built_set):
    pictures = load_pictures([built_set])
    assert [picture.case for picture in pictures] == list(CASES)
    first = pictures[0]
    assert first.dataset == "kvasir_seg" and first.scene.body == ("bowel",) and first.classes == ("polyp",)
    (found,) = first.targets
    assert found.category.name == "colorectal polyp" and found.measured.size == "small"
    assert np.allclose(found.box * 64, [8, 10, 40, 30]) and found.coverage.mean() == np.float32(
        20 * 32 / 64**2
    )
    assert load_pictures([built_set], "validation") == []


def test_images_that_were_left_out_and_unknown_categories_are_passed_over(built_set, tmp_path):
    rows = [json.loads(line) for line in (built_set / "stages/1_regions.jsonl").read_text().splitlines()]
    rows[0].pop("image")
    rows[1]["targets"][0]["name"] = "gadget"
    for name in ("images", "masks"):
        (tmp_path / name).symlink_to(built_set / name)
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/1_regions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pictures = load_pictures([tmp_path])
    assert [len(picture.targets) for picture in pictures] == [0, 1, 1]


def test_small_targets_lie_on_top_of_large_ones():
    small, large = (
        target("optic cup", (40.0, 20.0, 80.0, 60.0)),
        target("optic disc", (20.0, 0.0, 140.0, 90.0)),
    )
    kinds = kinds_of([small, large])
    inside = kinds[5, 5]
    assert len(np.unique(kinds)) == 3 and inside != kinds[1, 3] and inside == kinds_of([small]).max()


def test_what_lies_outside_a_view_covers_nothing_in_it():
    assert kinds_of([target()], View((0.5, 0.5, 1.0, 1.0))).max() == 0
    assert kinds_of([target()], View((0.0, 0.0, 0.5, 0.5))).max() > 0
