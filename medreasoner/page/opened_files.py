"""The file or files that a visitor has opened: one image, one volume, or the slices of a DICOM series as a
stack."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from medreasoner.imaging import ImageError, LoadedImage, ViewSelection, load_image
from medreasoner.imaging.dicom_geometry import DicomSource
from medreasoner.imaging.opener import ImageOpener, Opened
from medreasoner.imaging.types import has_choices


@dataclass(frozen=True)
class OpenedFiles:
    """What is kept of the opened files for their other views.

    Args:
        slices: what `Opened.rest` was, for each slice of a stack sorted by place along the normal of the
            planes, or for one file; the image itself where it has no other view. Empty where there is nothing
            to choose.
        taken: a sentence on which of several files are shown, "" for a single one.
        name: of the file, without its ending.
        sources: where each slice of a stack lies; empty for one file.
    """

    slices: tuple[bytes | LoadedImage, ...] = ()
    taken: str = ""
    name: str = ""
    sources: tuple[DicomSource, ...] = field(default=(), repr=False, compare=False)

    @staticmethod
    def read(paths: Sequence[Path], opener: ImageOpener) -> "tuple[OpenedFiles, LoadedImage]":
        """The files at `paths`, and the view of them that is shown first. Several DICOM slices of one series
        become a stack; of other files the first is taken, and `taken` says so. Errors: ImageError."""
        name = paths[0].name.split(".")[0]
        if len(paths) == 1:
            loaded, rest = opener.open(paths[0])
            return OpenedFiles((rest,) if rest else (), name=name), loaded
        stack = _series([opened for path in paths if (opened := _opened(path, opener)) is not None])
        if len(stack) < 2:
            loaded, rest = opener.open(paths[0])
            taken = f"{paths[0].name} is shown, the first of {len(paths)} files."
            files = OpenedFiles((rest,) if rest else (), taken, name)
            return files, files.told(loaded)
        left = len(paths) - len(stack)
        others = f"; {left} of the files belong to no such stack and were left out" if left else ""
        slices = tuple(opened.rest or opened.loaded for opened in stack)
        taken = f"{len(stack)} slices of one series are a stack{others}."
        files = OpenedFiles(slices, taken, name, tuple(opened.loaded.source for opened in stack))
        return files, files.load(ViewSelection(), opener)

    @staticmethod
    def read_own(path: Path) -> "tuple[OpenedFiles, LoadedImage]":
        """A file of this server's own, such as an example, which needs no opener's limits. Errors:
        ImageError."""
        loaded = load_image(path)
        data = (path.read_bytes(),) if has_choices(loaded.options) else ()
        return OpenedFiles(data, name=path.name.split(".")[0]), loaded

    def load(self, view: ViewSelection, opener: ImageOpener) -> LoadedImage:
        """The image in this view; of a stack the middle slice, unless `view` names one.

        Errors: ImageError.
        """
        count = len(self.slices)
        if count == 1:
            return self.told(opener.open(self.slices[0], view).loaded)
        number = (count + 1) // 2 if view.slice is None else view.slice
        if not 1 <= number <= count:
            raise ImageError(f"Slice {number} was asked for, but the stack has {count}.")
        kept = self.slices[number - 1]
        within = ViewSelection(frame=view.frame, window=view.window)
        loaded = opener.open(kept, within).loaded if isinstance(kept, bytes) else kept
        return self.told(
            replace(
                loaded,
                notes=(f"Slice {number} of {count} is shown.", *loaded.notes),
                view=replace(loaded.view, slice=number),
                options=replace(loaded.options, slices=count),
            )
        )

    def told(self, loaded: LoadedImage) -> LoadedImage:
        """With `taken` as its first note."""
        return replace(loaded, notes=(self.taken, *loaded.notes)) if self.taken else loaded

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the files take."""
        sizes = (
            len(kept) if isinstance(kept, bytes) else 4 * kept.image.width * kept.image.height
            for kept in self.slices
        )
        return sum(sizes)


def _opened(path: Path, opener: ImageOpener) -> Opened | None:
    """One of several files; None for one that is no image."""
    try:
        return opener.open(path)
    except ImageError:
        return None


def _series(opened: Sequence[Opened]) -> list[Opened]:
    """The slices of the series with most of them, sorted by place."""
    placed: dict[tuple, list[tuple[float, int]]] = {}
    for number, each in enumerate(opened):
        place = _place_in_series(each.loaded)
        if place is not None:
            series, position = place
            placed.setdefault(series, []).append((position, number))
    largest = max(placed.values(), key=len, default=[])
    return [opened[number] for _, number in sorted(largest)]


def _place_in_series(loaded: LoadedImage) -> tuple[tuple, float] | None:
    """(what names the series, mm along the normal of its planes) of a DICOM slice; None for anything else."""
    header = loaded.source.header if loaded.kind == "DICOM" and loaded.source is not None else {}
    position, directions = header.get("ImagePositionPatient"), header.get("ImageOrientationPatient")
    if position is None or directions is None or loaded.options.frames > 1:
        return None
    rows, columns = np.asarray(directions[:3], float), np.asarray(directions[3:], float)
    normal = np.cross(rows, columns)
    series = (str(header.get("SeriesInstanceUID")), tuple(np.round(normal, 3)), loaded.image.size)
    return series, float(np.dot(np.asarray(position, float), normal))
