"""Reads a set of volumes with true masks: a row of `volumes.jsonl` names a volume, its label map and the
targets in it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from medreasoner.data.load import DataError
from medreasoner.imaging import ImageError, ViewSelection, Volume, load_volume
from medreasoner.imaging.read import GZIP, read_bytes, unzipped

LISTED = "volumes.jsonl"


@dataclass(frozen=True)
class VolumeTarget:
    """One target of one volume. `mask` is (D, H, W) bool, as the volume's slices are shown; `question` asks
    for it without naming it, None where there is none.
    """

    volume_id: str
    name: str
    volume: Volume
    mask: np.ndarray
    question: str | None = None

    @property
    def middle(self) -> int:
        """The middle one of the slices that hold the target, counted from 1."""
        slices = np.flatnonzero(self.mask.any(axis=(1, 2))) + 1
        return int(slices[len(slices) // 2])


def volume_rows(folder: Path, only: str = "") -> list[dict]:
    """The rows of `folder/volumes.jsonl` whose id begins with `only`, one a volume.

    A row has `id`, `image`, `label` and `targets`, each with `index` (its value in the label map), `name` and
    perhaps `question`; of a single target these three may stand in the row itself.

    Errors: DataError for a folder without that file, and for a row that lacks one of these.
    """
    path = folder / LISTED
    if not path.is_file():
        raise DataError(f"{folder} holds no {LISTED}, which lists volumes, label maps and targets")
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [_row(text, f"{path}, line {number}") for number, text in enumerate(lines, 1) if text.strip()]
    return [row for row in rows if row["id"].startswith(only)]


def _row(text: str, where: str) -> dict:
    """One row, whose targets stand in `targets`. Errors: DataError."""
    try:
        row = json.loads(text)
    except ValueError as error:
        raise DataError(f"{where} is not JSON ({error})") from error
    if not isinstance(row, dict):
        raise DataError(f"{where} is no JSON object")
    if "targets" not in row:
        row["targets"] = [{name: row[name] for name in ("index", "name", "question") if name in row}]
    lacking = {"id", "image", "label"} - set(row)
    for target in row["targets"]:
        lacking |= {"index", "name"} - set(target)
    if lacking:
        raise DataError(f"{where} has no {', '.join(sorted(lacking))}")
    return row


def targets_in(folder: Path, row: dict) -> Iterator[VolumeTarget]:
    """The targets of one of `volume_rows`.

    Errors: ImageError for a volume that cannot be read, or a label map on another grid.
    """
    volume = load_volume(folder / row["image"])
    labels = read_labels(folder / row["label"], volume)
    for target in row["targets"]:
        mask = labels == target["index"]
        if mask.any():
            yield VolumeTarget(row["id"], target["name"], volume, mask, target.get("question"))


def read_labels(path: Path, volume: Volume) -> np.ndarray:
    """A NIfTI label map (D, H, W) as the slices of `volume` are shown. Errors: ImageError."""
    from medreasoner.imaging.nifti import open_nifti

    data = read_bytes(path)
    opened = open_nifti(unzipped(data) if data[:2] == GZIP else data, ViewSelection(axis=volume.axis))
    plane = opened.plane
    labels = np.stack([replace(plane, at=at).extract(opened.voxels) for at in range(opened.slices)])
    if labels.shape != volume.shape:
        raise ImageError(
            f"The label map {path.name} has the shape {labels.shape}, its volume {volume.shape}."
        )
    return labels
