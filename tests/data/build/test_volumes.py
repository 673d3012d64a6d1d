"""Which slices of a volume become images, which way up, and which label maps fit: NIfTI written here, DICOM series written here and the
scanner's own slices that pydicom ships."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, SegmentationStorage, generate_uid

from medreasoner.data.build.layouts import Options, SourceError
from medreasoner.data.build.sources import open_source
from medreasoner.data.build.volumes import choose, read_pair
from tests.data.build.test_builder import lines

SPLEEN = Options(labels={1: "spleen", 2: "liver"}, modality="CT", licence="CC0")
SHAPE = (60, 50, 8)


def head() -> tuple[np.ndarray, np.ndarray]:
    """Hounsfield units and labels (right, anterior, up): label 1 far right and front, largest at slice 3; label 2 once, at slice 6."""
    values, marks = np.full(SHAPE, -1000.0, np.float32), np.zeros(SHAPE, np.int16)
    values[5:55, 5:45] = 40
    for number, half in ((2, 5), (3, 8), (4, 6)):
        marks[50 - half : 50, 40 - half : 40, number] = 1
    marks[10:30, 10:30, 6] = 2
    values[marks > 0] = 200
    return values, marks


def nifti(path: Path, values: np.ndarray, spacing=(0.8, 0.8, 5.0), flip: bool = False) -> None:
    """Write a volume whose axes run right, anterior, up, or with `flip` stored the other way along the first two."""
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([*spacing, 1.0])
    if flip:
        values = values[::-1, ::-1]
        affine[:2, 3] = [(n - 1) * s for n, s in zip(values.shape[:2], spacing, strict=False)]
        affine[:2, :2] *= -1
    nibabel.save(nibabel.Nifti1Image(values, affine), path)


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
    one, other = (sorted(open_source(tmp_path / name, tmp_path / f"out {name}", SPLEEN), key=lambda i: i.id) for name in ("src", "flipped"))
    for a, b in zip(one, other, strict=True):
        assert a.image.read_bytes() == b.image.read_bytes() and a.mask.read_bytes() == b.mask.read_bytes()


def test_a_volume_is_cut_across_its_coarse_axis_or_else_axially():
    marks = np.zeros((6, 6, 6), int)
    marks[1:5, 2, 1:5] = 1
    marks[2, 2, 3] = 2
    assert choose(marks, (1, 4, 1), {1: "a", 2: "b", 3: "absent"}) == (1, {2: [1, 2]})
    assert choose(marks, (3.9, 1, 4), {1: "a"})[0] == 2
    assert choose(marks, (1, 1.2, 1), {1: "a"}) == (2, {1: [1]})  # the first of equals


def test_ct_is_windowed_and_anything_else_by_its_percentiles(tmp_path):
    values, marks = head()
    nifti(tmp_path / "src/images/Ann.nii.gz", values)
    nifti(tmp_path / "src/masks/Ann.nii.gz", marks)
    shades = {}
    for name, options in (("ct", SPLEEN), ("lung", Options(SPLEEN.labels, "CT", window="CT lung")), ("mr", Options(SPLEEN.labels, "MRI"))):
        item = min(open_source(tmp_path / "src", tmp_path / name, options), key=lambda item: item.id)
        shades[name] = int(np.asarray(Image.open(item.image))[30, 30])
    assert shades == {"ct": 121, "lung": 236, "mr": 221}  # 40 HU seen at 50/400, at -600/1500, and between -1000 and 200


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
    told = {"labels": {"background": 0, "spleen": 1}, "channel_names": {"0": "CT", "1": "CT"}, "licence": "CC-BY-SA 4.0"}
    (tmp_path / "src/dataset.json").write_text(json.dumps(told))
    (only,) = open_source(tmp_path / "src", tmp_path / "out", Options())
    assert (only.classes, only.modality, only.licence, only.dataset) == (((1, "spleen"),), "CT", "CC-BY-SA 4.0", "src")
    told |= {"labels": {"0": "background", "2": "liver"}, "modality": {"0": "MRI"}, "channel_names": {}}  # as the Decathlon writes it
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
    from medreasoner.data.build.builder import Builder

    Builder(open_source(folder, tmp_path / "out", SPLEEN), tmp_path / "out").run()
    (sample,) = lines(tmp_path / "out/samples.jsonl")
    assert sample["category"] == "spleen" and sample["spacing_mm"] == [0.8, 0.8] and sample["box"] == [10, 10, 18, 18]
    (reject,) = lines(tmp_path / "out/rejects.jsonl")
    assert reject["reason"] == "no wordings for liver in CT images"


# --- DICOM ---


def series(folder: Path, values: np.ndarray, names=None) -> list[Dataset]:
    """Write `values` (right, anterior, up) as axial CT slices, patient lying on the back, file names in no order; returns the datasets."""
    folder.mkdir(parents=True)
    series_uid, made = generate_uid(), []
    for number in range(values.shape[2]):
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, generate_uid()
        ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
        ds.Modality, ds.PatientID, ds.SeriesInstanceUID, ds.StudyInstanceUID = "CT", "12345", series_uid, generate_uid()
        plane = values[::-1, ::-1, number].T  # rows towards the back, columns towards the left
        ds.Rows, ds.Columns = plane.shape
        ds.ImageOrientationPatient, ds.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [-20, -10, 5 * number]
        ds.PixelSpacing, ds.SliceThickness = [0.8, 0.8], 5
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.BitsAllocated, ds.BitsStored, ds.HighBit = 1, "MONOCHROME2", 16, 16, 15
        ds.PixelRepresentation, ds.RescaleSlope, ds.RescaleIntercept = 0, 1, -1024
        ds.PixelData = (plane + 1024).astype("<u2").tobytes()
        ds.save_as(folder / f"{(number * 5) % values.shape[2]}.dcm", enforce_file_format=True)
        made.append(ds)
    return made


def segmentation(path: Path, slices: list[Dataset], marks: np.ndarray) -> None:
    """Write label values (right, anterior, up) as a DICOM segmentation, one frame a label and slice."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = SegmentationStorage, generate_uid()
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.Modality, ds.Rows, ds.Columns = "SEG", slices[0].Rows, slices[0].Columns
    ds.SegmentSequence = [Dataset(), Dataset()]
    for number, (segment, name) in enumerate(zip(ds.SegmentSequence, ("Spleen", "Liver"), strict=True), 1):
        segment.SegmentNumber, segment.SegmentLabel = number, name
    orientation = Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.SharedFunctionalGroupsSequence = [Dataset()]
    ds.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence = [orientation]
    frames, groups = [], []
    for value in (1, 2):
        for number in np.flatnonzero((marks == value).any(axis=(0, 1))):
            group, place, segment = Dataset(), Dataset(), Dataset()
            place.ImagePositionPatient, segment.ReferencedSegmentNumber = slices[number].ImagePositionPatient, value
            group.PlanePositionSequence, group.SegmentIdentificationSequence = [place], [segment]
            groups.append(group)
            frames.append((marks == value)[::-1, ::-1, number].T)
    ds.PerFrameFunctionalGroupsSequence, ds.NumberOfFrames = groups, len(frames)
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.BitsAllocated, ds.BitsStored, ds.HighBit = 1, "MONOCHROME2", 8, 8, 7
    ds.PixelRepresentation, ds.PixelData = 0, np.stack(frames).astype(np.uint8).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)


