"""Reads only the wanted elements of a DICOM file; anything else in the file may be broken."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medreasoner.data.build.source_files import SourceError

if TYPE_CHECKING:
    from pydicom import Dataset

_WHOLE = (  # whole numbers that decoding of pixels needs
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "PlanarConfiguration",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)
PIXELS = (  # what decoding and rescaling of pixels needs
    *_WHOLE,
    "PhotometricInterpretation",
    "RescaleSlope",
    "RescaleIntercept",
    "ModalityLUTSequence",
    "PresentationLUTShape",
    "PixelData",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
)


def read_dicom_file(path: Path, elements: Sequence[str]) -> "Dataset | None":
    """These elements of a file, by keyword, decoded; None if it is no DICOM.

    Errors: SourceError for a damaged one.
    """
    from pydicom.errors import BytesLengthException, InvalidDicomError

    from medreasoner.imaging.dicom_file import read_limited

    try:
        dataset = read_limited(path.read_bytes(), elements=elements)
        for _ in dataset.iterall():  # pydicom decodes an element when it is looked at
            pass
    except InvalidDicomError:
        return None
    except (OSError, EOFError, ValueError, NotImplementedError, BytesLengthException, struct.error) as error:
        raise SourceError(f"{path}: the DICOM file is damaged ({error})") from error
    for name in _WHOLE:
        if name in dataset and dataset[name].is_empty:
            delattr(dataset, name)
        elif name in dataset and whole(dataset, name) is None:
            raise SourceError(f"{path}: expected a whole number in {name}, got {dataset.get(name)!r}")
    return dataset


def floats(dataset: "Dataset", name: str, count: int) -> list[float] | None:
    """The `count` numbers of an element; None where it is missing or holds anything else."""
    values = dataset.get(name)
    if count == 1:
        values = [values]
    if values is None or isinstance(values, str) or not hasattr(values, "__len__") or len(values) != count:
        return None
    return [float(v) for v in values] if all(isinstance(v, (int, float)) for v in values) else None


def whole(dataset: "Dataset", name: str) -> int | None:
    """The whole number of an element; None where it is missing or holds anything else."""
    value = dataset.get(name)
    return int(value) if isinstance(value, int) else None
