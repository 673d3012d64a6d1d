"""What an image is once it has been read, and the sentences for what cannot be one.

Is: the values that the readers (`images.py`, `dicom.py`, `nifti.py`) hand back, their common limits of size, and `ImageError`.
Is not: any reader.
"""

import struct
import textwrap
import zlib
from dataclasses import dataclass, field

from PIL import Image

MIN_SIDE = 16  # pixels; below this there is nothing to ground
MAX_SIDE = 20_000
MAX_PIXELS = 100_000_000
MAX_BYTES = 1 << 30  # of a file, and of what a compressed one may unpack to

# What decoders (PIL, pydicom and its codecs, nibabel) raise on damaged data, as tests/imaging/test_read.py finds out; each has more of its own.
DAMAGE = (
    *(
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        RuntimeError,
        TypeError,
        AttributeError,
        LookupError,
        ArithmeticError,
        MemoryError,
    ),
    *(struct.error, zlib.error, Image.DecompressionBombError),
)


class ImageError(ValueError):
    """What was given cannot be read as an image; the message is one sentence that says what came and what was expected."""


@dataclass(frozen=True)
class ViewSelection:
    """Which plane of a file is shown, and in which shades; None leaves the choice to the reader, or says that the file has none.

    Args:
        slice: of a volume, counted from 1 along the stored axis that runs nearest to the body axis `axis` stands for.
        axis: across which a volume is cut: "axial", "coronal" or "sagittal".
        frame: of several pages, frames or moments, counted from 1.
        window: one of `ViewOptions.windows`, or "LEVEL/WIDTH" in the file's own values ("40/400").
    """

    slice: int | None = None
    axis: str | None = None
    frame: int | None = None
    window: str | None = None


@dataclass(frozen=True)
class ViewOptions:
    """What a `ViewSelection` of one file may ask for: how many `slices` along its axis and how many `frames` (1 where there is no choice), which
    `axes` and `windows` (empty where there is none)."""

    slices: int = 1
    axes: tuple[str, ...] = ()
    frames: int = 1
    windows: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadedImage:
    """One image as it is looked at.

    Args:
        image: RGB, 8 bits a channel, upright.
        kind: what it came as ("PNG", "DICOM", "NIfTI", "array", …).
        notes: one sentence for each thing that was done to the pixels or that the reader should know.
        spacing_mm: size (x, y) of a pixel in the patient, in mm; None when the source does not say.
        orientation: letters of the body at the (left, right, top, bottom) edge: R L A P H F (right, left, anterior, posterior, head,
            foot), two or three where the cut is oblique, the nearest first; None when the source does not say.
        view: what is shown; `load_image(source, **asdict(view))` shows it again.
        options: what else could be.
        source: what a mask in the source's own format needs: `dicom.Source`, `nifti.Source` or None. It holds geometry and, for DICOM,
            the identifiers of the image (UIDs); no pixels, and no name, number or date of a patient.
    """

    image: Image.Image
    kind: str
    notes: tuple[str, ...] = ()
    spacing_mm: tuple[float, float] | None = None
    orientation: tuple[str, str, str, str] | None = None
    view: ViewSelection = ViewSelection()
    options: ViewOptions = ViewOptions()
    source: object = field(default=None, repr=False, compare=False)


def check_size(width: int, height: int) -> None:
    """Errors: ImageError for an image that is too large to take in or too small to hold anything."""
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise ImageError(
            f"The image is {width} x {height} pixels; at most {MAX_SIDE:,} on a side and {MAX_PIXELS // 10**6} megapixels can be read."
        )
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"The image is {width} x {height} pixels; at least {MIN_SIDE} on a side are needed.")


def select_number(what: str, asked: int | None, count: int, default: int = 1) -> int:
    """`asked`, or `default` where nothing was. Errors: ImageError if the file has no such `what` ("frame", "axial slice")."""
    if asked is None:
        return default
    if not 1 <= asked <= count:
        there = f"has {count} of them, counted from 1" if count > 1 else "holds a single image"
        raise ImageError(f"{what.capitalize()} {asked} was asked for, but the file {there}.")
    return asked


def refuse_slice_selection(view: ViewSelection) -> None:
    """Errors: ImageError if `view` asks to cut what is no volume."""
    if view.slice is not None or view.axis is not None:
        raise ImageError(
            "A slice or an axis was asked for, but only a NIfTI volume can be cut; leave them out."
        )


def damaged(kind: str, error: Exception) -> ImageError:
    """The sentence for data that a decoder gave up on."""
    detail = textwrap.shorten(str(error), 160).rstrip(".") or type(error).__name__
    return ImageError(
        f"The {kind} data is damaged, cut short or of a kind that cannot be decoded ({detail})."
    )
