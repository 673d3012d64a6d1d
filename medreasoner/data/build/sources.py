"""What a set is built from: images with class masks, told apart by their layout, as one list of items.

Is: three layouts, and the checks that every item is whole and every file there before any work begins.
  manifest  SOURCE/manifest.jsonl, one object a line: `id`, `image`, `mask` (paths from SOURCE), `modality`, `targets`
            [{"index": mask value, "name": class}]; `dataset`, `case`, `split`, `licence`, `source` where known.
  pictures  SOURCE/images/NAME.* and SOURCE/masks/NAME.*; in SOURCE/metadata.csv, if there is one, a row an image: `image`, and where known
            `mask`, `case`, `modality`, `labels` ("1=spleen; 2=liver"), `split`, `licence`, `source`.
  volumes   SOURCE/images and SOURCE/masks (or imagesTr and labelsTr) with NIfTI volumes or folders of DICOM files; see `volumes.py`.
Is not: a reader of questions; sets that have them are read by `load.py`.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from medreasoner.data.build.duplicates import split_of
from medreasoner.data.build.layouts import (
    UNKNOWN,
    Options,
    SourceError,
    pair_of_folders,
    read_labels,
    read_table,
)
from medreasoner.data.build.volumes import slice_rows, volumes_in


@dataclass(frozen=True)
class Item:
    """One image with its class mask. `classes` are (mask value, name); the values of a mask are 0 for background and these."""

    id: str
    dataset: str
    image: Path
    mask: Path
    modality: str
    classes: tuple[tuple[int, str], ...]
    case: str
    split: str
    licence: str
    source: str
    spacing_mm: tuple[float, float] | None = None

    @property
    def stem(self) -> str:
        """The name of its files."""
        return self.id.replace("/", "_")


class Items:
    """The rows of a manifest, checked; read anew by every iteration, those kept for evaluation first, then by id.

    Only ids and places in the file are held. `held` are the cases of which an image is kept for evaluation; `digest` stands for the bytes.
    """

    def __init__(self, manifest: Path, root: Path, options: Options):
        self.manifest, self.root, self.options = manifest, root, options
        self.held: set[str] = set()
        self._index: list[tuple[bool, str, int, int]] = []
        digest, stems, offset = hashlib.sha256(), set(), 0
        with manifest.open("rb") as file:
            for number, line in enumerate(file, 1):
                digest.update(line)
                if line.strip():
                    item = self._item(line, number)
                    if item.stem in stems:
                        raise SourceError(f"{manifest.name}, row {number}: the id {item.id!r} has come before; give each image its own")
                    stems.add(item.stem)
                    self._index.append((item.split == "train", item.id, offset, number))
                    if item.split != "train":
                        self.held.add(item.case)
                offset += len(line)
        if not self._index:
            raise SourceError(f"{manifest} names no image")
        self._index.sort()
        self.digest = digest.hexdigest()

    def __len__(self) -> int:
        return len(self._index)

    def __iter__(self) -> Iterator[Item]:
        with self.manifest.open("rb") as file:
            for _, _, offset, number in self._index:
                file.seek(offset)
                yield self._item(file.readline(), number)

    def _item(self, line: bytes, number: int) -> Item:
        where = f"{self.manifest.name}, row {number}"
        try:
            row = json.loads(line)
            name, case = row["id"], row.get("case") or row["id"]
            item = Item(
                id=name,
                dataset=row.get("dataset") or self.root.resolve().name,
                image=self.root / row["image"],
                mask=self.root / row["mask"],
                modality=row.get("modality") or self.options.modality,
                classes=tuple((int(target["index"]), str(target["name"])) for target in row["targets"]),
                case=case,
                split=row.get("split") or split_of(case, self.options.validation, self.options.seed),
                licence=row.get("licence") or self.options.licence,
                source=row.get("source") or UNKNOWN,
                spacing_mm=tuple(row["spacing_mm"]) if row.get("spacing_mm") else None,
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise SourceError(f"{where}: expected id, image, mask, and targets with index and name ({error!r} in {line[:80]!r})") from error
        if not item.modality:
            raise SourceError(f"{where}: {name!r} has no modality; say it there or with --modality")
        for path in (item.image, item.mask):
            if not path.is_file():
                raise SourceError(f"{where}: there is no file {path}")
        return item


def read_mask(path: Path, classes: Iterable[int]) -> np.ndarray:
    """The class values (H, W) of a mask; in a mask of 0 and 255 the 255 is the one class. Errors: SourceError."""
    try:
        with Image.open(path) as picture:
            values = np.asarray(picture)
    except (OSError, UnidentifiedImageError) as error:
        raise SourceError(f"the mask is no readable picture ({error})") from error
    if values.ndim == 3:
        if (values[..., :1] != values[..., :3]).any():
            raise SourceError("the mask has colours; expected class values in one channel")
        values = values[..., 0]
    only = list(classes)
    if len(only) == 1 and only[0] != 255 and set(np.unique(values)) <= {0, 255}:
        return np.where(values == 255, only[0], 0)
    return values


def picture_rows(source: Path, options: Options) -> Iterator[dict]:
    """The rows of a manifest for a folder of pictures. Errors: SourceError."""
    images, masks = pair_of_folders(source)
    told = read_table(source)
    if not told:
        told = [{"image": path.name} for path in sorted(images.iterdir()) if path.is_file() and not path.name.startswith(".")]
    by_stem: dict[str, list[Path]] = {}
    for path in sorted(masks.iterdir()):
        by_stem.setdefault(path.stem, []).append(path)
    for row in told:
        image = images / row["image"]
        found = [masks / row["mask"]] if row.get("mask") else by_stem.get(image.stem, [])
        if len(found) != 1:
            raise SourceError(f"{image.name}: expected one mask {image.stem}.* in {masks.name}, found {len(found)}")
        labels = read_labels(row["labels"]) if row.get("labels") else options.labels
        if not labels:
            raise SourceError(f'{image.name}: its classes have no names; give --labels "1=spleen; 2=liver", or `labels` in metadata.csv')
        yield {
            "id": image.stem,
            "image": str(image.relative_to(source)),
            "mask": str(found[0].relative_to(source)),
            "targets": [{"index": value, "name": name} for value, name in labels.items()],
            **{key: row[key] for key in ("case", "modality", "split", "licence", "source", "dataset") if key in row},
        }


def open_source(source: Path, out: Path, options: Options) -> Items:
    """The items of `source`. Errors: SourceError.

    Pictures and volumes get a manifest in `out/stages`; of volumes the chosen slices are written to `out/slices`.
    """
    if (source / "manifest.jsonl").is_file():
        return Items(source / "manifest.jsonl", source, options)
    volumes = volumes_in(source)
    rows, root = (slice_rows(volumes, source, out, options), out) if volumes else (picture_rows(source, options), source)
    manifest = out / "stages/0_source.jsonl"
    manifest.parent.mkdir(parents=True, exist_ok=True)
    part = manifest.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"dataset": source.resolve().name} | row) + "\n" for row in rows)
    part.replace(manifest)
    return Items(manifest, root, options)
