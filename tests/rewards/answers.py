"""Completions and rows for the tests of rewards, and the terms that a set gives them."""

import json

from medreasoner.rewards import SETS, reward_functions

BOX, POINTS = [445, 136, 708, 729], [[534, 273], [595, 455]]
ROW = {"bbox_2d": BOX, "point_2d": POINTS, "image_wh": [840, 840]}
THINK = "<think>It lies at mid-height on the right of the image: mid-sized, taller than wide.</think>"
WRONG_SIDE = [132, 136, 395, 729], [306, 273], [245, 455]


def written(box=BOX, first=POINTS[0], second=POINTS[1], think=THINK) -> str:
    """A completion; the right one if nothing is given."""
    return f"{think}<answer>{json.dumps({'bbox': box, 'points_1': first, 'points_2': second})}</answer>"


def terms(name: str, text: str, **row) -> dict[str, float | None]:
    """Each term of the set `name` for one completion; `row` changes columns of ROW."""
    functions, _ = reward_functions(name, segment=no_mask)
    columns = {key: [value] for key, value in {"image": None, **ROW, **row}.items()}
    message = [[{"role": "assistant", "content": text}]]
    return {function.__name__: function(completions=message, **columns)[0] for function in functions}


def total(name: str, text: str, **row) -> float:
    """Their weighted sum."""
    weights = SETS[name].weights
    return sum(weights[key] * value for key, value in terms(name, text, **row).items() if value is not None)


def no_mask(images, groundings, sizes):
    raise AssertionError("a row without a mask must not be segmented")
