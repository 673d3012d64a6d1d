"""Targets and pictures of them, as `train/embedded/pictures.py` reads them, without files."""

import numpy as np

from medreasoner.data.build.measuring import Measured
from medreasoner.data.scenes import scene_of
from medreasoner.data.taxonomy import categories
from train.embedded.pictures import FINE, Picture, Target
from train.embedded.views import coverage_of

SIZE = (200, 100)  # pixels of the images


def target(
    name: str = "colorectal polyp",
    box=(20.0, 10.0, 60.0, 50.0),
    side: str = "",
    image_side: str = "",
    neighbours=(),
) -> Target:
    """A rectangle of an image of SIZE, seen in its upper left."""
    mask = np.zeros(SIZE[::-1], bool)
    x1, y1, x2, y2 = map(int, box)
    mask[y1:y2, x1:x2] = True
    middle = [(x1 + x2) / 2, (y1 + y2) / 2]
    measured = Measured(
        "left", "upper", "small", "about as wide as tall", "brighter than", "even", tuple(neighbours)
    )
    return Target(
        categories()[name],
        side,
        image_side,
        np.array(box) / [*SIZE, *SIZE],
        np.array([middle, [x1 + 4.5, y1 + 4.5]]) / SIZE,
        coverage_of(mask, FINE),
        measured,
        SIZE[1] / SIZE[0],
    )


def picture(*targets: Target, dataset: str = "kvasir_seg", path: str = "unused.png") -> Picture:
    return Picture(path, dataset, "case", scene_of(dataset), (), targets)
