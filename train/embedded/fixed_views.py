"""Fixed views of the training images, whose maps after the tower's last stage are computed once.

Where the last stage is not trained, it would still be half of a step's time. Each process of a run trains on
its own share of the images, so that it computes the maps of no other.
"""

import random
from collections.abc import Sequence
from dataclasses import replace

import torch
from tqdm import tqdm

from medreasoner.reasoners.embedded import MedReasonerModel
from medreasoner.reasoners.image_projector import STAGE_3
from train.embedded.endless_rows import Rows, draw_view
from train.embedded.pictures import Picture, Target
from train.embedded.stage_3_cache import Stage3Cache
from train.embedded.views import UNCHANGED, View, shown

BATCH = 16  # maps computed at once


def views_of(picture: Picture, count: int) -> tuple[View, ...]:
    """The same `count` views of an image in every run: the whole, then windows that each hold one of its
    targets."""
    rng = random.Random(picture.path)
    windows = []
    for _ in range(count - 1):
        asked = rng.sample(picture.targets, 1) if picture.targets else []
        windows.append(draw_view(picture, asked, rng))
    return (UNCHANGED, *windows)


def holds(view: View, target: Target) -> bool:
    """Whether the view holds the whole box of a target."""
    corners = view.points(target.box.reshape(2, 2))
    return bool(((corners >= -1e-6) & (corners <= 1 + 1e-6)).all())


class FixedViewRows(Rows):
    """Rows that show one of `count` fixed views of their image, and ask for what it holds."""

    def __init__(self, pictures: Sequence[Picture], *args: object, count: int, **kwargs: object) -> None:
        super().__init__(pictures, *args, **kwargs)
        self.views = {picture.path: views_of(picture, count) for picture in self.pictures}

    def _viewed(self, picture: Picture, rng: random.Random) -> tuple[list[Target | None], View]:
        view = rng.choice(self.views[picture.path])
        held = tuple(each for each in picture.targets if holds(view, each))
        if picture.targets and not held:
            view, held = UNCHANGED, picture.targets
        return self._asked(replace(picture, targets=held), rng), view


class LastMaps:
    """The map (16, 16, 768) that the reasoner's last stage makes of each of `count` views of some images."""

    def __init__(
        self, model: MedReasonerModel, maps: Stage3Cache, pictures: Sequence[Picture], count: int
    ) -> None:
        wanted = [(picture.path, view) for picture in pictures for view in views_of(picture, count)]
        blocks = model.vision_tower.backbone.blocks[STAGE_3:]
        self._made: dict[tuple[str, View], torch.Tensor] = {}
        for start in tqdm(range(0, len(wanted), BATCH), desc="last maps", mininterval=20):
            part = wanted[start : start + BATCH]
            stage_3 = torch.stack([shown(maps.get(path), view) for path, view in part])
            with torch.inference_mode():
                made = model.multi_modal_projector.last_stage(stage_3, blocks)
            self._made |= {key: each.half().clone() for key, each in zip(part, made, strict=True)}

    def get(self, path: str, view: View) -> torch.Tensor:
        """(16, 16, 768) float32. KeyError for another image or view."""
        return self._made[path, view].float()
