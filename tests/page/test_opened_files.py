"""Several files opened at once."""

import numpy as np
import pytest

from medreasoner.imaging import ImageError, ViewSelection
from medreasoner.imaging.opener import ImageOpener
from medreasoner.page.opened_files import OpenedFiles
from medreasoner.page.session import Session
from tests.medical import CT, DEEP, dicom, uid


@pytest.fixture(scope="module")
def opener() -> ImageOpener:
    return ImageOpener()


def slice_at(z: float, value: int, series: str = "series") -> bytes:
    place = {"ImagePositionPatient": [0, 0, z], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
    return dicom(DEEP + value, **CT, **place, PixelSpacing=[1, 1], SeriesInstanceUID=uid(series))


@pytest.fixture
def paths(tmp_path):
    made = []
    for number, z in enumerate((5, 0, 10)):
        made.append(tmp_path / f"slice{number}.dcm")
        made[-1].write_bytes(slice_at(z, int(z)))
    return made


def test_the_slices_of_a_series_are_one_stack_sorted_by_place(paths, tmp_path, opener):
    other = tmp_path / "other.dcm"
    other.write_bytes(slice_at(3, 3, "another"))
    files, middle = OpenedFiles.read([*paths, other], opener)
    assert "3 slices of one series" in files.taken and "1 of the files belong" in files.taken
    means = [files.load(ViewSelection(slice=number), opener).values.mean() for number in (1, 2, 3)]
    assert np.allclose(np.diff(means), 5)
    assert (middle.view.slice, middle.options.slices) == (2, 3) and "Slice 2 of 3 is shown." in middle.notes
    with pytest.raises(ImageError, match="Slice 4 was asked for"):
        files.load(ViewSelection(slice=4), opener)


def test_of_other_files_the_first_is_taken_and_said(image_file, paths, opener):
    _, loaded = OpenedFiles.read([image_file, paths[0]], opener)
    assert loaded.notes[0] == "scan.png is shown, the first of 2 files."


def test_another_slice_keeps_its_own_answers(model, paths, opener):
    session = Session.of_files(*OpenedFiles.read(paths, opener))
    session.begin("a run", model.provenance("What is bright?"))
    session.end(model.ground(session.loaded.image, "What is bright?"))
    other = session.with_view(ViewSelection(slice=3), opener)
    assert other.answers == [] and other.phase == "ready" and other.id != session.id
    back = other.with_view(ViewSelection(slice=2, window="40/400"), opener)
    assert back.shown is session.shown and (back.run, back.phase) == ("a run", "done")
