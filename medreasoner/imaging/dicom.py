"""DICOM files: one frame to look at, as a reading room shows it.

Is: stored values -> modality table -> window -> 8 bits, air dark; colours as RGB; every transfer syntax for which a decoder is installed.
Is not: a series or a network node. One file is one image; its header is read, used and dropped (see `dicom_header.py` for what is kept).
"""

import io
import struct
import zlib
from collections.abc import Sequence

import numpy as np
import pydicom
from PIL import Image
from pydicom import Dataset
from pydicom.errors import BytesLengthException
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi, get_decoder, pixel_array
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from medreasoner.imaging import dicom_header, dicom_jpeg
from medreasoner.imaging.types import (
    DAMAGE,
    MAX_BYTES,
    ImageError,
    LoadedImage,
    ViewOptions,
    ViewSelection,
    check_size,
    damaged,
    refuse_slice_selection,
    select_number,
)
from medreasoner.imaging.windowing import (
    AS_STORED,
    AUTO,
    CT_WINDOWS,
    FULL,
    LINEAR,
    Window,
    Windowed,
    apply_window,
    rescale_to_uint8,
    resolve_window,
    window_values,
)

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
PREAMBLE = 128
MAX_FILE_WINDOWS = 8  # a file may hold many; a menu should not
# BodyPartExamined -> the window of a CT that brings none
REGIONS = {
    "HEAD": "CT brain",
    "BRAIN": "CT brain",
    "CHEST": "CT mediastinum",
    "LUNG": "CT lung",
    "LIVER": "CT liver",
}

_DAMAGE = (*DAMAGE, BytesLengthException)


