"""What a set is built from: three layouts of images with class masks, each brought into a manifest.

  manifest  SOURCE/manifest.jsonl, one image a line; see `manifest.py`.
  pictures  SOURCE/images/NAME.* and SOURCE/masks/NAME.*; in SOURCE/metadata.csv, if there is one, a row an
            image: `image`, and where known `mask`, `case`, `modality`, `labels` ("1=spleen; 2=liver"),
            `split`, `licence`, `source`.
  volumes   SOURCE/images and SOURCE/masks (or imagesTr and labelsTr) with NIfTI volumes or folders of DICOM
            files; see `volumes.py`.

Sets that have questions already are read by `data/load.py`.
"""

import json
from pathlib import Path

from medreasoner.data.build.manifest import Manifest
from medreasoner.data.build.pictures import picture_rows
from medreasoner.data.build.source_files import Options
from medreasoner.data.build.volumes import slice_rows, volumes_in

SOURCE_ROWS = "0_source.jsonl"  # in OUT/stages: the manifest that was made of pictures or volumes


def open_source(source: Path, out: Path, options: Options) -> Manifest:
    """The items of `source`. Errors: SourceError.

    Pictures and volumes get a manifest in `out/stages`; of volumes the chosen slices are written to
    `out/slices`.
    """
    if (source / "manifest.jsonl").is_file():
        return Manifest(source / "manifest.jsonl", source, options)
    volumes = volumes_in(source)
    if volumes:
        rows, root = slice_rows(volumes, source, out, options), out
    else:
        rows, root = picture_rows(source, options), source
    path = out / "stages" / SOURCE_ROWS
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"dataset": source.resolve().name} | row) + "\n" for row in rows)
    part.replace(path)
    return Manifest(path, root, options)
