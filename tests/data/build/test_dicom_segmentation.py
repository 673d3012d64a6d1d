"""DICOM segmentations of every type come onto the grid of their series, or are refused."""

import numpy as np
import pytest

from medreasoner.data.build.dicom_segmentation import read_segmentation
from medreasoner.data.build.dicom_series import read_series
from medreasoner.data.build.source_files import SourceError
from medreasoner.data.build.volume_files import read_volume_and_labels
from tests.data.build.volumes_drawn import SHAPE, dicom_series, head, segmentation


@pytest.fixture
def stack(tmp_path):
    """The slices of a series in `tmp_path/a`."""
    return dicom_series(tmp_path / "a", head()[0])


def masks() -> list[np.ndarray]:
    """Two structures, the second within the first and beyond it, with an empty slice between."""
    first, second = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    first[10:25, 10:25, 2:7:2] = True
    second[20:40, 15:20, 4] = True
    return [first, second]


def read(tmp_path, path="seg.dcm"):
    """As right, anterior, up."""
    return read_volume_and_labels(tmp_path / "a", tmp_path / path)[1]


@pytest.mark.parametrize("bits", [1, 8])
def test_overlapping_segments_keep_all_their_pixels(tmp_path, stack, bits):
    segmentation(tmp_path / "seg.dcm", stack, masks(), bits=bits)
    labels = read(tmp_path)
    assert labels.names == {1: "Spleen", 2: "Liver"}
    for number, mask in enumerate(masks(), 1):
        assert np.array_equal(np.isin(labels.values, labels.values_of(number)), mask)


def test_frames_whose_bits_do_not_fill_bytes_are_read(tmp_path):
    values = head()[0][:5, :3]  # 15 bits a frame
    slices = dicom_series(tmp_path / "a", values)
    mask = np.zeros(values.shape, bool)
    mask[1, 1, 2:6] = mask[4, 2, 5] = True
    segmentation(tmp_path / "seg.dcm", slices, [mask], bits=1)
    assert np.array_equal(read(tmp_path).values > 0, mask)


def test_a_label_map_object_is_read_and_its_background_is_no_structure(tmp_path, stack):
    first, second = masks()
    segmentation(tmp_path / "seg.dcm", stack, [first & ~second, second], "LABELMAP")
    labels = read(tmp_path)
    assert labels.names == {1: "Spleen", 2: "Liver"}
    assert np.array_equal(labels.values, first + second * 1 + (first & second) * 0 + (second & ~first) * 1)


def test_a_fractional_segment_is_where_it_is_more_likely_than_not(tmp_path, stack):
    first, _ = masks()
    unsure = np.where(first, 0.9, 0.02)
    unsure[0, 0, 0], unsure[1, 0, 0], unsure[2, 0, 0] = 0.5, 0.49, 0.51
    segmentation(tmp_path / "seg.dcm", stack, [unsure], "FRACTIONAL")
    first[0, 0, 0] = first[2, 0, 0] = True
    assert np.array_equal(read(tmp_path).values > 0, first)


def test_a_segmentation_of_another_place_is_refused(tmp_path, stack):
    for number, ds in enumerate(stack):
        ds.ImagePositionPatient = [-20, -10, 5 * number + 2.5]
    segmentation(tmp_path / "seg.dcm", stack, masks())
    with pytest.raises(SourceError, match="seg.dcm: a frame does not lie on a slice of the series"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda ds: setattr(ds, "PerFrameFunctionalGroupsSequence", []), "frames do not say where they lie"),
        (lambda ds: delattr(ds, "SharedFunctionalGroupsSequence"), "does not say where it lies"),
        (lambda ds: delattr(ds, "SegmentSequence"), "expected a DICOM segmentation"),
        (lambda ds: ds.SegmentSequence.pop(), "segment 2, which is not described"),
        (lambda ds: setattr(ds, "Rows", 40), "expected frames of 60 x 50 pixels, got 60 x 40"),
        (lambda ds: setattr(ds, "PixelData", ds.PixelData[:100]), "cannot be decoded"),
        (
            lambda ds: setattr(
                ds.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0],
                "ImageOrientationPatient",
                [0, 1, 0, 0, 0, -1],
            ),
            "of another one",
        ),
    ],
)
def test_a_segmentation_that_lacks_something_is_refused_in_a_sentence(tmp_path, stack, change, said):
    ds = segmentation(tmp_path / "seg.dcm", stack, masks())
    change(ds)
    ds.save_as(tmp_path / "seg.dcm", enforce_file_format=True)
    with pytest.raises(SourceError, match=said):
        read(tmp_path)


def test_a_segment_without_a_label_has_its_number(tmp_path, stack):
    ds = segmentation(tmp_path / "seg.dcm", stack, masks())
    del ds.SegmentSequence[1].SegmentLabel
    ds.save_as(tmp_path / "seg.dcm", enforce_file_format=True)
    assert read(tmp_path).names == {1: "Spleen", 2: "segment 2"}


def test_what_is_no_dicom_is_named(tmp_path, stack):
    volume, _ = read_series(tmp_path / "a")
    (tmp_path / "seg.dcm").write_bytes(b"nothing")
    with pytest.raises(SourceError, match="seg.dcm: expected a DICOM segmentation"):
        read_segmentation(tmp_path / "seg.dcm", volume)


def test_damaged_segmentations_end_in_a_sentence(tmp_path, stack):
    """Bytes are changed, cut out and put in all over a small file."""
    segmentation(tmp_path / "seg.dcm", stack, masks(), bits=1)
    volume, _ = read_series(tmp_path / "a")
    whole = (tmp_path / "seg.dcm").read_bytes()
    rng, refused = np.random.default_rng(0), 0
    for _ in range(120):
        data, place = bytearray(whole), int(rng.integers(132, len(whole)))
        match rng.integers(3):
            case 0:
                data[place] = int(rng.integers(256))
            case 1:
                del data[place : place + int(rng.integers(1, 40))]
            case 2:
                data = data[:place]
        (tmp_path / "seg.dcm").write_bytes(data)
        try:
            read_segmentation(tmp_path / "seg.dcm", volume)
        except SourceError:
            refused += 1
    assert refused > 20
