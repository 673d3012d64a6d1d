"""DICOM files: one frame as a reading room shows it, in every transfer syntax for which a decoder is
installed.

A file's header is read, used and dropped; see `DicomSource` for what is kept.

Not here: series of files, which become volumes in data/build/dicom_series.py.
"""

import numpy as np
from PIL import Image
from pydicom import Dataset

from medreasoner.imaging.dicom_color import color_frame, is_color
from medreasoner.imaging.dicom_file import parse
from medreasoner.imaging.dicom_geometry import Spacing, dicom_source, orientation, spacing_mm
from medreasoner.imaging.dicom_gray import window_frame
from medreasoner.imaging.dicom_header import FrameHeader
from medreasoner.imaging.dicom_pixels import PixelFormat, check_syntax, count_frames, decode, pixel_format
from medreasoner.imaging.types import (
    LoadedImage,
    ViewOptions,
    ViewSelection,
    check_size,
    refuse_slice_selection,
    select_number,
    shape_notes,
)
from medreasoner.imaging.windowing import Windowed

# PS3.4 B.5: Segmentation Storage and Label Map Segmentation Storage
SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")

# DICOM's Modality (PS3.3 C.7.3.1.1.1) -> the taxonomy's
MODALITIES = {
    "CT": "CT",
    "MR": "MRI",
    "US": "Ultrasound",
    "IVUS": "Ultrasound",
    "CR": "X-ray",
    "DX": "X-ray",
    "RG": "X-ray",
    "MG": "Mammography",
    "XA": "X-ray angiography",
    "OP": "Fundus",
    "OPT": "OCT",
    "ES": "Endoscopy",
    "SM": "Histology",
    "GM": "Histology",
    "DMS": "Dermoscopy",
}


def read_dicom(data: bytes, view: ViewSelection) -> LoadedImage:
    """One frame of a file: the middle one of several, in the file's first window, unless `view` says
    otherwise.

    Errors: ImageError.
    """
    refuse_slice_selection(view)
    dataset = parse(data)
    pixels = pixel_format(dataset)
    check_size(pixels.columns, pixels.rows)
    check_syntax(dataset)
    frames, frame_notes = count_frames(dataset, pixels)
    frame = select_number("frame", view.frame, frames, frames // 2 + 1)
    stored = decode(dataset, frame, pixels)
    header = FrameHeader.of(dataset, frame)
    windowed = _windowed(stored, pixels, dataset, header, view.window)
    spacing, spacing_notes = spacing_mm(header)
    letters = orientation(header)
    source = dicom_source(dataset, header, frame)
    shown = (f"Frame {frame} of {frames} is shown.",) if frames > 1 else ()
    return LoadedImage(
        image=Image.fromarray(windowed.pixels).convert("RGB"),
        kind="DICOM",
        notes=(*shown, *frame_notes, *windowed.notes, *spacing_notes, *_warnings(header, spacing)),
        spacing_mm=spacing,
        orientation=letters,
        view=ViewSelection(frame=frame if frames > 1 else None, window=windowed.window),
        options=ViewOptions(frames=frames, windows=windowed.windows),
        source=source,
        modality=MODALITIES.get(header.text("Modality")),
        **windowed.origin,
    )


def _windowed(
    stored: np.ndarray, pixels: PixelFormat, dataset: Dataset, header: FrameHeader, requested: str | None
) -> Windowed:
    if is_color(stored, pixels):
        return color_frame(stored, pixels, dataset, requested)
    return window_frame(stored, pixels, header, requested)


def _warnings(header: FrameHeader, spacing: Spacing) -> tuple[str, ...]:
    """What else of the header the reader should know."""
    aspect = header.numbers("PixelAspectRatio", 2)  # vertical, horizontal
    if aspect and min(aspect) <= 0:
        header.refuse("PixelAspectRatio")
    width, height = spacing or (aspect[::-1] if aspect and min(aspect) > 0 else (1, 1))
    notes = (*shape_notes(width, height), *header.notes())
    if header.text("SOPClassUID") in SEGMENTATIONS:
        notes = (
            "This file is a segmentation (DICOM-SEG): what is shown is a mask that was drawn on an image, "
            "not the image.",
            *notes,
        )
    if header.text("PixelPresentation") in ("COLOR", "MIXED"):
        notes = (
            *notes,
            "The file colours a part of its values by a supplemental palette, which is not shown.",
        )
    if header.text("BurnedInAnnotation") == "YES":
        notes = (*notes, "The file says that words are burnt into its pixels; they may name the patient.")
    return notes