def test_a_dicom_series_with_a_segmentation_gives_the_slices_of_the_same_nifti(folder, tmp_path):
    values, marks = head()
    slices = series(tmp_path / "dicom/images/Ann", values)
    segmentation(tmp_path / "dicom/masks/Ann.dcm", slices, marks)
    one = sorted(open_source(folder, tmp_path / "out", SPLEEN), key=lambda item: item.id)
    other = sorted(open_source(tmp_path / "dicom", tmp_path / "out dicom", Options()), key=lambda item: item.id)
    assert [item.classes for item in other] == [((1, "Spleen"),), ((2, "Liver"),)] and other[0].modality == "CT"
    assert "12345" not in other[0].case and other[0].spacing_mm == (0.8, 0.8)
    for a, b in zip(one, other, strict=True):
        assert a.image.read_bytes() == b.image.read_bytes() and a.mask.read_bytes() == b.mask.read_bytes()


def test_a_nifti_label_map_fits_a_dicom_series_on_its_grid(tmp_path):
    values, marks = head()
    series(tmp_path / "src/images/Ann", values)
    affine = np.diag([0.8, 0.8, 5.0, 1.0])
    affine[:2, 3] = 20 - 59 * 0.8, 10 - 49 * 0.8  # DICOM counts from the right and from the front
    (tmp_path / "src/masks").mkdir()
    nibabel.save(nibabel.Nifti1Image(marks, affine), tmp_path / "src/masks/Ann.nii.gz")
    volume, found, _ = read_pair(tmp_path / "src/images/Ann", tmp_path / "src/masks/Ann.nii.gz")
    assert np.array_equal(found, marks) and np.allclose(volume.values, values)


def test_a_series_with_a_slice_missing_is_refused(tmp_path):
    values, marks = head()
    series(tmp_path / "src/images/Ann", values)
    nifti(tmp_path / "src/masks/Ann.nii.gz", marks)
    (tmp_path / "src/images/Ann/0.dcm").unlink()  # the first: the rest is an even stack of another shape
    with pytest.raises(SourceError, match="expected the grid"):
        open_source(tmp_path / "src", tmp_path / "out", SPLEEN)
    (tmp_path / "src/images/Ann/2.dcm").unlink()
    with pytest.raises(SourceError, match="expected slices evenly apart"):
        open_source(tmp_path / "src", tmp_path / "out", SPLEEN)


def test_a_segmentation_of_another_series_is_refused(tmp_path):
    values, marks = head()
    slices = series(tmp_path / "src/images/Ann", values)
    for ds in slices:
        ds.ImagePositionPatient = [-20, -10, ds.ImagePositionPatient[2] + 2.5]
    segmentation(tmp_path / "src/masks/Ann.dcm", slices, marks)
    with pytest.raises(SourceError, match="does not lie on a slice of the series"):
        open_source(tmp_path / "src", tmp_path / "out", SPLEEN)


def test_slices_of_a_scanner_make_a_volume():
    from medreasoner.data.build.series import read_series

    files = sorted(Path(get_testdata_file("DICOMDIR")).parent.glob("98892001/CT5N/*"))
    made = read_series(files[0].parent)
    assert made.modality == "CT" and made.values.shape == (16, 16, len(files))
    heights = sorted(float(pydicom.dcmread(path).ImagePositionPatient[2]) for path in files)
    assert np.isclose(made.affine[2, 3], heights[0]) and np.isclose(made.affine[2, 2], heights[1] - heights[0])


def test_slices_in_several_directions_and_several_series_are_refused(tmp_path):
    from medreasoner.data.build.series import read_series

    scout = series(tmp_path / "scout", head()[0])[3]
    scout.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    scout.save_as(tmp_path / "scout/7.dcm", enforce_file_format=True)
    with pytest.raises(SourceError, match="do not lie in parallel"):
        read_series(tmp_path / "scout")
    localisers = min(Path(get_testdata_file("DICOMDIR")).parent.glob("98892003/MR1/*")).parent
    with pytest.raises(SourceError, match="put each series into a folder of its own"):
        read_series(localisers)
