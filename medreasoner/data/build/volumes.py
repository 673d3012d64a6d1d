"""Volumes with label maps as a source: which slices become images, and how they are shown.

Is: pairs of a volume and its label map, and the rule by which slices are chosen. Volumes are NIfTI files or folders of DICOM files
(`series.py`); label maps are NIfTI files or DICOM segmentations of the same name and on the same grid. `labelsTr` of nnU-Net and the
Medical Segmentation Decathlon, with their dataset.json, is such a folder; of several channels the first is read.
Is not: a resampler. A label map on another grid is refused.

The rule: slices are cut across the axis with the coarsest spacing, which is the plane the volume was acquired in (axial if the spacings
are within a factor of 1.5, as on the page). Every label is asked for in the slice where its area is largest, the first of equals; labels
that share a slice share an image. Slices show anterior or superior up and the patient's right, or anterior, on the left; pixels stay as
they are, and their spacing is kept. CT is seen in the window for soft tissue unless told otherwise, anything else from its volume's 0.5
to 99.5 percentile.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from medreasoner.data.build.layouts import Options, SourceError, pair_of_folders, read_labels, read_table
from medreasoner.data.taxonomy import modality_of
from medreasoner.imaging.windowing import CT_WINDOWS, HOUNSFIELD_AIR, Window, apply_window, resolve_window

AXES = ("sagittal", "coronal", "axial")
ISOTROPIC = 1.5  # ratio of spacings below which a volume is cut axially


@dataclass(frozen=True)
class Volume:
    """`values` (X, Y, Z) run to the patient's right, anterior, superior, with `spacing` in mm; `told` is what the file itself says:
    `modality`, `case` and, of a segmentation, `labels`."""

    values: np.ndarray
    affine: np.ndarray
    spacing: tuple[float, float, float]
    told: dict


def volumes_in(source: Path) -> dict[str, tuple[Path, Path]]:
    """Name -> (volume, label map) of a source; empty if it holds no volumes. Errors: SourceError, also for a volume without label map."""
    images, masks = pair_of_folders(source)
    volumes = {_name(path): path for path in sorted(images.iterdir()) if _is_volume(path)}
    labels = {_name(path): path for path in sorted(masks.iterdir()) if _is_volume(path) or path.suffix == ".dcm"}
    channels = [name for name in volumes if name not in labels and name.rpartition("_")[2].isdecimal()]
    for name in channels:  # nnU-Net: NAME_0000 is the first channel of NAME
        path, (stem, _, number) = volumes.pop(name), name.rpartition("_")
        if int(number) == 0:
            volumes[stem] = path
    for name in volumes:
        if name not in labels:
            raise SourceError(f"{volumes[name]}: expected a label map {name}.nii.gz or {name}.dcm in {masks}")
    return {name: (path, labels[name]) for name, path in volumes.items()}


def _name(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii").removesuffix(".dcm")


def _is_volume(path: Path) -> bool:
    return path.name.endswith((".nii", ".nii.gz")) or (path.is_dir() and any(child.is_file() for child in path.iterdir()))


def slice_rows(volumes: dict[str, tuple[Path, Path]], source: Path, out: Path, options: Options) -> Iterator[dict]:
    """Write the chosen slices of every volume under `out/slices`; yields their manifest rows. A volume that is done is not read again.

    Errors: SourceError, which names the volume.
    """
    told = {row["image"]: row for row in read_table(source)}
    common = _dataset_json(source)
    for name, (path, labels) in volumes.items():
        note = out / f"slices/{name}.json"
        state = {"options": repr(options), "bytes": [_size(path), _size(labels)], "told": told.get(path.name, {}), "common": common}
        held = json.loads(note.read_text()) if note.is_file() else {}
        if held.get("state") != json.loads(json.dumps(state)):
            rows = _cut(name, path, labels, common | told.get(path.name, {}), out, options)
            held = {"state": state, "rows": rows}
            note.with_suffix(".part").write_text(json.dumps(held) + "\n")
            note.with_suffix(".part").replace(note)
        yield from held["rows"]


def _size(path: Path) -> int:
    return sum(child.stat().st_size for child in path.iterdir()) if path.is_dir() else path.stat().st_size


def _dataset_json(source: Path) -> dict:
    """Class names, modality and licence as nnU-Net and the Decathlon write them."""
    path = source / "dataset.json"
    if not path.is_file():
        return {}
    told = json.loads(path.read_text())
    pairs = [(k, v) if str(k).isdecimal() else (v, k) for k, v in told.get("labels", {}).items() if not isinstance(v, list)]
    names = {int(value): name for value, name in pairs if int(value) > 0}
    channels = told.get("channel_names") or told.get("modality") or {}
    found = {"names": names, "modality": channels.get("0", ""), "licence": told.get("licence") or told.get("license")}
    return {key: value for key, value in found.items() if value}


def _cut(name: str, path: Path, labels: Path, told: dict, out: Path, options: Options) -> list[dict]:
    """Write the chosen slices of one volume; returns their manifest rows."""
    volume, marks, marked = read_pair(path, labels)
    modality = told.get("modality") or options.modality or volume.told.get("modality", "")
    by_row = read_labels(told["labels"]) if told.get("labels") else options.labels
    classes = by_row or marked or {int(value): text for value, text in told.get("names", {}).items()}
    if not classes:
        raise SourceError(f'{labels}: its labels have no names; give --labels "1=spleen; 2=liver", metadata.csv or dataset.json')
    axis, chosen = choose(marks, volume.spacing, classes)
    window = _window(volume.values, modality, options)
    rows = []
    for folder in ("images", "masks"):
        (out / "slices" / folder).mkdir(parents=True, exist_ok=True)
    for number, values in chosen.items():
        stem = f"{name}_{AXES[axis]}_{number:04d}"
        Image.fromarray(apply_window(_upright(volume.values, axis, number), window)).save(out / f"slices/images/{stem}.png")
        mask = _upright(marks, axis, number)
        Image.fromarray(mask.astype(np.uint8 if marks.max() < 256 else np.uint16)).save(out / f"slices/masks/{stem}.png")
        rows.append(
            {
                "id": stem,
                "image": f"slices/images/{stem}.png",
                "mask": f"slices/masks/{stem}.png",
                "modality": modality,
                "targets": [{"index": value, "name": classes[value]} for value in values],
                "case": told.get("case") or volume.told.get("case") or name,
                "spacing_mm": [round(s, 4) for i, s in enumerate(volume.spacing) if i != axis],
                **{key: told[key] for key in ("split", "licence", "source", "dataset") if told.get(key)},
            }
        )
    return rows


def choose(marks: np.ndarray, spacing: tuple[float, float, float], classes: dict[int, str]) -> tuple[int, dict[int, list[int]]]:
    """The axis that is cut, and slice number -> the label values asked for in it. `marks` (X, Y, Z) label values."""
    axis = int(np.argmax(spacing)) if max(spacing) >= ISOTROPIC * min(spacing) else 2
    others = tuple(i for i in range(3) if i != axis)
    chosen: dict[int, list[int]] = {}
    for value in sorted(classes):
        areas = (marks == value).sum(axis=others)
        if areas.any():
            chosen.setdefault(int(np.argmax(areas)), []).append(value)
    return axis, dict(sorted(chosen.items()))


def _upright(values: np.ndarray, axis: int, number: int) -> np.ndarray:
    """One slice (rows, columns): rows from anterior or superior; columns from the patient's right, sagittal ones from anterior."""
    return np.take(values, number, axis)[::-1, ::-1].T


