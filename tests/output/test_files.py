"""The files of a finished run.

python -m pytest tests/output/test_files.py
"""

import gzip
import hashlib
import io
import json
from datetime import UTC, datetime, timedelta

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image

from medreasoner.certainty import Certainty
from medreasoner.events import NOTICE, Absent, Done
from medreasoner.geometry import Grounding
from medreasoner.imaging import LoadedImage, load_image
from medreasoner.output.files import (
    DICOM_SEG,
    NIFTI,
    ExportError,
    export_all,
    export_file,
    file_names,
    save,
)
from medreasoner.output.grounding_json import Provenance, as_json, dumps
from medreasoner.prompts import Prompt
from tests.medical import GRAY, dicom, nifti

CONTRACT = {
    "think",
    "box_xyxy",
    "points_xy",
    "image_wh",
    "mask",
    "model",
    "segmenter",
    "timings_s",
    "answer_text",
    "notice",
}
GAINED = {
    "mask_rle",
    "model_revision",
    "segmenter_revision",
    "prompt_sha256",
    "question",
    "created",
    "kind",
    "view",
    "spacing_mm",
}
GAINED |= {"orientation", "left_out", "found", "confidence", "uncalibrated"}
ABSENT = Absent(
    "Nothing of it is here.",
    "<answer>…</answer>",
    (60, 40),
    (),
    {"total": 1.5},
    80.0,
    "a model",
    "a segmenter",
    confidence=0.75,
    certainty=Certainty(presence=0.25),
)


def finished(width: int = 60, height: int = 40) -> tuple[Done, Image.Image]:
    image = Image.fromarray(np.full((height, width, 3), 90, np.uint8))
    mask = np.zeros((height, width), bool)
    mask[10:20, 10:28] = True
    mask[12, 3] = True
    grounding = Grounding((10.0, 10.0, 30.0, 20.0), ((12.5, 11.5), (27.5, 18.5)))
    names = ("a model", "a segmenter")
    return Done(
        "Die Läsion – hier.",
        "<answer>…</answer>",
        grounding,
        mask,
        0.75,
        (width, height),
        (),
        {"total": 1.5},
        80.0,
        *names,
    ), image


def test_an_absence_has_the_same_keys_with_null_for_the_place(tmp_path):
    values = as_json(ABSENT)
    assert (
        set(values) == CONTRACT | GAINED
        and values["found"] is False
        and as_json(finished()[0])["found"] is True
    )
    assert [values[key] for key in ("box_xyxy", "points_xy", "mask", "mask_rle")] == [None] * 4
    assert values["uncalibrated"]["mask_iou_estimate"] is None and values["uncalibrated"]["presence"] == 0.25
    done, image = finished()
    save(done, image, tmp_path)
    assert [path.name for path in save(ABSENT, image, tmp_path)] == ["grounding.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["grounding.json"], (
        "nothing of the run before is left"
    )


def test_the_json_has_the_agreed_keys_and_plain_values():
    done, _ = finished()
    values = as_json(done)
    assert set(values) == CONTRACT | GAINED
    assert values["box_xyxy"] == [10, 10, 30, 20] and values["points_xy"] == [[12.5, 11.5], [27.5, 18.5]]
    assert values["image_wh"] == [60, 40] and values["mask"] == "mask.png" and values["notice"] == NOTICE
    assert json.loads(dumps(done)) == values and dumps(done).isascii()
    assert values["created"] is values["prompt_sha256"] is values["view"] is None


def test_what_made_the_run_is_written_down():
    done, _ = finished()
    prompt = Prompt(system="You are brief.")
    values = as_json(done, provenance=Provenance.of(prompt, "Wo liegt es?", "abc123"))
    assert (values["question"], values["model_revision"], values["segmenter_revision"]) == (
        "Wo liegt es?",
        "abc123",
        None,
    )
    text = json.dumps(
        {"think": prompt.think, "direct": prompt.direct, "system": prompt.system}, sort_keys=True
    )
    assert values["prompt_sha256"] == hashlib.sha256(text.encode()).hexdigest() != Prompt().sha256
    age = datetime.now(UTC) - datetime.fromisoformat(values["created"])
    assert timedelta(seconds=-1) <= age < timedelta(minutes=1)


