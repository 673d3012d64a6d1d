"""The stack that a visitor has opened, as a volume that can be asked as a whole."""

from dataclasses import replace

import numpy as np

from medreasoner.imaging import ImageError, LoadedImage, ViewSelection, Volume
from medreasoner.imaging.dicom_geometry import PLANES
from medreasoner.imaging.dicom_stack import stack_order
from medreasoner.imaging.opener import ImageOpener
from medreasoner.page.opened_files import OpenedFiles


def open_volume(files: OpenedFiles | None, shown: LoadedImage, opener: ImageOpener) -> Volume:
    """All slices along the axis that is shown, in the window that is shown.

    Nothing is decoded here: every slice is opened by `opener`, within its limits.

    Args:
        shown: one slice of `files`.

    Errors: ImageError for what is no stack, and for a stack that is uneven, shifted or doubled.
    """
    if files is None or shown.options.slices < 2:
        raise ImageError("This image has no further slices; press Ask.")
    view = shown.view
    if len(files.slices) == 1:
        return _nifti(files, shown, opener)
    count, (width, height) = len(files.slices), shown.image.size
    step = _step(files)
    return Volume(
        shape=(count, height, width),
        axis=PLANES.get(frozenset(letters[:1] for letters in shown.orientation or ())),
        kind="DICOM",
        spacing_mm=(step, *shown.spacing_mm[::-1]) if shown.spacing_mm and step else None,
        notes=(files.taken,) if files.taken else (),
        source=files.sources,
        show=lambda number: files.load(ViewSelection(slice=number, window=view.window), opener),
    )


def _nifti(files: OpenedFiles, shown: LoadedImage, opener: ImageOpener) -> Volume:
    """A NIfTI volume; what is known of the slice that is shown holds of all."""
    view, (width, height) = shown.view, shown.image.size
    of_the_slice = f"{view.axis.capitalize()} slice {view.slice} of {shown.options.slices} is shown."
    sizes = shown.spacing_mm
    return Volume(
        shape=(shown.options.slices, height, width),
        axis=view.axis,
        kind="NIfTI",
        spacing_mm=(shown.source.across_mm, *sizes[::-1]) if sizes else None,
        notes=tuple(note for note in shown.notes if note != of_the_slice),
        source=shown.source,
        show=lambda number: files.told(opener.open_slice(files.slices[0], replace(view, slice=number))),
    )


def _step(files: OpenedFiles) -> float:
    """mm from slice to slice. Errors: ImageError."""
    places, orientations = (
        np.array([[float(value) for value in source.header[name].value] for source in files.sources])
        for name in ("ImagePositionPatient", "ImageOrientationPatient")
    )
    return stack_order(places, orientations)[1]
