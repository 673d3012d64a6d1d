"""The attributes of a DICOM header that hold for one frame, wherever the file keeps them.

What cannot be read costs only itself: it counts as absent, and `FrameHeader.unreadable` names it. Attributes
of the patient as a person are never copied out of the file.
"""

from dataclasses import dataclass, field

import numpy as np
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.errors import BytesLengthException

# Macros of functional groups (PS3.3 C.7.6.16) that say where a frame lies or how its values are meant
GROUPS = (
    *("PixelMeasuresSequence", "PlaneOrientationSequence", "PlanePositionSequence"),
    *("PixelValueTransformationSequence", "FrameVOILUTSequence"),
)
# All that is read of a header, beside the description of the pixels that their decoder needs
NUMBERS = (
    *("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio"),
    *("ImageOrientationPatient", "ImagePositionPatient", "SliceThickness", "SpacingBetweenSlices"),
    *("RescaleIntercept", "RescaleSlope", "WindowCenter", "WindowWidth"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit", "FloatPixelPaddingValue", "FloatPixelPaddingRangeLimit"),
    *("DoubleFloatPixelPaddingValue", "DoubleFloatPixelPaddingRangeLimit"),
)
TEXTS = (
    *("Modality", "BodyPartExamined", "BurnedInAnnotation", "PixelSpacingCalibrationType", "RescaleType"),
    *("WindowCenterWidthExplanation", "VOILUTFunction", "PixelPresentation"),
    *("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"),
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"),
)
SEQUENCES = ("SequenceOfUltrasoundRegions", "ModalityLUTSequence", "VOILUTSequence")
ATTRIBUTES = (*NUMBERS, *TEXTS, *SEQUENCES)

# What pydicom 3 raises when an element's bytes are no value of its type; found by breaking files at random
ELEMENT_ERRORS = (ValueError, NotImplementedError, BytesLengthException)


def read_value(dataset: Dataset, name: str) -> object:
    """The value of an attribute, None if it is absent or cannot be read."""
    try:
        return dataset.get(name)
    except ELEMENT_ERRORS:
        return None


@dataclass
class FrameHeader:
    """The attributes of ATTRIBUTES that hold for one frame.

    Args:
        elements: those that could be read.
        little_endian: byte order of tables.
        unreadable: attribute -> what stands there, for those that could not; it grows as they are asked for.
    """

    elements: Dataset
    little_endian: bool = True
    unreadable: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def of(dataset: Dataset, frame: int = 1) -> "FrameHeader":
        """What holds for a frame (counted from 1): what the frame says goes before what all frames share, and
        that before what stands at the top.
        """
        header = FrameHeader(Dataset(), dataset.original_encoding[1] is not False)
        header._take(dataset)
        shared = header._items(dataset, "SharedFunctionalGroupsSequence")
        each = header._items(dataset, "PerFrameFunctionalGroupsSequence")
        for groups in (*shared[:1], *each[frame - 1 : frame]):
            for group in GROUPS:
                for item in header._items(groups, group)[:1]:
                    header._take(item)
        return header

    def _take(self, dataset: Dataset) -> None:
        for name in ATTRIBUTES:
            if name in dataset:
                try:
                    self.elements[name] = dataset[name]
                except ELEMENT_ERRORS as error:
                    self.unreadable[name] = str(error)

    def _items(self, dataset: Dataset, name: str) -> list[Dataset]:
        try:
            return list(dataset.get(tag_for_keyword(name)).value or []) if name in dataset else []
        except ELEMENT_ERRORS as error:
            self.unreadable[name] = str(error)
            return []

    def text(self, name: str) -> str:
        """The value as text, "" where there is none."""
        return str(self.elements.get(name) or "")

    def texts(self, name: str) -> list[str]:
        """All values as texts."""
        return [str(value) for value in self._values(name)]

    def items(self, name: str) -> list[Dataset]:
        """The items of a sequence."""
        return list(self.elements.get(name) or [])

    def numbers(self, name: str, count: int | None = None) -> tuple[float, ...]:
        """All values as finite numbers; none of them if one is no number, or they are not `count`."""
        values = self._values(name)
        try:
            found = tuple(float(value) for value in values)
        except (ValueError, TypeError):
            found = (np.nan,)
        if found and not (np.isfinite(found).all() and count in (None, len(found))):
            self.refuse(name)
            return ()
        return found

    def number(self, name: str) -> float | None:
        """The value as a finite number; None if there is none."""
        found = self.numbers(name, 1)
        return found[0] if found else None

    def refuse(self, name: str) -> None:
        """Note that what stands under this name cannot be used."""
        self.unreadable[name] = "\\".join(self.texts(name))

    def notes(self) -> tuple[str, ...]:
        """One sentence on what cannot be used, if there is such a thing."""
        if not self.unreadable:
            return ()
        listed = "; ".join(
            f"{name} ({' '.join(value.split())[:40]})" for name, value in self.unreadable.items()
        )
        return (f"The header holds values that cannot be used and count as absent: {listed}.",)

    def _values(self, name: str) -> list:
        value = self.elements.get(name)
        if value is None or value == "":
            return []
        return list(value) if np.ndim(value) == 1 and not isinstance(value, (str, bytes)) else [value]
