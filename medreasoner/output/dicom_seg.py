"""A mask as DICOM-SEG: a segmentation object that viewers lay over the image it was made on.

Is: one binary segment of one frame, tied to its image by the identifiers (UIDs) and the geometry of the image's header.
Is not: a copy of the patient's data. Name, number, dates and the like are left empty and PatientIdentityRemoved says so; whoever stores
the object in an archive enters them there.

highdicom builds the object; this module is imported only when one is asked for, because that takes seconds.
"""

import io

import highdicom
import numpy as np
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from pydicom import Dataset
from pydicom.sr.codedict import codes

from medreasoner.imaging.dicom_header import Source

NEEDED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Rows", "Columns")
GEOMETRY = ("PixelSpacing", "SliceThickness", "ImageOrientationPatient", "ImagePositionPatient")
LEFT_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber"),
    *("StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"),
)
MAKER, LABEL = "MedReasoner", 64  # letters in a DICOM label (VR LO)


class SegError(ValueError):
    """The image's header is too poor for a DICOM-SEG; the message is one sentence that says what is missing."""


def segmentation_file(
    source: Source, mask: np.ndarray, model: str, segmenter: str, notice: str, version: str
) -> bytes:
    """A DICOM file with `mask` (rows, columns) bool as its only segment.

    Args:
        model, segmenter: what found the target and what outlined it; named as the algorithm.
        notice: up to 64 letters; stands in the series' and the content's description and in the segment's.
        version: of this software.

    Errors: SegError.
    """
    missing = [name for name in NEEDED if name not in source.header]
    if missing:
        raise SegError(
            f"The DICOM header has no {' and no '.join(missing)}, without which no DICOM-SEG can refer to the image."
        )
    described = _segment(model, segmenter, notice, version)
    try:
        made = Segmentation(
            source_images=[_source_image(source)],
            pixel_array=mask.astype(np.uint8)[None],
            segmentation_type=SegmentationTypeValues.BINARY,
            segment_descriptions=[described],
            series_instance_uid=highdicom.UID(),
            series_number=1,
            sop_instance_uid=highdicom.UID(),
            instance_number=1,
            manufacturer=MAKER,
            manufacturer_model_name=MAKER,
            software_versions=version,
            device_serial_number="none",
            content_label="TARGET",
            content_description=notice,
            series_description=notice,
            omit_empty_frames=False,
            specific_character_set="ISO_IR 192",
        )
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        IndexError,
    ) as error:  # what highdicom says no with
        raise SegError(f"No DICOM-SEG can be made from the header of this image ({error}).") from error
    made.PatientIdentityRemoved = "YES"
    made.DeidentificationMethod = "Only UIDs and geometry of the image were kept"
    shared = made.SharedFunctionalGroupsSequence[0]
    if "PixelSpacing" not in (shared.get("PixelMeasuresSequence") or [()])[0]:
        shared.pop("PixelMeasuresSequence", None)
    if source.several:
        for item in _references(made):
            item.ReferencedFrameNumber = source.frame
    out = io.BytesIO()
    made.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _segment(model: str, segmenter: str, notice: str, version: str) -> SegmentDescription:
    """What the segment is: the region that answers the question. Which organ or finding that is, nobody has said in codes."""
    model, segmenter = (
        name.replace("\\", "/") for name in (model, segmenter)
    )  # a backslash separates values in DICOM
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name=f"{MAKER}: {model}"[:LABEL], family=codes.DCM.ArtificialIntelligence, version=version[:LABEL]
    )
    segment = SegmentDescription(
        segment_number=1,
        segment_label="Target of the question",
        segmented_property_category=codes.SCT.SpatialAndRelationalConcept,
        segmented_property_type=codes.DCM.SelectedRegion,
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
    )
    segment.SegmentDescription = f"{notice} Found by {model}, outlined by {segmenter}."[:1024]
    return segment


def _source_image(source: Source) -> Dataset:
    """The kept header as highdicom reads it: the geometry at the top, where single images have it, and in functional groups, where objects
    of several frames have it; such an object is presented as one that holds only this frame."""
    image = Dataset()
    image.update(source.header)
    for name in LEFT_EMPTY:
        setattr(image, name, None)
    image.SliceThickness = image.get("SliceThickness") or image.get("SpacingBetweenSlices")
    if not all(image.get(name) for name in GEOMETRY):
        for name in GEOMETRY:  # highdicom takes one of them for the promise of all
            if name in image:
                del image[name]
    image.NumberOfFrames = 1
    shared, own = Dataset(), Dataset()
    shared.PixelMeasuresSequence = [_some(image, "PixelSpacing", "SliceThickness", "SpacingBetweenSlices")]
    if "ImagePositionPatient" in image:
        shared.PlaneOrientationSequence = [_some(image, "ImageOrientationPatient")]
        own.PlanePositionSequence = [_some(image, "ImagePositionPatient")]
    image.SharedFunctionalGroupsSequence, image.PerFrameFunctionalGroupsSequence = [shared], [own]
    return image


def _some(image: Dataset, *names: str) -> Dataset:
    item = Dataset()
    for name in names:
        if image.get(name) is not None:
            setattr(item, name, image.get(name))
    return item


def _references(made: Segmentation) -> list[Dataset]:
    """The items that tie the one frame of `made` to the image's frame."""
    frame = made.PerFrameFunctionalGroupsSequence[0]
    return [item for derived in frame.DerivationImageSequence for item in derived.SourceImageSequence]
