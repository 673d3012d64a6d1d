"""What is known of each source: only of images, classes and body regions that exist, and turns that do what
they say.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medreasoner.data.category import BODY
from medreasoner.data.scenes import Scene, scene_of, scenes
from medreasoner.data.taxonomy import categories

MANIFEST = Path(__file__).parents[3] / "shared/data/real/manifest.jsonl"
ALL = list(scenes().values())


def corner(turn: str) -> tuple[int, int]:
    """Where (column, row) the mark of a picture of 3 x 2 with a mark at its upper left is after a turn."""
    marked = np.zeros((2, 3), np.uint8)
    marked[0, 0] = 255
    turned = np.asarray(Scene("own", turn=turn).upright(Image.fromarray(marked), "id"))
    row, column = np.argwhere(turned == 255)[0]
    return int(column), int(row)


@pytest.mark.parametrize(
    "turn,place",
    [
        ("none", (0, 0)),
        ("90", (1, 0)),
        ("180", (2, 1)),
        ("270", (0, 2)),
        ("flip", (0, 1)),
        ("mirror", (2, 0)),
        ("transverse", (1, 2)),
    ],
)
def test_a_picture_is_turned_clockwise_or_mirrored(turn, place):
    assert corner(turn) == place


def test_turns_may_differ_by_image():
    scene = Scene("own", turn="by image", turns={"a": "180"})
    picture = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    assert np.asarray(scene.upright(picture, "a"))[0, 0] == 5
    assert scene.upright(picture, "b") is picture


def test_the_patients_side_is_known_where_the_scene_says_where_it_lies():
    assert Scene("own", patient_left="right").patient_side("left") == "right"
    assert Scene("own", patient_left="left").patient_side("left") == "left"
    assert Scene("own").patient_side("left") == Scene("own", patient_left="none").patient_side("left") == ""


def test_images_are_left_out_one_by_one_or_all():
    assert Scene("own", exclude={"a": "blank"}).excluded("a") == "blank"
    assert Scene("own", exclude={"a": "blank"}).excluded("b") is None
    assert Scene("own", exclude="all: circles").excluded("b") == "all: circles"


def test_of_an_unknown_source_nothing_is_known():
    assert scene_of("never heard of").phrases == () and scene_of("never heard of").body == ()
    assert scene_of("ct_abdomen_btcv").phrases


@pytest.mark.parametrize("wrong,said", [({"turn": "45"}, "turn must be"), ({"body": ("toe",)}, "got toe")])
def test_a_scene_with_unknown_words_is_refused(wrong, said):
    with pytest.raises(ValueError, match=f"'own'.*{said}"):
        Scene("own", **wrong)


def test_a_file_with_an_unknown_field_or_a_source_twice_is_named(tmp_path):
    (tmp_path / "a.yaml").write_text("- {source: own, colour: red}\n")
    with pytest.raises(ValueError, match="a.yaml: the entry 'own' has a field it should not have"):
        scenes(tmp_path)
    (tmp_path / "b").mkdir()
    (tmp_path / "b/a.yaml").write_text("- {source: own}\n- {source: own}\n")
    with pytest.raises(ValueError, match="'own' is there twice"):
        scenes(tmp_path / "b")


def test_every_scene_says_what_it_shows():
    for scene in ALL:
        assert scene.phrases and bool(scene.body) == scene.medical and set(scene.body) <= set(BODY), (
            scene.source
        )
        assert scene.plane in ("axial", "coronal", "sagittal", "projection", "other"), scene.source
        assert scene.patient_left in ("left", "right", "unknown", "none"), scene.source


def test_no_phrase_speaks_of_a_position_that_was_put_right():
    for scene in ALL:
        said = " ".join(scene.phrases).lower()
        assert scene.turn == "none" or not any(
            word in said for word in ("mirror", "turned", "upside", "lying on", "edge")
        ), scene.source


def test_a_target_can_be_in_view_where_it_is_labelled():
    """Else a question for it could be refused with the words that such an image never shows it."""
    for category in categories().values():
        for source in category.targets:
            assert set(category.body) & set(scene_of(source).body), (category.name, source)


def test_scenes_speak_of_images_and_classes_that_there_are():
    if not MANIFEST.exists():
        pytest.skip("the real images are not here (shared/data/real)")
    classes, images = {}, {}
    for row in map(json.loads, MANIFEST.read_text(encoding="utf-8").splitlines()):
        images.setdefault(row["dataset"], set()).add(row["id"])
        classes.setdefault(row["dataset"], set()).update(target["name"] for target in row["targets"])
    medical = [scene for scene in ALL if scene.medical]
    assert set(images) == {scene.source for scene in medical}
    for scene in medical:
        excluded = set() if isinstance(scene.exclude, str) else set(scene.exclude)
        assert excluded | set(scene.turns) | set(scene.exclude_targets) <= images[scene.source], scene.source
        doubted = {name for each in scene.exclude_targets.values() for name in each}
        assert {*scene.complete, *doubted} <= classes[scene.source], scene.source
    for category in categories().values():
        for source, names in category.targets.items():
            assert set(names) <= classes[source], (category.name, source)
