"""Which files make a volume with its label map, what their slices become, and which are refused.

python -m pytest tests/data/build/test_volumes.py
"""

import json

import numpy as np
import pytest
from PIL import Image

from medreasoner.cli import main
from medreasoner.data.build.builder import Builder
from medreasoner.data.build.source_files import Options, SourceError
from medreasoner.data.build.sources import open_source
from tests.data.build.test_builder import lines
from tests.data.build.volumes_drawn import dicom_series, head, nifti, segmentation

SPLEEN = Options(labels={1: "spleen", 2: "liver"}, modality="CT", licence="CC0")


@pytest.fixture
def folder(tmp_path):
    values, marks = head()
    nifti(tmp_path / "src/images/Ann.nii.gz", values)
    nifti(tmp_path / "src/masks/Ann.nii.gz", marks)
    return tmp_path / "src"


def test_each_label_is_asked_for_where_it_is_largest(folder, tmp_path):
    first, second = sorted(open_source(folder, tmp_path / "out", SPLEEN), key=lambda item: item.id)
    assert (first.id, first.classes) == ("Ann_axial_0003", ((1, "spleen"),))
    assert (second.id, second.classes) == ("Ann_axial_0006", ((2, "liver"),))
    assert {first.case, second.case} == {"Ann"} and first.split == second.split
    assert first.spacing_mm == (0.8, 0.8)


def test_a_slice_shows_the_patients_right_on_the_left_and_the_front_up(folder, tmp_path):
    first = min(open_source(folder, tmp_path / "out", SPLEEN), key=lambda item: item.id)
    mask, image = np.asarray(Image.open(first.mask)), np.asarray(Image.open(first.image))
    assert mask.shape == image.shape == (50, 60)
    rows, columns = np.nonzero(mask == 1)
    assert (columns.min(), columns.max()) == (10, 17) and (rows.min(), rows.max()) == (10, 17)
    assert image[mask == 1].min() > image[30, 30] > image[0, 0] == 0  # bright organ, soft tissue, air


def test_storage_order_changes_nothing(folder, tmp_path):
    values, marks = head()
    nifti(tmp_path / "flipped/images/Ann.nii.gz", values, flip=True)
    nifti(tmp_path / "flipped/masks/Ann.nii", marks)
    one, other = (
        sorted(open_source(tmp_path / name, tmp_path / f"out {name}", SPLEEN), key=lambda i: i.id)
        for name in ("src", "flipped")
    )
    for a, b in zip(one, other, strict=True):
        assert a.image.read_bytes() == b.image.read_bytes() and a.mask.read_bytes() == b.mask.read_bytes()


def test_ct_is_windowed_and_anything_else_by_its_percentiles(tmp_path):
    values, marks = head()
    nifti(tmp_path / "src/images/Ann.nii.gz", values)
    nifti(tmp_path / "src/masks/Ann.nii.gz", marks)
    shades = {}
    for name, options in (
        ("ct", SPLEEN),
        ("lung", Options(SPLEEN.labels, "CT", window="CT lung")),
        ("mr", Options(SPLEEN.labels, "MRI")),
    ):
        item = min(open_source(tmp_path / "src", tmp_path / name, options), key=lambda item: item.id)
        shades[name] = int(np.asarray(Image.open(item.image))[30, 30])
    assert shades == {
        "ct": 121,
        "lung": 236,
        "mr": 221,
    }  # 40 HU seen at 50/400, at -600/1500, and between -1000 and 200


def test_a_label_map_on_another_grid_is_refused(folder, tmp_path):
    nifti(folder / "masks/Ann.nii.gz", head()[1], spacing=(0.8, 0.8, 4.0))
    with pytest.raises(SourceError, match="Ann.nii.gz: expected the grid of Ann.nii.gz"):
        open_source(folder, tmp_path / "out", SPLEEN)


