"""Where a DICOM frame lies in the patient, how large its pixels are, and what of this a DICOM-SEG needs."""

from dataclasses import dataclass

import numpy as np
from pydicom import Dataset

from medreasoner.imaging.dicom_header import ELEMENT_ERRORS, FrameHeader
from medreasoner.imaging.orientation import edge_letters

Spacing = tuple[float, float] | None

IDENTIFIERS = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
)
REFERENCED_BY = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Rows",
    "Columns",
)
COMPRESSION = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
PLACE = {"PixelSpacing": 2, "ImageOrientationPatient": 6, "ImagePositionPatient": 3}  # attribute -> numbers
# letters at the edges of a slice, without their direction -> its orientation
PLANES = {
    frozenset("RLAP"): "axial",
    frozenset("RLHF"): "coronal",
    frozenset("APHF"): "sagittal",
}
# Detectors that see a shadow: a pixel of theirs is larger than what it shows, by a factor that depends on the
# distance
PROJECTION = {"CR", "DX", "MG", "RF", "XA", "IO", "PX", "RG"}
CENTIMETRE, FLAT = 3, 1  # PhysicalUnitsXDirection, RegionSpatialFormat (PS3.3 C.8.5.5)


@dataclass(frozen=True)
class DicomSource:
    """The image a mask belongs to, for output/dicom_seg.py.

    Args:
        header: UIDs, size, and place in the patient as far as the file gives it.
        frame: counted from 1.
        multi_frame: whether the object has frames, though `header` describes this one.
    """

    header: Dataset
    frame: int
    multi_frame: bool

    def missing_references(self) -> list[str]:
        """Attributes that the header lacks and without which no DICOM-SEG can refer to the image."""
        return [name for name in REFERENCED_BY if name not in self.header]


def spacing_mm(header: FrameHeader) -> tuple[Spacing, tuple[str, ...]]:
    """Size (x, y) in mm of a pixel in the patient's body, None where the header does not give it, and notes.

    The rules are those of PS3.3 10.7.1.3: ImagerPixelSpacing is of the detector; PixelSpacing is of the
    patient in cross-sections, and in projections where it was calibrated, which shows in its differing from
    ImagerPixelSpacing.
    """
    pixel, detector, scanned = (
        _positive(header, name)
        for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
    )
    if pixel is not None and header.text("Modality") not in PROJECTION:
        return (pixel[1], pixel[0]), ()
    differs = pixel is not None and detector is not None and not np.allclose(pixel, detector)
    if pixel is not None and (header.text("PixelSpacingCalibrationType") or differs):
        note = "The pixel spacing was calibrated by whoever made the file; it holds in one plane of the body."
        return (pixel[1], pixel[0]), (note,)
    for found in (pixel, detector, scanned):
        if found is not None:
            size = f"{found[1]:.3g} x {found[0]:.3g} mm"
            note = (
                f"The file's pixel spacing ({size}) is of the detector or film, not of the body; "
                "sizes are given in pixels."
            )
            return None, (note,)
    return _ultrasound_spacing(header), ()


def _positive(header: FrameHeader, name: str) -> tuple[float, ...] | None:
    """The pair of an attribute (rows first), if both are sizes."""
    pair = header.numbers(name, 2)
    if pair and min(pair) <= 0:
        header.refuse(name)
        return None
    return pair or None


def _ultrasound_spacing(header: FrameHeader) -> Spacing:
    """The spacing of an ultrasound image that shows one flat region measured in centimetres; of several, none
    holds for all.
    """
    regions = header.items("SequenceOfUltrasoundRegions")
    try:
        flat = [region for region in regions if region.get("RegionSpatialFormat") == FLAT]
        units = [region.get(f"PhysicalUnits{side}Direction") for region in flat for side in "XY"]
        if units != [CENTIMETRE, CENTIMETRE]:
            return None
        pair = tuple(abs(float(flat[0].get(f"PhysicalDelta{side}") or 0)) * 10 for side in "XY")
    except ELEMENT_ERRORS as error:
        header.unreadable["SequenceOfUltrasoundRegions"] = str(error)
        return None
    return pair if np.isfinite(pair).all() and min(pair) > 0 else None


def orientation(header: FrameHeader) -> tuple[str, str, str, str] | None:
    """Letters at the picture's edges, from ImageOrientationPatient alone."""
    cosines = header.numbers("ImageOrientationPatient", 6)
    letters = edge_letters(cosines[:3], cosines[3:]) if cosines else None
    if cosines and letters is None:
        header.refuse("ImageOrientationPatient")
    return letters


def dicom_source(dataset: Dataset, header: FrameHeader, frame: int) -> DicomSource:
    """What a DICOM-SEG of this frame needs. Nothing is copied but identifiers, size, compression and
    geometry.
    """
    kept = Dataset()
    kept.Rows, kept.Columns = dataset.Rows, dataset.Columns
    for name in ("Modality", *IDENTIFIERS, *COMPRESSION):
        if header.text(name) and name not in header.unreadable:
            kept[name] = header.elements[name]
    if not header.numbers("LossyImageCompressionRatio") and "LossyImageCompressionRatio" in kept:
        del kept["LossyImageCompressionRatio"]
    for name, count in PLACE.items():
        if header.numbers(name, count) and name not in header.unreadable:
            kept[name] = header.elements[name]
    for name in ("SliceThickness", "SpacingBetweenSlices"):
        if (header.number(name) or 0) > 0:
            kept[name] = header.elements[name]
    return DicomSource(kept, frame, "NumberOfFrames" in dataset)
