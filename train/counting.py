"""Counting along the spine: the part of a reasoning that goes from the lowest level, one at a time, to the one that is asked for.

Is: a sentence with the middle of each level in the model's own frame, as SFT of the embedded CRM teaches it: which level it is cannot be
seen at the level itself, so the model writes down how it got there (chain of thought, Wei et al. 2022, arXiv 2201.11903).
Is not: anatomy beyond the order of the levels, nor a part of a set: its numbers are in the frame of one model.
"""

from collections.abc import Mapping

from medreasoner.geometry import Box, Frame, Grounding, from_image

LEVELS = ("L5", "L4", "L3", "L2", "L1", "T12", "T11", "T10", "T9")  # upwards from the sacrum
BONES = tuple(f"{level} vertebra" for level in LEVELS)
DISCS = tuple(f"{upper}-{lower} disc" for upper, lower in zip(LEVELS, ("S1", *LEVELS), strict=False))
LOWEST = (BONES[0], DISCS[0])


def countable(names: set[str]) -> bool:
    """Whether the levels among `names`, those in view, can be told: nobody can count upwards from what is out of the picture."""
    return not names & {*BONES, *DISCS} or bool(names & set(LOWEST))


def counted(category: str, boxes: Mapping[str, Box], frame: Frame, image_wh: tuple[int, int]) -> str | None:
    """"Counting up from the sacrum: L5 at (131, 60), L4 at (126, 84)." for an L4 vertebra, or None for what is not counted.

    Args:
        boxes: of all that is known in the image by category, xyxy in its pixels; discs are counted among discs. image_wh: (width, height).
    """
    order = next((names for names in (BONES, DISCS) if category in names), None)
    if order is None:
        return None
    upwards = [name for name in order[: order.index(category) + 1] if name in boxes]
    steps = [f"{name.split()[0]} at {_middle(boxes[name], frame, image_wh)}" for name in upwards]
    return f"Counting up from the sacrum: {', '.join(steps)}."


def _middle(box: Box, frame: Frame, image_wh: tuple[int, int]) -> str:
    middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    x, y = from_image(Grounding(box, (middle, middle)), frame, image_wh)[1][0]
    return f"({round(x)}, {round(y)})"
