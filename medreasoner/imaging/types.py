"""What every reader of images returns, the limits it keeps, and the error it raises."""

import textwrap
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

MIN_SIDE = 16  # pixels; below this there is nothing to ground
MAX_SIDE = 20_000
MAX_PIXELS = 100_000_000
MAX_FRAMES = 10_000  # pages, frames or moments of a file that can be chosen from
SQUARE = 1.05  # ratio of the sides of a pixel up to which it counts as a square
MAX_BYTES = 768 << 20  # of a file, and of what a compressed one may unpack to


class ImageError(ValueError):
    """The source cannot be read as an image. The message is one sentence: what was expected and what came."""


@dataclass(frozen=True)
class ViewSelection:
    """Which plane of a file is shown, and in which window. None leaves the choice to the reader.

    Args:
        slice: of a volume, counted from 1 along the stored axis nearest to the body axis that `axis` crosses.
        axis: the orientation of the slices: "axial", "coronal" or "sagittal".
        frame: of several pages, frames or time points, counted from 1.
        window: one of `ViewOptions.windows`, or "LEVEL/WIDTH" in the file's own values ("40/400").
    """

    slice: int | None = None
    axis: str | None = None
    frame: int | None = None
    window: str | None = None


@dataclass(frozen=True)
class ViewOptions:
    """What a `ViewSelection` of one file may ask for.

    Args:
        slices: along the axis that is shown; 1 where the file is no volume.
        axes: those whose slices are large enough; empty where the file is no volume.
        frames: 1 where there is no choice.
        windows: names, the file's own first; empty where the image needs none.
    """

    slices: int = 1
    axes: tuple[str, ...] = ()
    frames: int = 1
    windows: tuple[str, ...] = ()


def has_choices(options: ViewOptions) -> bool:
    """Whether a file can be shown in another way."""
    return options.slices > 1 or options.frames > 1 or bool(options.axes or options.windows)


@dataclass(frozen=True)
class LoadedImage:
    """One image as it is displayed.

    Args:
        image: RGB, 8 bits a channel, upright.
        kind: what it came as ("PNG", "DICOM", "NIfTI", "array", …).
        notes: one sentence for each thing that was done to the pixels or could not be read.
        spacing_mm: size (x, y) of a pixel in the patient, in mm; None when the source does not say.
        orientation: letters of the body at the (left, right, top, bottom) edge: R L A P H F (right, left,
            anterior, posterior, head, foot), two or three where the plane is oblique, the nearest first;
            None when the source does not say.
        view: what is shown; `load_image(source, **asdict(view))` shows it again.
        options: what else could be shown.
        source: what a mask in the source's own format needs: a `DicomSource`, a `NiftiSource` or None.
            It holds geometry and, for DICOM, UIDs; no pixels, and no name, number or date of a patient.
        modality: what kind of image the header says it is, by the taxonomy's name ("CT"); None where it does
            not say.
        values: (H, W) grey values that `image` was made from, in `unit`; None for colours and for images of 8
            bits.
        unit: "HU" or "".
        limits: the values that are shown black and white, where a straight line leads from one to the other.
    """

    image: Image.Image
    kind: str
    notes: tuple[str, ...] = ()
    spacing_mm: tuple[float, float] | None = None
    orientation: tuple[str, str, str, str] | None = None
    view: ViewSelection = ViewSelection()
    options: ViewOptions = ViewOptions()
    source: object = field(default=None, repr=False, compare=False)
    modality: str | None = None
    values: np.ndarray | None = field(default=None, repr=False, compare=False)
    unit: str = ""
    limits: tuple[float, float] | None = None


def check_size(width: int, height: int) -> None:
    """Raise ImageError for an image too large to take in, or too small to hold anything."""
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise ImageError(
            f"The image is {width} x {height} pixels; at most {MAX_SIDE:,} on a side and "
            f"{MAX_PIXELS // 10**6} megapixels can be read."
        )
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"The image is {width} x {height} pixels; at least {MIN_SIDE} on a side are needed.")


def select_number(what: str, requested: int | None, count: int, default: int = 1) -> int:
    """`requested`, or `default` if that is None; ImageError if the file has no such `what` ("frame", …)."""
    if requested is None:
        return default
    if not 1 <= requested <= count:
        held = f"has {count} of them, counted from 1" if count > 1 else "holds a single image"
        raise ImageError(f"{what.capitalize()} {requested} was asked for, but the file {held}.")
    return requested


def refuse_slice_selection(view: ViewSelection) -> None:
    """Raise ImageError if `view` asks for a slice of something that is no volume."""
    if view.slice is not None or view.axis is not None:
        raise ImageError(
            "A slice or an axis was asked for, but only a NIfTI volume can be cut; leave them out."
        )


def shape_notes(width: float, height: float) -> tuple[str, ...]:
    """A note for pixels that are wider than high or higher than wide; they are shown as squares all the same."""  # noqa: E501
    if max(width, height) < SQUARE * min(width, height):
        return ()
    return (f"The pixels are not square ({width:.3g} : {height:.3g}); the image is shown pixel for pixel.",)


def damaged(kind: str, error: Exception) -> ImageError:
    """The error for data that a decoder gave up on."""
    detail = textwrap.shorten(str(error), 160).rstrip(".") or type(error).__name__
    return ImageError(
        f"The {kind} data is damaged, cut short or of a kind that cannot be decoded ({detail})."
    )
