"""What a DICOM header says about one frame: where it lies in the patient, how large a pixel is, and how its values are to be seen.

Is: the attributes of one frame collected into a flat dataset, wherever the file keeps them (at the top, or in the functional groups of an
enhanced multi-frame object), and the little of it that is kept for a DICOM-SEG. Is not: anything about the patient as a person; those
attributes are never copied out of the file.
"""

from dataclasses import dataclass

import numpy as np
from pydicom import Dataset

from medreasoner.imaging.orientation import edge_letters

Spacing = tuple[float, float] | None

# Macros of functional groups (PS3.3 C.7.6.16) that say where a frame lies or how its values are meant
GROUPS = (
    *("PixelMeasuresSequence", "PlaneOrientationSequence", "PlanePositionSequence"),
    *("PixelValueTransformationSequence", "FrameVOILUTSequence"),
)
# Everything that is ever read from a header, beside the pixels' own description
LOOKED_AT = (
    *("Modality", "BodyPartExamined", "BitsStored", "BurnedInAnnotation", "SequenceOfUltrasoundRegions"),
    *("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelSpacingCalibrationType"),
    *("ImageOrientationPatient", "ImagePositionPatient", "SliceThickness", "SpacingBetweenSlices"),
    *("RescaleIntercept", "RescaleSlope", "RescaleType", "ModalityLUTSequence"),
    *("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction", "VOILUTSequence"),
)
KEPT = (
    *(
        "SOPClassUID",
        "SOPInstanceUID",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "FrameOfReferenceUID",
        "Rows",
        "Columns",
        "Modality",
    ),
    *("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"),
)
# Detectors that see a shadow: a pixel of theirs is larger than what it shows, by a factor that depends on the distance
PROJECTION = {"CR", "DX", "MG", "RF", "XA", "IO", "PX", "RG"}
CENTIMETRE, FLAT = 3, 1  # PhysicalUnitsXDirection, RegionSpatialFormat (PS3.3 C.8.5.5)


@dataclass(frozen=True)
class Source:
    """The image a mask belongs to, for `dicom_seg.py`: `header` holds its UIDs, size and place in the patient, `frame` is counted from 1.
    `several`: the object has frames, though `header` describes the one."""

    header: Dataset
    frame: int
    several: bool


def frame_header(dataset: Dataset, frame: int) -> Dataset:
    """The attributes of LOOKED_AT that hold for one frame (counted from 1). What the frame says goes before what all frames share, and
    that before what stands at the top."""
    flat = Dataset()
    flat.file_meta = dataset.file_meta  # it says in which byte order tables are stored
    for name in LOOKED_AT:
        if name in dataset:
            flat[name] = dataset[name]
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    each = dataset.get("PerFrameFunctionalGroupsSequence") or []
    for groups in (*shared[:1], *each[frame - 1 : frame]):
        for group in GROUPS:
            for item in (groups.get(group) or [])[:1]:
                flat.update({item[name].tag: item[name] for name in LOOKED_AT if name in item})
    return flat


def numbers(header: Dataset, name: str, count: int) -> tuple[float, ...] | None:
    """The finite numbers of an attribute; None if it is not there or does not hold `count` of them."""
    value = header.get(name)
    if value is None or isinstance(value, (str, bytes)) or np.ndim(value) != 1 or len(value) != count:
        return None
    found = tuple(float(v) for v in value)
    return found if np.isfinite(found).all() else None


def spacing_mm(header: Dataset) -> tuple[Spacing, tuple[str, ...]]:
    """Size (x, y) in mm of a pixel in the patient's body, None where the header does not give it, and what is to be said about it.

    The rules are those of PS3.3 10.7.1.3: ImagerPixelSpacing is of the detector; PixelSpacing is of the patient in cross-sections, and in
    projections where it was calibrated, which shows in its differing from ImagerPixelSpacing.
    """
    pixel, detector = (_positive(numbers(header, name, 2)) for name in ("PixelSpacing", "ImagerPixelSpacing"))
    projection = header.get("Modality") in PROJECTION
    if pixel is not None and not projection:
        return (pixel[1], pixel[0]), ()
    if pixel is not None and (
        header.get("PixelSpacingCalibrationType")
        or (detector is not None and not np.allclose(pixel, detector))
    ):
        return (pixel[1], pixel[0]), (
            "The pixel spacing was calibrated by whoever made the file; it holds in one plane of the body.",
        )
    for found in (pixel, detector, _positive(numbers(header, "NominalScannedPixelSpacing", 2))):
        if found is not None:
            size = f"{found[1]:.3g} x {found[0]:.3g} mm"
            return None, (
                f"The file's pixel spacing ({size}) is of the detector or film, not of the body; sizes are given in pixels.",
            )
    return _ultrasound(header), ()


def _positive(pair: tuple[float, ...] | None) -> tuple[float, ...] | None:
    return pair if pair is not None and min(pair) > 0 else None


def _ultrasound(header: Dataset) -> Spacing:
    """The spacing of an ultrasound image that shows one flat region measured in centimetres; with several it depends on where one looks."""
    regions = header.get("SequenceOfUltrasoundRegions") or []
    flat = [region for region in regions if region.get("RegionSpatialFormat") == FLAT]
    if len(flat) != 1 or any(flat[0].get(f"PhysicalUnits{side}Direction") != CENTIMETRE for side in "XY"):
        return None
    pair = tuple(abs(float(flat[0].get(f"PhysicalDelta{side}") or 0)) * 10 for side in "XY")
    return pair if np.isfinite(pair).all() and min(pair) > 0 else None


def orientation(header: Dataset) -> tuple[str, str, str, str] | None:
    """Letters at the picture's edges, from ImageOrientationPatient alone."""
    cosines = numbers(header, "ImageOrientationPatient", 6)
    return None if cosines is None else edge_letters(cosines[:3], cosines[3:])


def source(dataset: Dataset, header: Dataset, frame: int) -> Source:
    """What a DICOM-SEG of this frame needs; `header` is the frame's own. Nothing is copied but KEPT and the geometry."""
    kept = Dataset()
    for name in KEPT:
        if dataset.get(name) not in (None, ""):
            setattr(kept, name, dataset.get(name))
    for name, count in (("PixelSpacing", 2), ("ImageOrientationPatient", 6), ("ImagePositionPatient", 3)):
        found = numbers(header, name, count)
        if found is not None:
            setattr(kept, name, [header[name].value[i] for i in range(count)])
    for name in ("SliceThickness", "SpacingBetweenSlices"):
        if header.get(name) is not None:
            setattr(kept, name, header.get(name))
    return Source(kept, frame, "NumberOfFrames" in dataset)
