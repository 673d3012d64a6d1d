"""Which slices of a volume become images, and how they are shown.

Slices are cut across the axis with the coarsest spacing, which is the plane the volume was acquired in (axial
if the spacings are within a factor of 1.5, as on the page). Every structure is asked for in the slice where
its area is largest, the first of equals; structures that share a slice share an image. Slices show anterior
or superior up and the patient's right, or anterior, on the left; pixels stay as they are, and their spacing
is kept. CT is seen in the window for soft tissue unless told otherwise, anything else in the automatic
window of each slice, as `load_image` shows it.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from medreasoner.data.build.label_map import LabelMap
from medreasoner.data.build.source_files import Options, SourceError, read_labels
from medreasoner.data.build.volume_files import Volume
from medreasoner.data.taxonomy import modality_of
from medreasoner.imaging.auto_window import is_hounsfield, may_be_hounsfield
from medreasoner.imaging.window import CT_DEFAULT, CT_WINDOWS
from medreasoner.imaging.windowing import AUTO, WindowChoice, window_values

AXES = ("sagittal", "coronal", "axial")
ISOTROPIC = 1.5  # ratio of spacings below which a volume is cut axially
MAX_LABEL = 2**16 - 1  # of a PNG of 16 bits
STATED = ("split", "licence", "source", "dataset")  # facts of a volume that go into the rows of its slices


def write_slices(
    name: str, volume: Volume, labels: LabelMap, facts: dict, out: Path, options: Options
) -> list[dict]:
    """Write the chosen slices of one volume under `out/slices`; returns their manifest rows.

    Args:
        name: of the volume, with which the slices' names begin.
        facts: what is stated beside the volume: `case`, and where known `modality`, `labels`, `names`,
            STATED.

    Errors: SourceError.
    """
    modality = facts.get("modality") or options.modality or volume.modality
    classes = _class_names(labels, facts, options)
    axis, chosen = choose_slices(labels, volume.spacing, classes)
    windows = _windows(volume.values, modality)
    if labels.values.max() > MAX_LABEL:
        raise SourceError(f"its labels go up to {labels.values.max()}; at most {MAX_LABEL:,} can be kept")
    depth = np.min_scalar_type(labels.values.max())
    for folder in ("images", "masks"):
        (out / "slices" / folder).mkdir(parents=True, exist_ok=True)
    rows = []
    for number, structures in chosen.items():
        stem = f"{name}_{AXES[axis]}_{number:04d}"
        image, mask = f"slices/images/{stem}.png", f"slices/masks/{stem}.png"
        shown = window_values(_upright(volume.values, axis, number), options.window or None, windows)
        Image.fromarray(shown.pixels).save(out / image)
        Image.fromarray(_upright(labels.values, axis, number).astype(depth)).save(out / mask)
        rows.append(
            {
                "id": stem,
                "image": image,
                "mask": mask,
                "modality": modality,
                "targets": [
                    {"index": value, "name": classes[structure]}
                    for structure in structures
                    for value in labels.values_of(structure)
                ],
                "case": facts["case"],
                "spacing_mm": [round(s, 4) for i, s in enumerate(volume.spacing) if i != axis],
                **{key: facts[key] for key in STATED if facts.get(key)},
            }
        )
    return rows


def _class_names(labels: LabelMap, facts: dict, options: Options) -> dict[int, str]:
    by_row = read_labels(facts["labels"]) if facts.get("labels") else options.labels
    names = by_row or labels.names or {int(value): text for value, text in facts.get("names", {}).items()}
    if not names:
        raise SourceError(
            'its labels have no names; give --labels "1=spleen; 2=liver", metadata.csv or dataset.json'
        )
    return names


def choose_slices(
    labels: LabelMap, spacing: tuple[float, float, float], structures: dict[int, str]
) -> tuple[int, dict[int, list[int]]]:
    """The axis that is cut, and slice number -> the structures asked for in it.

    `labels.values` is (X, Y, Z), `spacing` in mm.
    """
    axis = int(np.argmax(spacing)) if max(spacing) >= ISOTROPIC * min(spacing) else 2
    others = tuple(i for i in range(3) if i != axis)
    chosen: dict[int, list[int]] = {}
    for structure in sorted(structures):
        areas = np.isin(labels.values, labels.values_of(structure)).sum(axis=others)
        if areas.any():
            chosen.setdefault(int(np.argmax(areas)), []).append(structure)
    return axis, dict(sorted(chosen.items()))


def _upright(values: np.ndarray, axis: int, number: int) -> np.ndarray:
    """One slice: rows from anterior or superior; columns from the patient's right, sagittal from anterior."""
    return np.take(values, number, axis)[::-1, ::-1].T


def _windows(values: np.ndarray, modality: str) -> WindowChoice:
    """The windows for a volume's slices: CT presets for Hounsfield units, else the automatic one of each
    slice.
    """
    stated_ct = modality_of(modality) == "CT"
    is_ct = may_be_hounsfield(values) if stated_ct else not modality and is_hounsfield(values)
    return WindowChoice(CT_WINDOWS, CT_DEFAULT if is_ct else AUTO)
