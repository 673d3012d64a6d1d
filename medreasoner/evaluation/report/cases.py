"""Which cases a report shows (the best, the middle and the worst answers and those that failed, by score
alone), and their pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from medreasoner.data.sample import Sample, SampleError
from medreasoner.evaluation.columns import BY_KEY, Column
from medreasoner.evaluation.record import Record
from medreasoner.geometry import Grounding
from medreasoner.imaging import ImageError
from medreasoner.messages import short
from medreasoner.output.data_url import image_data_url
from medreasoner.output.overlay import overlay
from medreasoner.output.rle import rle_to_mask

EACH, FAILED = 3, 6  # cases of a kind, failed ones
SIDE, QUALITY = 480, 82  # pixels of the longer side, JPEG


@dataclass(frozen=True)
class Shown:
    """One case on the page: `picture` is a data URL, None where it could not be made and `why` says so."""

    kind: str
    record: Record
    picture: str | None
    why: str = ""


def ordered_by(records: Sequence[Record]) -> Column:
    """What cases are ordered by: mask Dice where there are masks, else box IoU."""
    return BY_KEY["mask_dice" if any(record.mask_dice is not None for record in records) else "box_iou"]


def chosen(records: Sequence[Record]) -> dict[str, list[Record]]:
    """kind -> records: best, median and worst of the answers that could be read, then some that could not."""
    score = ordered_by(records).value
    present = [record for record in records if record.truth is not None]
    read = [record for record in present if not record.failure and score(record) is not None]
    read.sort(key=lambda record: (-score(record), record.id))
    middle = max(0, len(read) // 2 - EACH // 2)
    picked = {"best": read[:EACH], "median": read[middle : middle + EACH], "worst": read[::-1][:EACH]}
    seen: set[str] = set()
    for kind, listed in picked.items():
        picked[kind] = [record for record in listed if record.id not in seen]
        seen |= {record.id for record in listed}
    return {**picked, "failed": [record for record in present if record.failure][:FAILED]}


def gallery(records: Sequence[Record], samples: Mapping[str, Sample] | None) -> list[Shown]:
    """The chosen cases with their pictures; without `samples` none has one."""
    return [_shown(kind, record, samples) for kind, listed in chosen(records).items() for record in listed]


def _shown(kind: str, record: Record, samples: Mapping[str, Sample] | None) -> Shown:
    if samples is None:
        return Shown(kind, record, None, "No picture: the report was made without --data.")
    sample = samples.get(record.id)
    if sample is None:
        return Shown(kind, record, None, f"No picture: --data holds no sample {short(record.id)}.")
    try:
        image = sample.load_image()
        truth = sample.load_mask() if sample.mask is not None else None
    except (ImageError, SampleError) as error:
        return Shown(kind, record, None, f"No picture: {error}.")
    grounding = Grounding(record.box, record.points) if record.box else None
    mask = rle_to_mask(record.mask_rle) if record.mask_rle else None
    picture = _draw(image, grounding, mask, truth)
    return Shown(kind, record, image_data_url(picture, "JPEG", quality=QUALITY))


def _draw(
    image: Image.Image, grounding: Grounding | None, mask: np.ndarray | None, truth: np.ndarray | None
) -> Image.Image:
    """The answer over the image, made small first so that lines keep their width."""
    by = min(1.0, SIDE / max(image.size))
    size = tuple(max(1, round(side * by)) for side in image.size)
    if grounding is not None:
        x1, y1, x2, y2 = (value * by for value in grounding.box)
        points = tuple((x * by, y * by) for x, y in grounding.points)
        grounding = Grounding((x1, y1, x2, y2), points)
    masks = (_resized(mask, size), _resized(truth, size))
    return overlay(image.resize(size, Image.Resampling.LANCZOS), grounding, *masks, notice=False)


def _resized(mask: np.ndarray | None, size: tuple[int, int]) -> np.ndarray | None:
    if mask is None:
        return None
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
