"""`ground`: what it prints and writes, also for files that hold more than one plane.

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


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("image") / "scan.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)).save(path)
    return path


def ground(image: Path, model: Path, out: Path, *options: object) -> int:
    return main([str(part) for part in ("ground", image, QUESTION, "--model", model, "--out", out, *options)])


def test_ground_streams_the_reasoning_and_writes_three_files(model, image, tmp_path, capsys):
    assert ground(image, model, tmp_path / "out") == 0
    out, err = capsys.readouterr()
    assert out.startswith(tiny.THOUGHT + "\n") and "Research use only" in out and "grounding.json" in out
    result = json.loads((tmp_path / "out" / "grounding.json").read_text())
    assert (
        result["think"] == tiny.THOUGHT and result["image_wh"] == [90, 60] and result["model"] == str(model)
    )
    assert result["box_xyxy"] == pytest.approx([64 * 90 / 255, 32 * 60 / 255, 192 * 90 / 255, 128 * 60 / 255])
    with Image.open(tmp_path / "out" / result["mask"]) as mask:
        assert mask.size == (90, 60) and set(np.unique(mask)) <= {0, 255}
    assert (tmp_path / "out" / "overlay.png").exists()


def test_ground_json_prints_the_json_alone_and_reasons_on_standard_error(model, image, tmp_path, capsys):
    assert ground(image, model, tmp_path, "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == json.loads((tmp_path / "grounding.json").read_text())
    assert tiny.THOUGHT in err


def test_notes_about_the_image_are_told(model, tmp_path, capsys):
    deep = tmp_path / "deep.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 65535, (60, 90), np.uint16)).save(deep)
    assert ground(deep, model, tmp_path / "out") == 0
    assert "16-bit values were scaled" in capsys.readouterr().err


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
        (["--frame", 2], "Frame 2 was asked for, but the file holds a single image"),
        (["--window", "wide"], "LEVEL/WIDTH such as 40/400"),
    ],
)
def test_a_view_that_the_file_does_not_have_is_exit_2_with_a_sentence(model, tmp_path, capsys, options, said):
    path = tmp_path / "volume.nii"
    path.write_bytes(nifti())
    assert ground(path, model, tmp_path / "out", *options) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()
