"""What is kept of a file shows the same pictures and holds no name.

python -m pytest tests/imaging/test_anonymous.py
"""

import pickle
from dataclasses import asdict, replace

import pydicom
import pytest
from pydicom.data import get_testdata_files

from medreasoner.imaging import ImageError, ViewSelection, load_image
from medreasoner.imaging.anonymous import without_names
from medreasoner.imaging.types import has_choices
from tests.imaging.planted import holds_name, planted

FILES = planted()
WITH_VIEWS = [name for name in FILES if name != "photograph.jpg"]


@pytest.mark.parametrize("name", WITH_VIEWS)
def test_every_view_of_what_is_kept_is_that_of_the_file_and_the_name_is_gone(name):
    data = FILES[name]
    if name != "deflated.dcm":
        assert holds_name(data)
    kept, first = without_names(data), load_image(data)
    assert has_choices(first.options) and not holds_name(kept)
    views = [first.view, *(replace(first.view, window=window) for window in first.options.windows)]
    views += [replace(first.view, frame=frame + 1) for frame in range(first.options.frames) if first.options.frames > 1]
    for view in views:
        before, after = load_image(data, **asdict(view)), load_image(kept, **asdict(view))
        assert before.image.tobytes() == after.image.tobytes()
        assert (before.options, before.spacing_mm, before.orientation) == (
            after.options,
            after.spacing_mm,
            after.orientation,
        )


@pytest.mark.parametrize("name", FILES)
def test_an_opened_image_holds_no_name(name):
    loaded = load_image(FILES[name])
    assert not holds_name(pickle.dumps(replace(loaded, image=None)))
    assert not holds_name(pickle.dumps(loaded.image.info))


def test_the_files_of_pydicom_show_the_same_without_names():
    shown = 0
    for path in get_testdata_files("*.dcm"):
        with open(path, "rb") as file:
            data = file.read(1_000_001)
        if len(data) > 1_000_000:
            continue
        try:
            before = load_image(data)
        except ImageError:
            continue
        after = load_image(without_names(data))
        assert before.image.tobytes() == after.image.tobytes(), path
        assert (before.notes, before.options) == (after.notes, after.options), path
        name = str(pydicom.dcmread(path, force=True).get("PatientName", ""))
        assert len(name) < len("DOE^J") or name.encode() not in without_names(data), path
        shown += 1
    assert shown > 20


def test_a_gif_that_breaks_off_anywhere_is_kept_without_the_name_or_not_at_all():
    data = FILES["frames.gif"]
    for end in {*range(13, 1000), *range(13, len(data), 13), *range(len(data) - 300, len(data))}:
        assert not holds_name(without_names(data[:end])), end


def test_of_a_format_from_which_names_cannot_be_taken_nothing_is_kept():
    assert without_names(b"P5 20 20 65535\n" + bytes(800)) == b""
    assert without_names(FILES["photograph.jpg"]) == b""
    assert load_image(FILES["photograph.jpg"]).view == ViewSelection()
