"""Small sets in every layout that `load` reads, drawn here: one grey picture, one rectangle as its mask."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

WIDTH, HEIGHT = 60, 40


def png(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def rectangle(width: int = WIDTH, height: int = HEIGHT, value: int = 255) -> np.ndarray:
    """A mask with one rectangle in its left upper part: box (w/6, h/4, w/2, h/2)."""
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : height // 2, width // 6 : width // 2] = value
    return mask


BOX = (10.0, 10.0, 30.0, 20.0)  # of rectangle()


def row(**changes: object) -> dict:
    fields = {"id": "a", "image": "a.png", "mask": "a_mask.png", "question": "Where does fluid collect?"}
    return {**fields, "modality": "CT", "category": "pleura", "case": "one", **changes}


def folder(path: Path, *lines: dict | str) -> Path:
    """A folder in the project's format with the picture a.png and the mask a_mask.png."""
    path.mkdir(exist_ok=True)
    (path / "a.png").write_bytes(png(np.full((HEIGHT, WIDTH, 3), 90, np.uint8)))
    (path / "a_mask.png").write_bytes(png(rectangle()))
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (path / "samples.jsonl").write_text(text, encoding="utf-8")
    return path


def published(
    name: str = "covid_1583_X-Ray_chest_left_lung_000.png", side: int = 840, **changes: object
) -> dict:
    """A row of the published schema whose truth is the rectangle's."""
    truth = {"bbox_2d": [140, 210, 420, 420], "point_2d": [[200, 300], [300, 350]]}
    fields = {
        "data_source": "umrg",
        "prompt": [{"role": "user", "content": "Which side is clear?"}],
        "images": [{"bytes": png(np.full((side, side, 3), 90, np.uint8)), "path": None}],
        "masks": [{"bytes": png(rectangle(side, side)), "path": None}],
        "reward_model": {"style": "rule", "ground_truth": json.dumps(truth)},
        "extra_info": {"id": name, "supercategory": "lung", "category": "left lung"},
    }
    return {**fields, **changes}


def parquet(path: Path, *rows: dict) -> Path:
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path
