"""Rewards for reinforcement learning, in the signature of TRL's GRPOTrainer: `reward(completions, **columns) -> list[float | None]`.

Is: the sets by name, and the way from a training row's columns to a term. `paper-soft`, `paper-hard`, `paper-base` (as released, two
terms dead) and `paper-base-intended` are the published system's (arXiv 2508.08177); `mask` is ours.
Is not: the terms; those are in `paper.py`, `seg_zero.py` and `ours.py`.

Columns: `bbox_2d` (4 numbers) and `point_2d` (2 pairs) in pixels of the original image, `image_wh` (width, height), optionally `mask` (a
path, picture or array), `think` (False where no reasoning was asked for) and `image` (for the segmenter). A broken row gives None, which
keeps it out of the loss; a broken answer gives 0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from medreasoner.geometry import INPUT_PIXELS, Frame
from medreasoner.rewards import ours, paper, seg_zero
from medreasoner.rewards.ours import Painter, mask_dice
from medreasoner.rewards.reference import Reference, read_reference

Reward = Callable[..., list[float | None]]
Term = Callable[[str, Reference], float]


@dataclass(frozen=True)
class RewardSet:
    """Named terms of one completion, and the weight of each.

    `painted` sets also score the segmenter's mask as `mask_dice`; `always_thinking` ones pay for a think block even where an answer without
    one was asked for.
    """

    terms: dict[str, Term]
    weights: dict[str, float]
    painted: bool = False
    always_thinking: bool = False


def _published(terms: dict[str, Term]) -> RewardSet:
    return RewardSet(terms, dict.fromkeys(terms, 1.0), always_thinking=True)


def _named(terms: Sequence[Term]) -> dict[str, Term]:
    return {term.__name__: term for term in terms}


SETS = {
    "paper-soft": _published(_named(paper.SOFT)),
    "paper-hard": _published(_named(paper.HARD)),
    "paper-base": _published(seg_zero.RELEASED),
    "paper-base-intended": _published(_named(seg_zero.INTENDED)),
    "mask": RewardSet(ours.TERMS, ours.WEIGHTS, painted=True),
}


def reward_functions(
    name: str,
    frame: Frame = INPUT_PIXELS,
    input_wh: tuple[int, int] | None = None,
    paint: Painter | None = None,
) -> tuple[list[Reward], list[float]]:
    """(functions, weights) of the set `name`, for `GRPOTrainer(reward_funcs=…)` and `GRPOConfig(reward_weights=…)`.

    Args:
        frame: in which the model writes its numbers. input_wh: (width, height) of the resized input, for frames without a limit; None means
            that images go in as they are.
        paint: the frozen segmenter, which the set `mask` needs.

    Errors: ValueError for an unknown set, or `mask` without a segmenter.
    """
    if name not in SETS:
        raise ValueError(f"there is no reward set {name!r}; expected one of {', '.join(SETS)}")
    chosen = SETS[name]
    if chosen.painted and paint is None:
        raise ValueError(
            f"the reward set {name!r} scores masks: give it a segmenter, or take {', '.join(n for n in SETS if n != name)}"
        )
    functions = [_reward(label, term, frame, input_wh) for label, term in chosen.terms.items()]
    if chosen.painted:
        functions.append(_mask_reward(frame, input_wh, paint))
    return functions, [chosen.weights[function.__name__] for function in functions]


def _reward(label: str, term: Term, frame: Frame, input_wh: tuple[int, int] | None) -> Reward:
    def reward(completions, bbox_2d, point_2d, image_wh, mask=None, think=None, **_):
        cases = read_cases(bbox_2d, point_2d, image_wh, mask, think, frame, input_wh)
        return [
            None if case is None else term(text_of(c), case)
            for c, case in zip(completions, cases, strict=True)
        ]

    reward.__name__, reward.__doc__ = label, term.__doc__
    return reward


def _mask_reward(frame: Frame, input_wh: tuple[int, int] | None, paint: Painter) -> Reward:
    def reward(completions, bbox_2d, point_2d, image_wh, image, mask=None, think=None, **_):
        cases = read_cases(bbox_2d, point_2d, image_wh, mask, think, frame, input_wh)
        return mask_dice([text_of(c) for c in completions], cases, image, paint)

    reward.__name__, reward.__doc__ = "mask_dice", mask_dice.__doc__
    return reward


def read_cases(
    bbox_2d: Sequence,
    point_2d: Sequence,
    image_wh: Sequence,
    mask: Sequence | None,
    think: Sequence | None,
    frame: Frame,
    input_wh: tuple[int, int] | None,
) -> list[Reference | None]:
    """One Case per row; rows of a group, which follow one another and are equal, share theirs and what it has worked out."""
    none = [None] * len(bbox_2d)
    cases: list[Reference | None] = []
    before = None
    for row in zip(bbox_2d, point_2d, image_wh, mask or none, think or none, strict=True):
        same = before is not None and all(_same(a, b) for a, b in zip(row, before, strict=True))
        cases.append(
            cases[-1] if same else read_reference(*row[:4], frame=frame, input_wh=input_wh, think=row[4])
        )
        before = row
    return cases


def _same(a: object, b: object) -> bool:
    return a is b or (type(a) is type(b) and not hasattr(a, "shape") and a == b)


def text_of(completion: str | Sequence[dict]) -> str:
    """The text of a completion as TRL hands it over: itself, or the contents of its messages."""
    if isinstance(completion, str):
        return completion
    parts = [message["content"] for message in completion]
    return "".join(p if isinstance(p, str) else "".join(piece.get("text", "") for piece in p) for p in parts)
