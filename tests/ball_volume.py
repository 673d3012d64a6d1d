"""A drawn ball as a NIfTI volume with its label map, recorded answers about its slices, and a segmenter that
outlines what is bright.
"""

import json
from pathlib import Path

import numpy as np

from medreasoner.answer import Absence, Answer, render
from medreasoner.imaging import load_volume
from medreasoner.reasoners.replay import ReplayReasoner, image_key
from tests.data.build.volumes_drawn import nifti
from tests.segmenters.ball import ball, box_of

QUESTION = "Which part explains a cough that does not go away?"
BALL = ball()
LARGE = 60  # pixels; five slices of the ball have more


def write_ball(folder: Path) -> Path:
    """`v.nii.gz`, and `l.nii.gz` where the ball is 3; returns the volume's path."""
    noise = np.random.default_rng(0).normal(0, 4, BALL.shape)
    for name, shown in (("v", np.where(BALL, 150, 20) + noise), ("l", BALL * 3)):
        values = shown[:, ::-1, ::-1].transpose(2, 1, 0).astype(np.int16)
        nifti(folder / f"{name}.nii.gz", values, (1, 1, 2))
    return folder / "v.nii.gz"


def write_set(folder: Path, question: str | None = QUESTION) -> Path:
    """The ball as a set of volumes; returns the folder."""
    write_ball(folder)
    target = {"index": 3, "name": "ball"} | ({"question": question} if question else {})
    row = {"id": "drawn", "image": "v.nii.gz", "label": "l.nii.gz", "targets": [target]}
    (folder / "volumes.jsonl").write_text(json.dumps(row) + "\n")
    return folder


def sees(path: Path, question: str = QUESTION, blind: bool = False) -> ReplayReasoner:
    """Recorded answers about each slice: the box of the ball where it is large, else that it is not there;
    with `blind` in none.
    """
    volume, runs = load_volume(path), []
    for number in range(1, volume.shape[0] + 1):
        picture = volume.picture(number)
        if BALL[number - 1].sum() > LARGE and not blind:
            left, top, right, bottom = box_of(BALL[number - 1]).box
            middle = ((left + right) / 2, (top + bottom) / 2)
            text = render(Answer((left, top, right, bottom), (middle, middle), think="It is bright."))
        else:
            text = render(Absence("Nothing of that kind is to be seen here."))
        runs.append(
            {
                "image_sha256": image_key(picture),
                "question": question,
                "think": True,
                "pieces": [text],
                "model": "recorded",
                "frame": "input pixels",
                "input_wh": list(picture.size),
            }
        )
    return ReplayReasoner(runs)
