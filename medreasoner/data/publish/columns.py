"""The columns of a published set: those of U-MRG, and ours beside them.

Coordinates are pixels of the row's own image.
"""

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from medreasoner.data.publish.plain_image import plain_image
from medreasoner.data.sample import Sample
from medreasoner.geometry import Box, Grounding

if TYPE_CHECKING:
    from datasets import Features

ASKED = ("target", "side", "image_side")  # of a sample: what is asked for, in the taxonomy's words
FACTS = ("dataset", "licence", "source")  # of a line of samples.jsonl, published as they are
KIND = "kind"  # of a question about what is not in its image, as its line states it
DATA_SOURCE = "umrg"  # by which the published training code chooses its rewards


@dataclass(frozen=True)
class Entry:
    """One sample to publish.

    `facts` has the FACTS and the KIND that its line states; `review` is "accepted", "edited"
    or "not reviewed".
    """

    sample: Sample
    split: str
    facts: dict[str, str]
    review: str


def features() -> "Features":
    """The columns, as `datasets` and the Hub's viewer know them."""
    from datasets import Features, Image, List, Value

    text, number = Value("string"), Value("float64")
    published = {
        "data_source": text,
        "prompt": List({"role": text, "content": text}),
        "images": List(Image()),
        "masks": List(Image()),
        "reward_model": {"style": text, "ground_truth": text},
        "extra_info": {"id": text, "supercategory": text, "category": text},
    }
    ours = {
        "modality": text,
        "case": text,
        "think": text,
        "box": List(number),
        "points": List(List(number)),
        "others": List(List(number)),
        "absent": Value("bool"),
        KIND: text,
        **dict.fromkeys(ASKED, text),
        **dict.fromkeys(FACTS, text),
        "review": text,
    }
    return Features({**published, **ours})


def to_row(entry: Entry) -> dict:
    """One row of parquet. Errors: SampleError, ImageError."""
    sample = entry.sample
    truth = None if sample.absent else sample.truth()
    masks = []
    if sample.mask is not None:
        masks = [{"bytes": _png(sample.load_mask()), "path": f"{sample.id}.png"}]
    return {
        "data_source": DATA_SOURCE,
        "prompt": [{"role": "user", "content": sample.question}],
        "images": [plain_image(sample)],
        "masks": masks,
        "reward_model": {"style": "rule", "ground_truth": _ground_truth(truth)},
        "extra_info": {"id": sample.id, "supercategory": sample.supercategory, "category": sample.category},
        "modality": sample.modality,
        "case": sample.case,
        "think": sample.think,
        "box": list(truth.box) if truth else None,
        "points": [list(point) for point in truth.points] if truth else None,
        "others": [list(other) for other in sample.others],
        "absent": sample.absent,
        **{name: getattr(sample, name) for name in ASKED},
        **{name: entry.facts.get(name, "") for name in (KIND, *FACTS)},
        "review": entry.review,
    }


def _ground_truth(truth: Grounding | None) -> str:
    """The published JSON string; whole numbers are written without a point. Nulls where nothing is there."""
    if truth is None:
        return json.dumps({"bbox_2d": None, "point_2d": None})

    def numbers(values: Box | tuple[float, float]) -> list[float]:
        return [int(v) if float(v).is_integer() else v for v in values]

    return json.dumps({"bbox_2d": numbers(truth.box), "point_2d": [numbers(point) for point in truth.points]})


def _png(mask: np.ndarray) -> bytes:
    encoded = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(encoded, "PNG", optimize=True)
    return encoded.getvalue()
