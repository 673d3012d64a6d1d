"""`ground --volume`: one question about a whole volume from the terminal, and files that other readers open.

python -m pytest tests/commands/test_ground_volume.py
"""

import json

import numpy as np
import pytest
import SimpleITK

from medreasoner.answer import Absence, render
from medreasoner.cli import main
from tests import tiny
from tests.data.build.volumes_drawn import dicom_series, head, nifti

QUESTION = "Which part explains a cough that does not go away?"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(tiny.embedded(tmp_path_factory.mktemp("models") / "m", script=tiny.SCRIPT))


def test_a_question_about_a_nifti_volume_gives_one_nifti_mask(model, tmp_path, capsys):
    nifti(tmp_path / "v.nii.gz", head()[0])
    code = main(
        [
            "ground",
            str(tmp_path / "v.nii.gz"),
            QUESTION,
            "--volume",
            "--out",
            str(tmp_path / "out"),
            "--model",
            model,
        ]
    )
    shown = capsys.readouterr()
    assert code == 0 and "Slices " in shown.out and "Research use only" in shown.out
    assert "Looked at slice 1 (1 of 8): sees it" in shown.err and "Asking slice" in shown.err
    content = json.loads((tmp_path / "out/grounding.json").read_text())
    made = SimpleITK.ReadImage(str(tmp_path / "out/mask.nii.gz"))
    assert made.GetSize() == (60, 50, 8) and content["mask"] == "mask.nii.gz"
    voxels = SimpleITK.GetArrayFromImage(made).sum()
    assert content["volume"]["volume_ml"] == pytest.approx(voxels * 0.8 * 0.8 * 5 / 1000)
    assert len(content["volume"]["scanned"]) == 8 and content["think"] == tiny.THOUGHT


def test_a_folder_of_dicom_slices_is_a_volume_and_a_chosen_slice_is_taken(model, tmp_path, capsys):
    dicom_series(tmp_path / "series", head()[0], FrameOfReferenceUID="1.2.3.4")
    arguments = ["ground", str(tmp_path / "series"), QUESTION, "--volume", "--slice", "3", "--json"]
    assert main([*arguments, "--out", str(tmp_path / "out"), "--model", model]) == 0
    shown = capsys.readouterr()
    content = json.loads(shown.out)
    assert content["volume"]["slice"] == 3 and content["volume"]["scanned"] == []
    assert content["mask"] == "mask.dcm" and "Looked at" not in shown.err
    read = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "out/mask.dcm")))
    first, last = content["volume"]["slices"]
    assert len(read) == max(1, last - first + 1) or not np.any(read)


def test_absence_is_said_and_only_the_json_is_written(tmp_path, capsys):
    blind = tiny.embedded(tmp_path / "m", script=render(Absence(think="Nothing is to be seen.")))
    nifti(tmp_path / "v.nii.gz", head()[0])
    arguments = ["ground", str(tmp_path / "v.nii.gz"), QUESTION, "--volume", "--out", str(tmp_path / "out")]
    assert main([*arguments, "--model", str(blind)]) == 0
    assert "sees nothing in this volume" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["grounding.json"]


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--slice", "9"], "has 8 slices"), (["--axis", "round"], "The axis 'round' is not known")],
)
def test_what_cannot_be_asked_is_one_sentence_before_a_model_is_opened(tmp_path, capsys, options, said):
    nifti(tmp_path / "v.nii.gz", head()[0])
    arguments = ["ground", str(tmp_path / "v.nii.gz"), QUESTION, "--volume", "--out", str(tmp_path / "out")]
    assert main([*arguments, *options, "--model", str(tmp_path / "none")]) == 2
    shown = capsys.readouterr()
    assert said in shown.err and "Traceback" not in shown.err and not (tmp_path / "out").exists()
