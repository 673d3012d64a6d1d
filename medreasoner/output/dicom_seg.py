"""A mask as DICOM-SEG: a segmentation object that viewers lay over the image it was made on.

One binary segment, of one frame or of the slices of a series, tied to its images by UIDs and by the geometry
of their headers. The patient's data are not copied: name, number, dates and the like are left empty and
PatientIdentityRemoved says so; whoever stores the object in an archive enters them there.

highdicom builds the object. It takes seconds to import, so this module is imported only when a file is asked
for.
"""

import io
from collections.abc import Sequence
from typing import NamedTuple

import highdicom
import numpy as np
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from pydicom import Dataset
from pydicom.sr.codedict import codes

from medreasoner.imaging.dicom_geometry import REFERENCED_BY, DicomSource
from medreasoner.output.dicom_seg_header import GEOMETRY, as_single_frame, header_of

MAKER = "MedReasoner"
LABEL, TEXT = 64, 1024  # letters in a DICOM label (VR LO) and text (VR ST)

# What highdicom 0.28 raises for an image it can make no segmentation of
_REFUSALS = (ValueError, TypeError, KeyError, AttributeError, IndexError)


class SegError(ValueError):
    """The image's header is too poor for a DICOM-SEG; the message says in one sentence what is missing."""


class Algorithm(NamedTuple):
    """What made the mask.

    Args:
        model, segmenter: what found the target and what outlined it.
        notice: up to 64 letters; stands in the descriptions of the series, the content and the segment.
        version: of this software.
        target: what the mask is of, as the model names it; the label of the segment.
    """

    model: str
    segmenter: str
    notice: str
    version: str
    target: str = "Target of the question"


class SegFile(NamedTuple):
    """A DICOM file, and as sentences what of the image's geometry it guesses or lacks."""

    data: bytes
    notes: tuple[str, ...]


def segmentation_file(source: DicomSource, mask: np.ndarray, algorithm: Algorithm) -> SegFile:
    """A DICOM-SEG with `mask` (rows, columns) bool as its only segment. Errors: SegError."""
    missing = source.missing_references()
    if missing:
        listed = " and no ".join(missing)
        raise SegError(
            f"The DICOM header has no {listed}, without which no DICOM-SEG can refer to the image."
        )
    image, notes = as_single_frame(source)
    segmentation = _segmentation([image], mask[None], algorithm, notes, omit_empty_frames=False)
    return SegFile(_finished(segmentation, source), notes)


def series_segmentation_file(
    sources: Sequence[DicomSource], mask: np.ndarray, algorithm: Algorithm
) -> SegFile:
    """A DICOM-SEG with `mask` (slices, rows, columns) bool over the slices of one series; slices without any
    of it have no frame. Errors: SegError.
    """
    images, notes = [], ()
    for source in sources:
        needed = (*REFERENCED_BY, *GEOMETRY, "FrameOfReferenceUID")
        missing = [name for name in needed if name not in source.header]
        if missing:
            listed = " and no ".join(missing)
            raise SegError(f"A slice has no {listed}, without which no DICOM-SEG can lie over the series.")
        image, notes = header_of(source)
        images.append(image)
    segmentation = _segmentation(images, mask, algorithm, notes, omit_empty_frames=bool(mask.any()))
    return SegFile(_finished(segmentation, sources[0]), notes)


def _segmentation(
    images: list[Dataset], mask: np.ndarray, algorithm: Algorithm, notes: tuple[str, ...], **options: bool
) -> Segmentation:
    """The object, with `mask` (images, rows, columns) as its only segment. Errors: SegError."""
    segment = _segment(algorithm, notes)
    try:
        return Segmentation(
            source_images=images,
            pixel_array=mask.astype(np.uint8),
            segmentation_type=SegmentationTypeValues.BINARY,
            segment_descriptions=[segment],
            series_instance_uid=highdicom.UID(),
            series_number=1,
            sop_instance_uid=highdicom.UID(),
            instance_number=1,
            manufacturer=MAKER,
            manufacturer_model_name=MAKER,
            software_versions=algorithm.version,
            device_serial_number="none",
            content_label="TARGET",
            content_description=algorithm.notice,
            series_description=algorithm.notice,
            specific_character_set="ISO_IR 192",
            **options,
        )
    except _REFUSALS as error:
        raise SegError(f"No DICOM-SEG can be made from the header of this image ({error}).") from error


def _finished(segmentation: Segmentation, source: DicomSource) -> bytes:
    """The object as a file, without what highdicom adds for want of anything better."""
    segmentation.PatientIdentityRemoved = "YES"
    segmentation.DeidentificationMethod = "Only UIDs and geometry of the image were kept"
    shared = segmentation.SharedFunctionalGroupsSequence[0]
    if "PixelSpacing" not in (shared.get("PixelMeasuresSequence") or [()])[0]:
        shared.pop("PixelMeasuresSequence", None)
    if source.multi_frame:
        for item in _references(segmentation):
            item.ReferencedFrameNumber = source.frame
    file = io.BytesIO()
    segmentation.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _segment(algorithm: Algorithm, notes: tuple[str, ...]) -> SegmentDescription:
    """The region that answers the question; which organ or finding that is, no code says."""
    # a backslash separates values in DICOM
    model, segmenter = (name.replace("\\", "/") for name in (algorithm.model, algorithm.segmenter))
    identification = highdicom.AlgorithmIdentificationSequence(
        name=f"{MAKER}: {model}"[:LABEL],
        family=codes.DCM.ArtificialIntelligence,
        version=algorithm.version[:LABEL],
    )
    segment = SegmentDescription(
        segment_number=1,
        segment_label=algorithm.target.replace("\\", "/")[:LABEL],
        segmented_property_category=codes.SCT.SpatialAndRelationalConcept,
        segmented_property_type=codes.DCM.SelectedRegion,
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=identification,
    )
    found = f"Found by {model}, outlined by {segmenter}."
    segment.SegmentDescription = " ".join((algorithm.notice, *notes, found))[:TEXT]
    return segment


def _references(segmentation: Segmentation) -> list[Dataset]:
    """The items that tie its one frame to the image's frame."""
    frame = segmentation.PerFrameFunctionalGroupsSequence[0]
    return [item for derived in frame.DerivationImageSequence for item in derived.SourceImageSequence]
