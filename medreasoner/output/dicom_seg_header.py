"""The header of the image that a DICOM-SEG belongs to, as highdicom reads it: nobody is named in it, and its
geometry is whole or left out."""

import numpy as np
from pydicom import Dataset

from medreasoner.imaging.dicom_geometry import DicomSource

GEOMETRY = ("PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient")
LEFT_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber"),
    *("StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"),
)


def header_of(source: DicomSource) -> tuple[Dataset, tuple[str, ...]]:
    """The kept header of one slice, and what of its geometry is guessed or lost."""
    image = Dataset()
    image.update(source.header)
    for name in LEFT_EMPTY:
        setattr(image, name, None)
    return image, _complete_geometry(image)


def as_single_frame(source: DicomSource) -> tuple[Dataset, tuple[str, ...]]:
    """The kept header as highdicom reads it, and what of its geometry is guessed or lost.

    The geometry stands at the top, where single images have it, and in functional groups, where objects of
    several frames have it; such an object is presented as one that holds only this frame.
    """
    image, notes = header_of(source)
    image.NumberOfFrames = 1
    shared, own = Dataset(), Dataset()
    shared.PixelMeasuresSequence = [_some(image, "PixelSpacing", "SliceThickness", "SpacingBetweenSlices")]
    if "ImagePositionPatient" in image:
        shared.PlaneOrientationSequence = [_some(image, "ImageOrientationPatient")]
        own.PlanePositionSequence = [_some(image, "ImagePositionPatient")]
    image.SharedFunctionalGroupsSequence, image.PerFrameFunctionalGroupsSequence = [shared], [own]
    return image, notes


def _complete_geometry(image: Dataset) -> tuple[str, ...]:
    """Give a plane that lies in the patient a thickness, and take away what is left of one that does not.

    highdicom takes one attribute for the promise of all. Returns what is guessed or lost, as sentences.
    """
    lacking = [name for name in GEOMETRY if name not in image]
    if not lacking:
        if "SliceThickness" in image:
            return ()
        stated = image.get("SpacingBetweenSlices")
        thickness = float(stated if stated is not None else np.mean([float(v) for v in image.PixelSpacing]))
        image.SliceThickness = round(thickness, 6)
        what = "the spacing between slices" if stated is not None else "the size of a pixel"
        return (
            f"The slice thickness of {thickness:.4g} mm is a guess, {what}: the image's header has none.",
        )
    lost = [name for name in GEOMETRY if name in image]
    for name in (*lost, "SliceThickness", "SpacingBetweenSlices"):
        if name in image:
            del image[name]
    if not lost:
        return ()
    return (
        f"{' and '.join(lost)} of the image are left out, "
        f"because its header has no {' and no '.join(lacking)}.",
    )


def _some(image: Dataset, *names: str) -> Dataset:
    item = Dataset()
    for name in names:
        if image.get(name) is not None:
            setattr(item, name, image.get(name))
    return item
