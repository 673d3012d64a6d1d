"""How wrong a CRM's answers are, measured on the targets it was asked for: what the mask decoder must make masks from.

Is: from the answers that `train/compare.py` writes down to one error a target, as shares of the true box's sides.
Is not: drawn noise (`train/embedded/mask_examples.py`).

    python -m train.compare medreasoner/embedded --split train --bf16 --data runs/data …        # writes runs/compare/KEY.jsonl
    python -m train.embedded.mask_decoder --answers runs/compare/KEY.jsonl …
"""

import json
from pathlib import Path

import numpy as np

from medreasoner.answer import parse
from medreasoner.geometry import Frame, GroundingError, mask_to_points, repair, to_image
from medreasoner.metrics import box_iou
from train.embedded.conversations import Target

TOUCHES = 0.1  # box IoU: under it the answer is about something else, and no mask made from it can be right


def error_of(text: str, item: Target, mask: np.ndarray, frame: Frame) -> np.ndarray | None:
    """(4, 2) float: how far the answer's two box corners and two points lie from the true ones, as shares of the true box's width and
    height; None if the answer cannot be read or hardly touches the target. `mask` (H, W) bool is the target's."""
    answer = parse(text).answer
    if answer is None:
        return None
    try:
        said = repair(to_image(answer.bbox, answer.points, frame, item.wh), item.wh)[0]
    except GroundingError:
        return None
    box = item.sample["box"]
    if box_iou(said.box, box) < TOUCHES:
        return None
    places = np.array([said.box[:2], said.box[2:], *said.points]) - np.array(
        [box[:2], box[2:], *mask_to_points(mask)]
    )
    return places / (np.array(box[2:]) - np.array(box[:2]))


def answers(path: Path) -> dict[str, str]:
    """Sample id -> the answer's text."""
    lines = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return {line["id"]: line["text"] for line in lines}
