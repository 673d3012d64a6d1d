"""No picture and no patient is in two splits."""

from PIL import Image

from medreasoner.data.build.screening import COPY, COPY_WITHIN, HELD
from tests.data.build.test_builder import ROWS, build, rewrite, source


def test_a_training_copy_of_a_validation_image_is_dropped(tmp_path):
    source(tmp_path / "src", ROWS)
    copy = Image.open(tmp_path / "src/images/a.png").resize((190, 143)).resize((200, 150))
    copy.save(tmp_path / "src/images/b.png")
    assert build(tmp_path / "src", tmp_path / "out")["rejected"][COPY] == 1


def test_copies_within_a_split_are_dropped_when_asked(tmp_path):
    source(tmp_path / "src", [(name, *ROWS[1][1:]) for name in "ab"])
    Image.open(tmp_path / "src/images/a.png").save(tmp_path / "src/images/b.png")
    assert build(tmp_path / "src", tmp_path / "both")["samples"] == {"train": 2}
    report = build(tmp_path / "src", tmp_path / "one", distinct=True)
    assert report["samples"] == {"train": 1} and report["rejected"] == {COPY_WITHIN: 1}


def test_no_patient_is_in_two_splits(tmp_path):
    source(tmp_path / "src", ROWS)
    rewrite(tmp_path / "src", b={"case": "a"})
    report = build(tmp_path / "src", tmp_path / "out")
    assert report["rejected"][HELD] == 1 and report["samples"] == {"validation": 1}
