"""`ground` on files that hold more than one plane: which is asked about, and what is written beside the usual three files.

python -m pytest tests/commands/test_ground.py
"""

import gzip
import json
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image

from medreasoner.cli import main
from medreasoner.commands.ground import NOT_FOUND
from tests import tiny
from tests.medical import GRAY, dicom, nifti

QUESTION = "Where does fluid collect?"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A tiny pair that always writes the same well-formed answer."""
    return tiny.embedded(tmp_path_factory.mktemp("model"), tiny.SCRIPT)


def ground(image: Path, model: Path, out: Path, *options: object) -> int:
    return main([str(part) for part in ("ground", image, QUESTION, "--model", model, "--out", out, *options)])


def test_an_absence_is_told_and_is_no_error(tmp_path, capsys):
    script = '<think>No.</think><answer>{"bbox": null, "points_1": null, "points_2": null}</answer>'
    model, path, out = tiny.embedded(tmp_path / "model", script), tmp_path / "image.png", tmp_path / "out"
    Image.new("RGB", (64, 48), "grey").save(path)
    assert ground(path, model, out) == 0
    assert NOT_FOUND in capsys.readouterr().out
    assert json.loads((out / "grounding.json").read_text())["found"] is False


def test_a_slice_of_a_volume_is_asked_about_and_its_mask_put_back(model, tmp_path, capsys):
    path, out = tmp_path / "volume.nii.gz", tmp_path / "out"
    path.write_bytes(gzip.compress(nifti("LPS")))
    assert (
        ground(path, model, out, "--axis", "coronal", "--slice", 7, "--window", "full range", "--json") == 0
    )
    printed, told = capsys.readouterr()
    values = json.loads((out / "grounding.json").read_text())
    assert json.loads(printed) == values and "Coronal slice 7 of 40 is shown." in told
    assert values["view"] == {"slice": 7, "axis": "coronal", "frame": None, "window": "full range"}
    assert values["question"] == QUESTION and len(values["prompt_sha256"]) == 64 and values["left_out"] == []
    volume = np.asarray(nibabel.load(out / "mask.nii.gz").dataobj)
    assert volume.shape == (30, 40, 20) and volume.any() and volume.sum() == volume[:, 6].sum()


def test_a_frame_of_a_dicom_file_is_asked_about_and_its_mask_written_as_dicom_seg(model, tmp_path, capsys):
    path, out = tmp_path / "film", tmp_path / "out"
    path.write_bytes(
        dicom(
            np.stack([GRAY] * 3), NumberOfFrames=3, SOPClassUID=pydicom.uid.UltrasoundMultiFrameImageStorage
        )
    )
    assert ground(path, model, out, "--frame", 3) == 0
    assert "mask.dcm" in capsys.readouterr().out
    segmentation = pydicom.dcmread(out / "mask.dcm")
    source = (
        segmentation.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    )
    assert segmentation.Modality == "SEG" and source.ReferencedFrameNumber == 3


def test_a_dicom_file_too_poor_for_a_segmentation_object_still_gives_the_rest_and_a_reason(
    model, tmp_path, capsys
):
    path, out = tmp_path / "poor.dcm", tmp_path / "out"
    path.write_bytes(dicom(GRAY, StudyInstanceUID=None))
    assert ground(path, model, out) == 0
    assert "mask.dcm: The DICOM header has no StudyInstanceUID" in capsys.readouterr().err
    assert sorted(file.name for file in out.iterdir()) == ["grounding.json", "mask.png", "overlay.png"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--slice", 99], "Axial slice 99 was asked for, but the file has 20 of them"),
        (["--axis", "oblique"], "expected one of axial, coronal, sagittal"),
        (["--frame", 2], "Moment 2 was asked for"),
        (["--window", "wide"], "LEVEL/WIDTH such as 40/400"),
    ],
)
def test_a_view_that_the_file_does_not_have_is_exit_2_with_a_sentence(model, tmp_path, capsys, options, said):
    path = tmp_path / "volume.nii"
    path.write_bytes(nifti())
    assert ground(path, model, tmp_path / "out", *options) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()