def read_dicom(data: bytes, view: ViewSelection) -> LoadedImage:
    """One frame of the file in `data`: the middle one of several, and in the file's first window, unless `view` says otherwise.

    Errors: ImageError.
    """
    refuse_slice_selection(view)
    try:
        _refuse_bomb(data)
        dataset = _read(data)
        rows, columns, frames = (
            int(dataset.get(name) or 0) for name in ("Rows", "Columns", "NumberOfFrames")
        )
        if not any(name in dataset for name in PIXELS):
            what = dataset.get("Modality") or "unnamed"
            raise ImageError(
                f"The DICOM file holds no image, only data of modality {what}; give a file with pixels."
            )
        check_size(columns, rows)
        frame = select_number("frame", view.frame, max(1, frames), frames // 2 + 1)
        values = _decode(dataset, frame)
        header = dicom_header.frame_header(dataset, frame)
        shaded = _shades(values, dataset, header, view.window)
        spacing, spacing_notes = dicom_header.spacing_mm(header)
        placed = dicom_header.orientation(header)
        source = dicom_header.source(dataset, header, frame)
    except ImageError:
        raise
    except _DAMAGE as error:
        raise damaged("DICOM", error) from error
    notes = (*shaded.notes, *spacing_notes)
    if frames > 1:
        notes = (f"Frame {frame} of {frames} is shown.", *notes)
    if header.get("BurnedInAnnotation") == "YES":
        notes = (*notes, "The file says that words are burnt into its pixels; they may name the patient.")
    return LoadedImage(
        image=Image.fromarray(shaded.pixels).convert("RGB"),
        kind="DICOM",
        notes=notes,
        spacing_mm=spacing,
        orientation=placed,
        view=ViewSelection(frame=frame if frames > 1 else None, window=shaded.window),
        options=ViewOptions(frames=max(1, frames), windows=shaded.windows),
        source=source,
    )


def _read(data: bytes) -> Dataset:
    """The dataset, with a transfer syntax even where the file does not name it."""
    dataset = pydicom.dcmread(io.BytesIO(data), force=data[PREAMBLE : PREAMBLE + 4] != b"DICM")
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return dataset


def _refuse_bomb(data: bytes) -> None:
    """A deflated file may unpack to a thousand times its size; pydicom sets no limit."""
    at = PREAMBLE + 4
    if (
        DeflatedExplicitVRLittleEndian.encode("ascii") not in data[at : at + 2048]
        or data[at : at + 6] != b"\2\0\0\0UL"
    ):
        return
    begin = at + 12 + struct.unpack("<I", data[at + 8 : at + 12])[0]
    unpack, packed, size = zlib.decompressobj(-zlib.MAX_WBITS), data[begin:], 0
    while packed and size <= MAX_BYTES:
        size += len(unpack.decompress(packed, 1 << 24))
        packed = unpack.unconsumed_tail
    if size > MAX_BYTES:
        raise ImageError(f"The DICOM file unpacks to more than {MAX_BYTES >> 30} GiB; give one image.")


def _decode(dataset: Dataset, frame: int) -> np.ndarray:
    """Stored values (rows, columns[, 3]) of one frame; colours come as RGB."""
    syntax = dataset.file_meta.TransferSyntaxUID
    dicom_jpeg.register()
    if syntax.is_private or not syntax.is_transfer_syntax:
        raise ImageError(
            f"The DICOM pixels are in the transfer syntax {syntax}, which is not known; export the image as PNG."
        )
    if syntax.is_compressed and not _decodable(syntax):
        raise ImageError(
            f"No decoder is installed for DICOM pixels in {_named(syntax)}; export the image uncompressed or as PNG."
        )
    try:
        return pixel_array(dataset, index=frame - 1)
    except _DAMAGE as error:
        raise damaged(f"DICOM pixel ({_named(syntax)})", error) from error


def _named(syntax: pydicom.uid.UID) -> str:
    return f"{syntax.name}, transfer syntax {syntax}"


def _decodable(syntax: pydicom.uid.UID) -> bool:
    try:
        return get_decoder(syntax).is_available
    except NotImplementedError:  # a syntax pydicom knows by name alone, such as video
        return False


def _shades(values: np.ndarray, dataset: Dataset, header: Dataset, asked: str | None) -> Windowed:
    photometric = dataset.PhotometricInterpretation
    if photometric == "PALETTE COLOR":
        values = apply_color_lut(values, dataset)
    if values.ndim == 3:
        if asked is not None:
            raise ImageError(
                f"The window {asked[:40]!r} was asked for, but the image is in colour, which has none."
            )
        if values.dtype == np.uint8:
            return Windowed(values)
        note = f"{8 * values.dtype.itemsize}-bit colours were scaled to 8 bits from their whole range."
        return Windowed(rescale_to_uint8(values, 0.0, float(values.max())), notes=(note,))
    shaded = _gray(apply_modality_lut(values, header), header, asked)
    if photometric == "MONOCHROME1":
        note = "The shades were inverted, as MONOCHROME1 asks."
        return Windowed(255 - shaded.pixels, shaded.window, shaded.windows, (*shaded.notes, note))
    return shaded


def _gray(values: np.ndarray, header: Dataset, asked: str | None) -> Windowed:
    """In the window that was asked for, else in the file's first one, else, for a CT, in the one of its region, else by percentiles."""
    named: dict[str, Window | int] = _file_windows(header)
    if header.get("Modality") == "CT" and header.get("RescaleType", "HU") in ("HU", ""):
        region = REGIONS.get(str(header.get("BodyPartExamined") or "").upper(), "CT soft tissue")
        default = next(iter(named), region)
        named |= CT_WINDOWS
    else:
        default = next(
            iter(named), AUTO if values.dtype != np.uint8 or header.get("BitsStored") != 8 else AS_STORED
        )
    names = (*named, AUTO, FULL) if values.dtype != np.uint8 else (*named, AS_STORED, AUTO, FULL)
    chosen = resolve_window(asked or default, names)
    if chosen == AS_STORED:
        return Windowed(values, AS_STORED, names)
    if chosen in (AUTO, FULL):
        seen = window_values(values, chosen)
        note = (
            seen.notes[0]
            if named
            else f"The file has no window; {seen.notes[0][0].lower()}{seen.notes[0][1:]}"
        )
        return Windowed(seen.pixels, seen.window, names, (note,))
    window, name = (chosen, asked) if isinstance(chosen, Window) else (named[chosen], chosen)
    if isinstance(window, Window):
        return Windowed(
            apply_window(values, window), name, names, (f"Shown in the window {name} ({window}).",)
        )
    top = 2.0 ** int(header.VOILUTSequence[window].LUTDescriptor[2]) - 1
    return Windowed(
        rescale_to_uint8(apply_voi(values, header, window), 0.0, top),
        name,
        names,
        (f"Shown through the table {name}.",),
    )


def _file_windows(header: Dataset) -> dict[str, Window | int]:
    """The windows the file brings, by name: numbers of VOI tables, then pairs of level and width. Those no curve can have are left out."""
    found: list[tuple[Window | int, object]] = [
        (i, item.get("LUTExplanation"))
        for i, item in enumerate(header.get("VOILUTSequence") or [])
        if item.get("LUTData")
    ]
    levels, widths, words = (
        _several(header, name) for name in ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation")
    )
    function = header.get("VOILUTFunction") or LINEAR
    for i, (level, width) in enumerate(zip(levels, widths, strict=False)):
        try:
            found.append((Window(float(level), float(width), function), words[i] if i < len(words) else None))
        except ValueError:  # a width of 0 stands in many files that have no window
            continue
    return {_name(i, word): window for i, (window, word) in enumerate(found[:MAX_FILE_WINDOWS], start=1)}


def _several(header: Dataset, name: str) -> list:
    value = header.get(name)
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def _name(number: int, word: object) -> str:
    shown = " ".join(str(word or "").split())[:32]
    return f"file {number}: {shown}" if shown.isprintable() and shown else f"file {number}"
