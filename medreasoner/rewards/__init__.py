"""Rewards for reinforcement learning, in the signature of TRL's GRPOTrainer:
`reward(completions, **columns) -> list[float | None]`.

Sets by name: `paper-soft`, `paper-hard`, `paper-base` (as released, two terms dead) and `paper-base-intended`
are the published system's (arXiv 2508.08177, see `paper.py` and `seg_zero.py`); `mask` is ours (`ours.py`).

Columns of a training row: `bbox_2d` (4 numbers) and `point_2d` (2 pairs) in pixels of the original image,
`image_wh` (width, height), optionally `mask` (a path, picture or array), `think` (False where no reasoning
was asked for), `absent` (True where the image shows nothing of what is asked for; box, points and mask are
None then, see `absence.py`) and `image` (for the segmenter). A broken row gives None, which keeps it out of
the loss; a broken answer gives 0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from medreasoner.geometry import INPUT_PIXELS, Frame
from medreasoner.rewards import ours, paper, seg_zero
from medreasoner.rewards.absence import wrong_verdict
from medreasoner.rewards.completion import BatchReader, ScoredCompletion
from medreasoner.rewards.ours import SegmentMany, mask_dice

Reward = Callable[..., list[float | None]]
Term = Callable[[ScoredCompletion], float]


@dataclass(frozen=True)
class RewardSet:
    """Named terms of one completion, and the weight of each.

    Args:
        with_masks: the segmenter's mask is scored too, as `mask_dice`.
        of_text: names of terms that judge the text alone, whatever it says, so that a right absence is not
            worth 1 in them for being right.
        always_thinking: pays for a think block even where an answer without one was asked for.
    """

    terms: dict[str, Term]
    weights: dict[str, float]
    of_text: frozenset[str]
    with_masks: bool = False
    always_thinking: bool = False


def _published(terms: dict[str, Term], of_text: frozenset[str]) -> RewardSet:
    return RewardSet(terms, dict.fromkeys(terms, 1.0), of_text, always_thinking=True)


def _named(terms: Sequence[Term]) -> dict[str, Term]:
    return {term.__name__: term for term in terms}


SETS = {
    "paper-soft": _published(_named(paper.SOFT), paper.OF_TEXT),
    "paper-hard": _published(_named(paper.HARD), paper.OF_TEXT),
    "paper-base": _published(seg_zero.RELEASED, seg_zero.OF_TEXT | seg_zero.DEAD),
    "paper-base-intended": _published(_named(seg_zero.INTENDED), seg_zero.OF_TEXT),
    "mask": RewardSet(ours.TERMS, ours.WEIGHTS, ours.OF_TEXT, with_masks=True),
}


def reward_functions(
    name: str,
    frame: Frame = INPUT_PIXELS,
    input_wh: tuple[int, int] | None = None,
    segment: SegmentMany | None = None,
) -> tuple[list[Reward], list[float]]:
    """(functions, weights) of the set `name`, for `GRPOTrainer(reward_funcs=…)` and
    `GRPOConfig(reward_weights=…)`.

    The functions share what they read from a batch, so that a completion is parsed once and not once per
    term.

    Args:
        frame: in which the model writes its numbers.
        input_wh: (width, height) of the resized input, for frames without a limit; None means that images go
            in as they are.
        segment: the frozen segmenter, which the set `mask` needs.

    Errors: ValueError for an unknown set, or `mask` without a segmenter.
    """
    if name not in SETS:
        raise ValueError(f"there is no reward set {name!r}; expected one of {', '.join(SETS)}")
    chosen = SETS[name]
    if chosen.with_masks and segment is None:
        others = ", ".join(other for other in SETS if other != name)
        raise ValueError(f"the reward set {name!r} scores masks: give it a segmenter, or take {others}")
    reader = BatchReader(frame, input_wh)
    functions = [
        _reward(label, term if label in chosen.of_text else _of_place(term), reader, term.__doc__)
        for label, term in chosen.terms.items()
    ]
    if chosen.with_masks:
        functions.append(_mask_reward(reader, segment))
    return functions, [chosen.weights[function.__name__] for function in functions]


def _of_place(term: Term) -> Term:
    """`term` where the truth has a place; else 1 for the absence of one, and 0 for anything else."""

    def judged(completion: ScoredCompletion) -> float:
        return float(completion.parsed.absent) if completion.reference.absent else term(completion)

    return judged


def _reward(label: str, term: Term, reader: BatchReader, doc: str | None) -> Reward:
    def reward(completions, bbox_2d, point_2d, image_wh, *, mask=None, think=None, absent=None, **_):  # noqa: ANN001, ANN003, ANN202
        batch = reader.read(completions, bbox_2d, point_2d, image_wh, mask, think, absent)
        return [None if each is None else 0.0 if each.once(wrong_verdict) else term(each) for each in batch]

    reward.__name__, reward.__doc__ = label, doc
    return reward


def _mask_reward(reader: BatchReader, segment: SegmentMany) -> Reward:
    def reward(completions, bbox_2d, point_2d, image_wh, image, *, mask=None, think=None, absent=None, **_):  # noqa: ANN001, ANN003, ANN202
        batch = reader.read(completions, bbox_2d, point_2d, image_wh, mask, think, absent)
        return mask_dice(batch, image, segment)

    reward.__name__, reward.__doc__ = "mask_dice", mask_dice.__doc__
    return reward
