"""Volumes with label maps as a source: which files belong together, and their slices' manifest rows.

Volumes are NIfTI files or folders of DICOM files; label maps are NIfTI files or DICOM segmentations of the
same name and on the same grid. `labelsTr` of nnU-Net and the Medical Segmentation Decathlon, with their
dataset.json, is such a folder; of several channels the first is read.

A volume or label map that cannot be used is refused with its reason; the others go on.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from medreasoner.data.build.dicom_series import patient_of
from medreasoner.data.build.slices import write_slices
from medreasoner.data.build.source_files import (
    Options,
    SourceError,
    image_and_mask_folders,
    read_metadata,
)
from medreasoner.data.build.volume_files import read_volume_and_labels


def volumes_in(source: Path) -> dict[str, tuple[Path, Path]]:
    """Name -> (volume, label map); empty if `source` holds no volumes.

    Errors: SourceError, also for a volume without a label map.
    """
    images, masks = image_and_mask_folders(source)
    volumes = {_name(path): path for path in sorted(images.iterdir()) if _is_volume(path)}
    labels = {
        _name(path): path for path in sorted(masks.iterdir()) if _is_volume(path) or path.suffix == ".dcm"
    }
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
    if path.is_dir():
        return any(child.is_file() for child in path.iterdir())
    return path.name.endswith((".nii", ".nii.gz"))


def slice_rows(
    volumes: dict[str, tuple[Path, Path]], source: Path, out: Path, options: Options
) -> Iterator[dict]:
    """Write the chosen slices of every volume under `out/slices`; yields their manifest rows.

    A volume whose slices are written already is not read again. One that cannot be used is a row {"id",
    "refused"}.
    """
    metadata = {row["image"]: row for row in read_metadata(source)}
    common = _read_dataset_json(source)
    for (name, (path, labels)), case in zip(volumes.items(), _cases(volumes), strict=True):
        facts = common | metadata.get(path.name, {})
        facts["case"] = facts.get("case") or case
        note = out / f"slices/{name}.json"
        state = {"options": repr(options), "bytes": [_size(path), _size(labels)], "facts": facts}
        state = json.loads(json.dumps(state))
        cached = json.loads(note.read_text()) if note.is_file() else {}
        if cached.get("state") != state:
            try:
                rows = write_slices(name, *read_volume_and_labels(path, labels), facts, out, options)
            except SourceError as error:
                yield {"id": name, "refused": str(error)}
                continue
            cached = {"state": state, "rows": rows}
            note.with_suffix(".part").write_text(json.dumps(cached) + "\n")
            note.with_suffix(".part").replace(note)
        yield from cached["rows"]


def _cases(volumes: dict[str, tuple[Path, Path]]) -> list[str]:
    """A case for every volume that is stated none: DICOM patients are counted, in the volumes' order.

    A hash of the patient's number would be no secret: there are few enough numbers to try them all.
    """
    numbers: dict[str, int] = {}
    found = []
    for name, (path, _) in volumes.items():
        if path.is_dir():
            number = numbers.setdefault(patient_of(path), len(numbers) + 1)
            found.append(f"patient-{number:04d}")
        else:
            found.append(name)
    return found


def _size(path: Path) -> int:
    return sum(child.stat().st_size for child in path.iterdir()) if path.is_dir() else path.stat().st_size


def _read_dataset_json(source: Path) -> dict:
    """Class names, modality and licence as nnU-Net and the Decathlon write them."""
    path = source / "dataset.json"
    if not path.is_file():
        return {}
    content = json.loads(path.read_text())
    labels = content.get("labels", {})
    pairs = [(k, v) if str(k).isdecimal() else (v, k) for k, v in labels.items() if not isinstance(v, list)]
    channels = content.get("channel_names") or content.get("modality") or {}
    facts = {
        "names": {int(value): name for value, name in pairs if int(value) > 0},
        "modality": channels.get("0", ""),
        "licence": content.get("licence") or content.get("license"),
    }
    return {key: value for key, value in facts.items() if value}
