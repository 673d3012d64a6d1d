"""Scores of a model that is only given the question, in volumes with true masks: whether it finds the slice,
and how well the mask that grows from there covers the target; beside controls.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from medreasoner.evaluation.volume_targets import VolumeTarget
from medreasoner.evaluation.volumes import by_distance, extent, nsd
from medreasoner.events import Absent, Done, Failed, VolumeDone
from medreasoner.metrics import dice
from medreasoner.pipeline import ground
from medreasoner.reasoners.base import Reasoner
from medreasoner.segmenters.base import Segmenter
from medreasoner.volume import ground_volume


@dataclass(frozen=True)
class VolumeAnswerScore:
    """How well a question about a volume was answered.

    Args:
        end: "found", "absent" (the target was said not to be there) or the reason of a failure.
        key: the slice that was asked, counted from 1; None where none was found. slice_found: it holds the
            target.
        dice, nsd: in 3D, 0..1; 0 where nothing was found; NSD is None where the size of voxels is not known.
        key_dice: of the key slice alone. key_only: 3D Dice of that mask with all others empty, a control.
        slices: (first, last) of the mask. true_slices: of the target.
        by_distance: slices away from the key slice -> Dice there, the mean of both sides.
        confidence: the model's, of its box; None where it has none.
        every_slice: 3D Dice of the question put to every slice, without propagation; None if not asked for.
        seconds: of the run, without that control.
    """

    volume_id: str
    name: str
    question: str
    end: str
    key: int | None
    slice_found: bool
    dice: float
    nsd: float | None
    key_dice: float
    key_only: float
    slices: tuple[int, int]
    true_slices: tuple[int, int]
    by_distance: dict[int, float]
    confidence: float | None
    every_slice: float | None
    seconds: float


def score_answer(
    target: VolumeTarget, reasoner: Reasoner, segmenter: Segmenter, controls: bool = False
) -> VolumeAnswerScore:
    """Ask `target.question`, which is not None, and score the answer.

    Args:
        controls: put the question to every slice, too.
    """
    *_, last = ground_volume(target.volume, target.question, reasoner, segmenter)
    truth, found = target.mask, isinstance(last, VolumeDone)
    mask = last.mask if found else np.zeros_like(truth)
    key = last.slice if found else None
    alone = np.zeros_like(truth)
    if found:
        alone[key - 1] = last.key.mask
    every = None
    if controls:
        every = dice(slice_by_slice(target, reasoner, segmenter), truth)
    return VolumeAnswerScore(
        volume_id=target.volume_id,
        name=target.name,
        question=target.question,
        end=_end(last),
        key=key,
        slice_found=found and bool(truth[key - 1].any()),
        dice=dice(mask, truth),
        nsd=nsd(mask, truth, target.volume.spacing_mm),
        key_dice=dice(mask[key - 1], truth[key - 1]) if found else 0.0,
        key_only=dice(alone, truth),
        slices=extent(mask),
        true_slices=extent(truth),
        by_distance=by_distance(mask, truth, key) if found else {},
        confidence=last.key.confidence if found else None,
        every_slice=every,
        seconds=last.timings_s["total"] if not isinstance(last, Failed) else 0.0,
    )


def slice_by_slice(target: VolumeTarget, reasoner: Reasoner, segmenter: Segmenter) -> np.ndarray:
    """The masks (D, H, W) of the question put to each slice as an image of its own."""
    masks = np.zeros(target.mask.shape, bool)
    for at in range(len(masks)):
        *_, last = ground(target.volume.picture(at + 1), target.question, reasoner, segmenter)
        if isinstance(last, Done):
            masks[at] = last.mask
    return masks


def answer_means(scores: list[VolumeAnswerScore]) -> dict[str, float]:
    """Means over targets of the numbers of `VolumeAnswerScore`; those that none has are left out."""
    names = ("slice_found", "dice", "nsd", "key_dice", "key_only", "every_slice", "seconds")
    return dict(_mean(scores, names))


def _mean(scores: list[VolumeAnswerScore], names: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    for name in names:
        known = [value for one in scores if (value := getattr(one, name)) is not None]
        if known:
            yield name, float(np.mean(known))


def _end(last: VolumeDone | Absent | Failed) -> str:
    if isinstance(last, Failed):
        return last.reason
    return "found" if last.found else "absent"