def _window(values: np.ndarray, modality: str, options: Options) -> Window:
    if options.window:
        chosen = resolve_window(options.window, CT_WINDOWS)
        return chosen if isinstance(chosen, Window) else CT_WINDOWS[chosen]
    if modality_of(modality) == "CT" and np.nanmin(values) <= HOUNSFIELD_AIR:
        return CT_WINDOWS["CT soft tissue"]
    finite = values[np.isfinite(values)]
    low, high = (float(v) for v in np.percentile(finite, (0.5, 99.5))) if finite.size else (0.0, 1.0)
    return Window((low + high) / 2, max(high - low, 1e-6))


def read_pair(path: Path, labels: Path) -> tuple[Volume, np.ndarray, dict[int, str]]:
    """A volume, its label values (X, Y, Z) on the same grid, and their names where the label map holds them. Errors: SourceError."""
    from medreasoner.data.build.series import read_segmentation, read_series

    if path.is_dir():
        series = read_series(path)
        volume = _canonical(series.values, series.affine, {"modality": series.modality, "case": series.case})
        if labels.suffix == ".dcm":
            marks, names = read_segmentation(labels, series)
            return volume, _canonical(marks, series.affine, {}).values, names
    else:
        volume = _nifti(path)
    marked = _nifti(labels)
    if marked.values.shape != volume.values.shape or not np.allclose(marked.affine, volume.affine, atol=0.05 * min(volume.spacing)):
        raise SourceError(
            f"{labels}: expected the grid of {path.name}, {volume.values.shape} voxels; "
            f"got {marked.values.shape} at another place or spacing. Resample it or take the volume out"
        )
    if (marked.values != np.rint(marked.values)).any() or marked.values.min() < 0:
        raise SourceError(f"{labels}: expected whole label values from 0, got numbers between them or below")
    return volume, marked.values.astype(np.int32), {}


def _canonical(values: np.ndarray, affine: np.ndarray, told: dict) -> Volume:
    import nibabel

    image = nibabel.as_closest_canonical(nibabel.Nifti1Image(values, affine))
    spacing = tuple(float(v) for v in nibabel.affines.voxel_sizes(image.affine))
    return Volume(np.asarray(image.dataobj), image.affine, spacing, told)


def _nifti(path: Path) -> Volume:
    import nibabel
    from nibabel.filebasedimages import ImageFileError

    try:
        image = nibabel.load(path)
        values = np.asarray(image.dataobj, np.float32)
    except (ImageFileError, OSError, EOFError, ValueError) as error:
        raise SourceError(f"{path}: expected a NIfTI volume ({error})") from error
    values = values.reshape(*values.shape[:3], -1)[..., 0] if values.ndim > 3 else values
    if values.ndim != 3 or min(values.shape) < 1:
        raise SourceError(f"{path}: expected a volume of three dimensions, got shape {values.shape}")
    return _canonical(values, image.affine, {})
