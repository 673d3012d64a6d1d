"""The three files of a finished run.

python -m pytest tests/test_export.py
"""

import json

import numpy as np
from PIL import Image

from medreasoner.events import NOTICE, Done
from medreasoner.export import as_json, dumps, save
from medreasoner.geometry import Grounding

KEYS = {"think", "box_xyxy", "points_xy", "image_wh", "mask", "mask_score", "model", "segmenter", "timings_s", "answer_text", "notice"}


def finished() -> tuple[Done, Image.Image]:
    image = Image.fromarray(np.full((40, 60, 3), 90, np.uint8))
    mask = np.zeros((40, 60), bool)
    mask[10:20, 10:30] = True
    grounding = Grounding((10.0, 10.0, 30.0, 20.0), ((12.5, 11.5), (27.5, 18.5)))
    done = Done(
        "Die Läsion – hier.", "<answer>…</answer>", grounding, mask, 0.75, (60, 40), (), {"total": 1.5}, 80.0, "a model", "a segmenter"
    )
    return done, image


def test_the_json_has_the_agreed_keys_and_plain_values():
    done, _ = finished()
    values = as_json(done)
    assert set(values) == KEYS
    assert values["box_xyxy"] == [10, 10, 30, 20] and values["points_xy"] == [[12.5, 11.5], [27.5, 18.5]]
    assert values["image_wh"] == [60, 40] and values["mask"] == "mask.png" and values["notice"] == NOTICE
    assert json.loads(dumps(done)) == values and dumps(done).isascii()


def test_the_three_files_hold_the_run_the_mask_and_a_picture_of_both(tmp_path):
    done, image = finished()
    files = save(done, image, tmp_path / "new" / "folder")
    assert [file.name for file in files] == ["grounding.json", "mask.png", "overlay.png"]
    assert json.loads(files[0].read_text(encoding="utf-8")) == as_json(done)
    with Image.open(files[1]) as mask:
        assert mask.mode == "L" and set(np.unique(mask)) == {0, 255}
        assert (np.asarray(mask).astype(bool) == done.mask).all()
    with Image.open(files[2]) as overlay:
        assert np.asarray(overlay.convert("RGB")).std() > 0, "something is drawn"


def test_saving_again_replaces_the_earlier_files(tmp_path):
    done, image = finished()
    save(done, image, tmp_path)
    files = save(done, image, tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(files)