def test_a_label_map_with_numbers_between_is_refused(folder, tmp_path):
    nifti(folder / "masks/Ann.nii.gz", head()[1] * np.float32(0.5))
    with pytest.raises(SourceError, match="whole label values"):
        open_source(folder, tmp_path / "out", SPLEEN)


def test_a_damaged_volume_and_a_missing_label_map_are_named(folder, tmp_path):
    (folder / "images/Ann.nii.gz").write_bytes(b"\x1f\x8bnothing")
    with pytest.raises(SourceError, match="Ann.nii.gz: expected a NIfTI volume"):
        open_source(folder, tmp_path / "out", SPLEEN)
    (folder / "masks/Ann.nii.gz").unlink()
    with pytest.raises(SourceError, match="expected a label map Ann.nii.gz or Ann.dcm"):
        open_source(folder, tmp_path / "out", SPLEEN)


def test_the_layout_of_nnu_net_names_labels_and_modality(tmp_path):
    values, marks = head()
    nifti(tmp_path / "src/imagesTr/Ann_0000.nii.gz", values)
    nifti(tmp_path / "src/imagesTr/Ann_0001.nii.gz", values)
    nifti(tmp_path / "src/labelsTr/Ann.nii.gz", marks)
    told = {
        "labels": {"background": 0, "spleen": 1},
        "channel_names": {"0": "CT", "1": "CT"},
        "licence": "CC-BY-SA 4.0",
    }
    (tmp_path / "src/dataset.json").write_text(json.dumps(told))
    (only,) = open_source(tmp_path / "src", tmp_path / "out", Options())
    assert (only.classes, only.modality, only.licence, only.dataset) == (
        ((1, "spleen"),),
        "CT",
        "CC-BY-SA 4.0",
        "src",
    )
    told |= {
        "labels": {"0": "background", "2": "liver"},
        "modality": {"0": "MRI"},
        "channel_names": {},
    }  # as the Decathlon writes it
    (tmp_path / "src/dataset.json").write_text(json.dumps(told))
    (only,) = open_source(tmp_path / "src", tmp_path / "out 2", Options())
    assert (only.classes, only.modality) == (((2, "liver"),), "MRI")


def test_a_volume_that_is_done_is_not_read_again(folder, tmp_path):
    open_source(folder, tmp_path / "out", SPLEEN)
    size = (folder / "images/Ann.nii.gz").stat().st_size
    (folder / "images/Ann.nii.gz").write_bytes(b"x" * size)
    assert len(open_source(folder, tmp_path / "out", SPLEEN)) == 2
    (folder / "images/Ann.nii.gz").write_bytes(b"x" * (size + 1))  # another file
    with pytest.raises(SourceError, match="expected a NIfTI volume"):
        open_source(folder, tmp_path / "out", SPLEEN)


def test_a_volume_becomes_samples_with_their_spacing(folder, tmp_path):
    options = Options(labels={1: "spleen", 2: "duodenum"}, modality="CT", licence="CC0")
    Builder(open_source(folder, tmp_path / "out", options), tmp_path / "out").run()
    (sample,) = lines(tmp_path / "out/samples.jsonl")
    assert (
        sample["category"] == "spleen"
        and sample["spacing_mm"] == [0.8, 0.8]
        and sample["box"] == [10, 10, 18, 18]
    )
    (reject,) = lines(tmp_path / "out/rejects.jsonl")
    assert reject["reason"] == "no wordings for duodenum in CT images"