def test_the_view_of_a_file_and_its_spacing_are_written_down():
    done, _ = finished(30, 40)
    values = as_json(done, load_image(nifti("LPS", (0.5, 0.75, 3)), slice=4))
    assert values["view"] == {"slice": 4, "axis": "axial", "frame": None, "window": "auto"}
    assert values["kind"] == "NIfTI" and values["spacing_mm"] == pytest.approx([0.5, 0.75])
    assert values["orientation"] == ["R", "L", "A", "P"]


def test_the_three_files_hold_the_run_the_mask_and_a_picture_of_both(tmp_path):
    done, image = finished()
    files = save(done, image, tmp_path / "new" / "folder")
    assert [file.name for file in files] == ["grounding.json", "mask.png", "overlay.png"]
    assert json.loads(files[0].read_text(encoding="utf-8")) == as_json(done, LoadedImage(image, "image"))
    with Image.open(files[1]) as mask:
        assert mask.mode == "L" and set(np.unique(mask)) == {0, 255} and mask.text == {"Description": NOTICE}
        assert (np.asarray(mask).astype(bool) == done.mask).all()
    with Image.open(files[2]) as overlay:
        assert np.asarray(overlay.convert("RGB")).std() > 0 and overlay.text == {"Description": NOTICE}


def test_saving_again_replaces_the_earlier_files_those_of_another_format_too(tmp_path):
    done, image = finished()
    (tmp_path / "mask.dcm").touch()
    (tmp_path / "notes.txt").touch()
    save(done, image, tmp_path)
    files = save(done, image, tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([*files, tmp_path / "notes.txt"])


def test_a_volume_gets_its_mask_in_its_own_grid():
    done, _ = finished(30, 40)
    loaded = load_image(nifti("PIR", (0.5, 0.75, 3)), slice=4)
    made = export_all(done, loaded)
    assert tuple(made) == file_names(loaded) == ("grounding.json", "mask.png", "overlay.png", NIFTI)
    volume = nibabel.Nifti1Image.from_bytes(gzip.decompress(made[NIFTI]))
    canonical = np.asarray(nibabel.as_closest_canonical(volume).dataobj)
    assert canonical.sum() == done.mask.sum() and np.array_equal(
        canonical.max(axis=2)[::-1, ::-1].T.astype(bool), done.mask
    )


@pytest.mark.filterwarnings("ignore")
def test_a_dicom_image_gets_a_segmentation_object():
    done, _ = finished(50, 40)
    made = export_all(done, load_image(dicom(GRAY)))
    segmentation = pydicom.dcmread(io.BytesIO(made[DICOM_SEG]))
    assert segmentation.Modality == "SEG" and segmentation.ContentDescription == NOTICE
    assert np.array_equal(segmentation.pixel_array.astype(bool), done.mask)
    assert json.loads(made["grounding.json"])["left_out"] == []


@pytest.mark.filterwarnings("ignore")
def test_what_a_segmentation_object_guesses_stands_in_the_json():
    done, _ = finished(50, 40)
    place = {
        "ImagePositionPatient": [0, 0, 0],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [1, 1],
    }
    made = export_all(done, load_image(dicom(GRAY, FrameOfReferenceUID="1.2.3", **place)))
    (left_out,) = json.loads(made["grounding.json"])["left_out"]
    assert DICOM_SEG in made and left_out.startswith("mask.dcm: The slice thickness of 1 mm is a guess")


def test_a_segmentation_object_that_cannot_be_made_is_left_out_and_the_json_says_why():
    done, _ = finished(50, 40)
    loaded = load_image(dicom(GRAY, SeriesInstanceUID=None))
    made = export_all(done, loaded, more={"corrected_by_hand": True})
    values = json.loads(made["grounding.json"])
    assert set(made) == {"grounding.json", "mask.png", "overlay.png"}
    assert values["corrected_by_hand"] is True
    assert values["left_out"] == [
        "mask.dcm: The DICOM header has no SeriesInstanceUID, without which no DICOM-SEG can refer to the image."
    ]
    with pytest.raises(ExportError, match="no SeriesInstanceUID"):
        export_file(DICOM_SEG, done, loaded)


def test_a_file_that_is_not_offered_is_no_file():
    done, image = finished()
    with pytest.raises(KeyError):
        export_file(NIFTI, done, LoadedImage(image, "image"))


def test_a_true_outline_is_drawn_where_it_is_given():
    done, image = finished()
    loaded = LoadedImage(image, "image")
    assert export_file("overlay.png", done, loaded, truth=~done.mask) != export_file(
        "overlay.png", done, loaded
    )
