"""Baselines without a model, and samples that deceive one: shuffled questions, swapped images, a grey square.

A model that beats none of the fixed boxes has not learnt to look; one that scores the same on shuffled
questions does not listen. Scored by `control_rows.py`.
"""

import io
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from medreasoner.data.load import DataError
from medreasoner.data.sample import Sample, SampleError
from medreasoner.geometry import Box, Grounding
from medreasoner.imaging import ImageError
from medreasoner.imaging.mask_file import MaskError, mask_image_size
from medreasoner.messages import short

Kind = tuple[str, str]
BLANK = 512  # pixels of the side of the grey image


def kind(sample: Sample) -> Kind:
    """What the question alone tells of a sample: (modality, category)."""
    return sample.modality, sample.category


def scaled(box: Box, by: tuple[float, float]) -> Box:
    return box[0] * by[0], box[1] * by[1], box[2] * by[0], box[3] * by[1]


def centre_box(image_wh: tuple[int, int]) -> Box:
    """The box in the middle of the image with half its sides."""
    return scaled((0.25, 0.25, 0.75, 0.75), image_wh)


def whole_box(image_wh: tuple[int, int]) -> Box:
    return scaled((0.0, 0.0, 1.0, 1.0), image_wh)


def random_box(image_wh: tuple[int, int], seed: str) -> Box:
    """A box between two points drawn anywhere in the image, at least a hundredth of each side wide."""
    rng = random.Random(f"box {seed}")
    shares = []
    for _ in range(2):
        low = rng.uniform(0, 0.99)
        shares.append(sorted((low, rng.uniform(0, 1))))
    (x1, x2), (y1, y2) = ((low, max(high, low + 0.01)) for low, high in shares)
    return scaled((x1, y1, min(x2, 1.0), min(y2, 1.0)), image_wh)


@dataclass(frozen=True)
class Prior:
    """The mean box of each kind in a training set, as shares of the image's sides. `anything` is the mean
    over the whole set, for kinds that do not occur in it; `unusable` names samples that cannot be read."""

    boxes: dict[Kind, Box]
    anything: Box
    unusable: tuple[str, ...] = ()

    def box(self, of: Kind, image_wh: tuple[int, int]) -> Box:
        """In pixels of an image of this size."""
        return scaled(self.boxes.get(of, self.anything), image_wh)


def learn_prior(train: Iterable[Sample]) -> Prior:
    """Read the whole training set once; of every image only the size is read, from its mask where there is
    one. What is not there has no box; samples that cannot be read are left out. Errors: DataError if none
    is left."""
    shares: dict[Kind, list[Box]] = defaultdict(list)
    unusable = []
    last, size = None, (0, 0)
    for sample in train:
        if sample.absent:
            continue
        try:
            if sample.image != last:
                last, size = sample.image, _size(sample)
            box = scaled(sample.truth().box, (1 / size[0], 1 / size[1]))
        except (ImageError, SampleError) as error:
            last = None
            unusable.append(f"training sample {short(sample.id)}: {error}")
        else:
            shares[kind(sample)].append(box)
    if not shares:
        why = f"; the first: {unusable[0]}" if unusable else ""
        raise DataError(f"none of the training samples can be used{why}")
    means = {of: tuple(np.mean(boxes, axis=0).tolist()) for of, boxes in shares.items()}
    overall = np.mean([box for boxes in shares.values() for box in boxes], axis=0)
    return Prior(means, tuple(overall.tolist()), tuple(unusable))


def _size(sample: Sample) -> tuple[int, int]:
    """(width, height) of the image; its mask has the same, and tells it without being decoded. Errors:
    ImageError, SampleError."""
    if sample.mask is None:
        return sample.load_image().size
    try:
        return mask_image_size(sample.mask)
    except MaskError as error:
        raise SampleError(f"its mask is no readable picture ({error})") from error