def test_a_volume_that_cannot_be_used_is_refused_and_counted_and_the_others_go_on(folder, tmp_path, capsys):
    values, marks = head()
    nifti(folder / "images/Bob.nii.gz", values)
    (folder / "masks/Bob.nii.gz").write_bytes((folder / "masks/Ann.nii.gz").read_bytes()[:100])
    nifti(folder / "images/Cem.nii.gz", values)
    nifti(folder / "masks/Cem.nii.gz", marks, spacing=(0.8, 0.8, 4.0))
    labels = ("--labels", "1=spleen", "--modality", "CT", "--validation", "0")
    assert main(["data", "build", str(folder), "--out", str(tmp_path / "out"), *labels]) == 0
    assert "1 train samples of 1 images" in capsys.readouterr().out
    rejects = {line["id"]: line for line in lines(tmp_path / "out/rejects.jsonl")}
    assert set(rejects) == {"Bob", "Cem"} and rejects["Bob"]["stage"] == 0
    assert "expected a NIfTI volume" in rejects["Bob"]["reason"]
    assert "expected the grid" in rejects["Cem"]["reason"]
    assert sum(json.loads((tmp_path / "out/report.json").read_text())["rejected"].values()) == 2
    nifti(folder / "masks/Bob.nii.gz", marks)  # mended
    assert len(open_source(folder, tmp_path / "out 2", SPLEEN)) == 4


# --- DICOM ---


def test_a_dicom_series_with_a_segmentation_gives_the_slices_of_the_same_nifti(folder, tmp_path):
    values, marks = head()
    slices = dicom_series(tmp_path / "dicom/images/Ann", values)
    segmentation(tmp_path / "dicom/masks/Ann.dcm", slices, [marks == 1, marks == 2])
    one = sorted(open_source(folder, tmp_path / "out", SPLEEN), key=lambda item: item.id)
    other = sorted(
        open_source(tmp_path / "dicom", tmp_path / "out dicom", Options()), key=lambda item: item.id
    )
    assert [item.classes for item in other] == [((1, "Spleen"),), ((2, "Liver"),)]
    assert other[0].modality == "CT" and other[0].spacing_mm == (0.8, 0.8)
    for a, b in zip(one, other, strict=True):
        assert a.image.read_bytes() == b.image.read_bytes() and a.mask.read_bytes() == b.mask.read_bytes()


def test_structures_that_overlap_are_both_asked_for_whole(tmp_path):
    values, marks = head()
    slices = dicom_series(tmp_path / "src/images/Ann", values)
    spleen, liver = marks == 1, np.zeros(marks.shape, bool)
    liver[38:46, 28:36, 3] = True  # in the slice where the spleen is largest, and over its edge
    assert (spleen & liver).any()
    segmentation(tmp_path / "src/masks/Ann.dcm", slices, [spleen, liver])
    Builder(open_source(tmp_path / "src", tmp_path / "out", Options()), tmp_path / "out").run()
    (line,) = lines(tmp_path / "out/stages/1_regions.jsonl")
    areas = {
        target["name"]: int((np.asarray(Image.open(tmp_path / "out" / target["mask"])) > 0).sum())
        for target in line["targets"]
    }
    assert areas == {"spleen": int(spleen[..., 3].sum()), "liver": 64}


def test_patients_are_counted_so_that_no_case_can_be_turned_back_into_a_number(tmp_path):
    values, marks = head()
    for name, patient in (("a", "MRN-4711"), ("b", "MRN-0815"), ("c", "MRN-4711")):
        dicom_series(tmp_path / f"src/images/{name}", values, patient)
        slices = dicom_series(tmp_path / f"spare/{name}", values, patient)
        segmentation(tmp_path / f"src/masks/{name}.dcm", slices, [marks == 1])

    def cases(out: str) -> dict[str, str]:
        return {item.id[0]: item.case for item in open_source(tmp_path / "src", tmp_path / out, Options())}

    assert cases("out") == {"a": "patient-0001", "b": "patient-0002", "c": "patient-0001"}
    assert cases("out") == cases("another"), "stable within a build and from build to build"
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert b"4711" not in written


def test_a_case_that_is_stated_is_kept(tmp_path):
    values, marks = head()
    slices = dicom_series(tmp_path / "src/images/a", values)
    segmentation(tmp_path / "src/masks/a.dcm", slices, [marks == 1])
    (tmp_path / "src/metadata.csv").write_text("image,case\na,Study 7\n")
    assert {item.case for item in open_source(tmp_path / "src", tmp_path / "out", Options())} == {"Study 7"}
