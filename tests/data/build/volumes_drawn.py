"""Volumes drawn here: NIfTI files, DICOM series and DICOM segmentations of every type.

Arrays run to the patient's right, anterior, up.
"""

from pathlib import Path

import nibabel
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import pack_bits
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, SegmentationStorage, generate_uid

SHAPE = (60, 50, 8)
SPACING = (0.8, 0.8, 5.0)
NAMES = ("Spleen", "Liver", "Tumour")


def head() -> tuple[np.ndarray, np.ndarray]:
    """Hounsfield units, and labels: 1 far right and front, largest at slice 3; 2 once, at slice 6."""
    values, marks = np.full(SHAPE, -1000.0, np.float32), np.zeros(SHAPE, np.int16)
    values[5:55, 5:45] = 40
    for number, half in ((2, 5), (3, 8), (4, 6)):
        marks[50 - half : 50, 40 - half : 40, number] = 1
    marks[10:30, 10:30, 6] = 2
    values[marks > 0] = 200
    return values, marks


def nifti(path: Path, values: np.ndarray, spacing=SPACING, flip: bool = False) -> None:
    """Write a volume; with `flip` stored the other way along the first two axes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([*spacing, 1.0])
    if flip:
        values = values[::-1, ::-1]
        affine[:2, 3] = [(n - 1) * s for n, s in zip(values.shape[:2], spacing, strict=False)]
        affine[:2, :2] *= -1
    nibabel.save(nibabel.Nifti1Image(values, affine), path)


def new_dataset(uid: str) -> Dataset:
    """An empty DICOM object of this class."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = uid, generate_uid()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return ds


def plane(volume: np.ndarray, number: int) -> np.ndarray:
    """An axial slice as DICOM stores it: rows towards the back, columns towards the left."""
    return np.ascontiguousarray(volume[::-1, ::-1, number].T)


def dicom_series(
    folder: Path, values: np.ndarray, patient: str = "12345", **changes: object
) -> list[Dataset]:
    """Write axial CT slices, patient lying on the back, file names in no order; returns them from below.

    `changes` are set on every slice.
    """
    folder.mkdir(parents=True)
    series, study, made = generate_uid(), generate_uid(), []
    for number in range(values.shape[2]):
        ds = new_dataset(CTImageStorage)
        ds.Modality, ds.PatientID, ds.SeriesInstanceUID, ds.StudyInstanceUID = "CT", patient, series, study
        pixels = plane(values, number)
        ds.Rows, ds.Columns = pixels.shape
        ds.ImageOrientationPatient, ds.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [-20, -10, 5 * number]
        ds.PixelSpacing, ds.SliceThickness = [0.8, 0.8], 5
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
        ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
        ds.PixelData = (pixels + 1024).astype("<u2").tobytes()
        for name, value in changes.items():
            setattr(ds, name, value)
        ds.save_as(folder / f"{(number * 5) % values.shape[2]}.dcm", enforce_file_format=True)
        made.append(ds)
    return made


def segmentation(
    path: Path, slices: list[Dataset], masks: list[np.ndarray], kind: str = "BINARY", bits: int = 8
) -> Dataset:
    """Write a DICOM segmentation, one frame a segment and slice, empty ones left out.

    Args:
        masks: of segments 1, 2, …; bool, with kind FRACTIONAL 0 to 1. kind: LABELMAP puts all into one frame
            a slice.
        bits: of a pixel, 1 or 8.
    """
    ds = new_dataset("1.2.840.10008.5.1.4.1.1.66.7" if kind == "LABELMAP" else SegmentationStorage)
    ds.Modality, ds.Rows, ds.Columns, ds.SegmentationType = "SEG", slices[0].Rows, slices[0].Columns, kind
    ds.SegmentSequence = []
    for number in range(kind != "LABELMAP", len(masks) + 1):
        segment = Dataset()
        segment.SegmentNumber, segment.SegmentLabel = number, NAMES[number - 1] if number else "Background"
        ds.SegmentSequence.append(segment)
    orientation, shared = Dataset(), Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PlaneOrientationSequence = [orientation]
    ds.SharedFunctionalGroupsSequence = [shared]
    frames, groups = [], []
    if kind == "LABELMAP":
        masks = [sum(number * mask.astype(np.uint8) for number, mask in enumerate(masks, 1))]
    for segment_number, mask in enumerate(masks, 1):
        for number in np.flatnonzero(mask.any(axis=(0, 1))):
            group, place, segment = Dataset(), Dataset(), Dataset()
            place.ImagePositionPatient = slices[number].ImagePositionPatient
            group.PlanePositionSequence = [place]
            if kind != "LABELMAP":
                segment.ReferencedSegmentNumber = segment_number
                group.SegmentIdentificationSequence = [segment]
            groups.append(group)
            frames.append(plane(mask, number) * (200 if kind == "FRACTIONAL" else 1))
    if kind == "FRACTIONAL":
        ds.MaximumFractionalValue, ds.SegmentationFractionalType = 200, "PROBABILITY"
    ds.PerFrameFunctionalGroupsSequence, ds.NumberOfFrames = groups, len(frames)
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
    pixels = np.stack(frames).astype(np.uint8)
    ds.PixelData = pack_bits(pixels.ravel()) if bits == 1 else pixels.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return ds