def derange(groups: Sequence[object], rng: random.Random) -> list[int]:
    """A random permutation that sends every item to one of another group, and never to itself. Where one
    group holds more than half of all items, as many as possible are sent to another group."""
    if len(groups) <= 1:
        raise DataError(f"exchanging needs two samples or more, got {len(groups)}")
    members: dict[object, list[int]] = defaultdict(list)
    for index in rng.sample(range(len(groups)), len(groups)):
        members[groups[index]].append(index)
    order = [index for group in members.values() for index in group]
    # a turn by the size of the largest group leaves every group
    shift = max(len(group) for group in members.values()) % len(order) or 1
    target = [0] * len(order)
    for place, index in enumerate(order):
        target[index] = order[(place + shift) % len(order)]
    return target


def shuffled_questions(samples: Sequence[Sample], seed: int = 0) -> list[Sample]:
    """Every sample with the question of another one, of another category where possible; truth and image
    stay.

    A model that does not listen scores here as it does with the right questions.
    """
    target = derange([kind(s) for s in samples], random.Random(f"questions {seed}"))
    return [replace(sample, question=samples[j].question) for sample, j in zip(samples, target, strict=True)]


def swapped_images(
    samples: Sequence[Sample], truths: Sequence[Grounding], sizes: Sequence[tuple[int, int]], seed: int = 0
) -> list[Sample]:
    """Every sample with the image of another case, of the same kind where possible; question and truth (as
    shares of the sides) stay.

    A model that does not look, or sees only what kind of image it has, scores here as it does with the right
    image.

    Args:
        truths, sizes: of each sample's own image, in its pixels; (width, height).
    """
    rng = random.Random(f"images {seed}")
    swapped = []
    for i, j in enumerate(_other_case(samples, rng)):
        by = (sizes[j][0] / sizes[i][0], sizes[j][1] / sizes[i][1])
        name = f"{samples[i].id} in the image of {samples[j].id}"
        swapped.append(_moved(samples[i], name, samples[j].image, truths[i], by))
    return swapped


def blanked_images(
    samples: Sequence[Sample], truths: Sequence[Grounding], sizes: Sequence[tuple[int, int]]
) -> list[Sample]:
    """Every sample with the same grey square for an image; question and truth (as shares of the sides) stay.
    What a model still scores, it knew without looking; one size for all, because the size of an image tells
    what kind it is.

    Args:
        truths, sizes: as in `swapped_images`.
    """
    buffer = io.BytesIO()
    Image.new("RGB", (BLANK, BLANK), (128, 128, 128)).save(buffer, "PNG")
    return [
        _moved(sample, f"{sample.id} on grey", buffer.getvalue(), truth, (BLANK / size[0], BLANK / size[1]))
        for sample, truth, size in zip(samples, truths, sizes, strict=True)
    ]


def _moved(
    sample: Sample, name: str, image: Path | bytes, truth: Grounding, by: tuple[float, float]
) -> Sample:
    """`sample` under another image, its truth scaled `by` along x and y."""
    first, second = ((x * by[0], y * by[1]) for x, y in truth.points)
    return replace(
        sample, id=name, image=image, mask=None, box=scaled(truth.box, by), points=(first, second), others=()
    )


def _other_case(samples: Sequence[Sample], rng: random.Random) -> list[int]:
    """For every sample one of another case: of its kind, else of its modality, else any."""
    chosen: dict[int, int] = {}
    for alike in (kind, lambda sample: sample.modality, lambda sample: None):
        groups: dict[object, list[int]] = defaultdict(list)
        for index, sample in enumerate(samples):
            groups[alike(sample)].append(index)
        for group in groups.values():
            cases = [samples[index].case for index in group]
            if len(set(cases)) > 1:
                pairs = (
                    (index, group[place]) for index, place in zip(group, derange(cases, rng), strict=True)
                )
                chosen |= {i: j for i, j in pairs if i not in chosen and samples[i].case != samples[j].case}
    for i in set(range(len(samples))) - set(chosen):  # most samples are of one case
        others = [j for j in range(len(samples)) if samples[j].case != samples[i].case]
        if not others:
            only = f"all {len(samples)} are of {short(samples[i].case)}"
            raise DataError(f"swapping images needs samples of two cases or more; {only}")
        chosen[i] = rng.choice(others)
    return [chosen[i] for i in range(len(samples))]
