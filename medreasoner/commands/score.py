"""`score`: what a reward set gives completions, term by term, for those who ask why their reward is stuck."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medreasoner.commands.base import FINE, UsageError, option

if TYPE_CHECKING:
    from medreasoner.geometry import Frame
    from medreasoner.rewards.ours import SegmentMany

COLUMNS = ("completion", "bbox_2d", "point_2d", "image_wh")
PLACE = ("bbox_2d", "point_2d")
DIGITS = 4


@dataclass(frozen=True, kw_only=True)
class Score:
    """Read rows of JSON from standard input and print each term of a reward set and the total, one JSON
    object a row.

    A row has `completion`, `bbox_2d` and `point_2d` (the truth in pixels of the original image) and
    `image_wh`; if there are, `mask` and `image` (paths), `input_wh`, `think` (false where no reasoning was
    asked for) and `absent` (true where nothing is there; then without box and points). A truth that cannot be
    used gives null.
    """

    set: str = option(
        "reward set: paper-soft, paper-hard, paper-base, paper-base-intended or mask", "mask", shown="NAME"
    )
    frame: str = option(
        "how the completions write coordinates, as in medreasoner.json", "input pixels", shown="FRAME"
    )
    segmenter: str | None = option(
        "for the mask term, in rows with image and mask; or 'embedded'", None, shown="ID_OR_FOLDER"
    )

    def run(self) -> int:
        from medreasoner.geometry import FRAMES
        from medreasoner.rewards import SETS

        if self.set not in SETS:
            raise UsageError(
                f"--set {self.set}: there is no such reward set; expected one of {', '.join(SETS)}"
            )
        if self.frame not in FRAMES:
            raise UsageError(
                f"--frame {self.frame}: not known; expected one of {', '.join(map(repr, FRAMES))}"
            )
        segment = self._segment_many() if self.segmenter else None
        for number, row in rows():
            print(json.dumps({"row": number, **scores(self.set, row, FRAMES[self.frame], segment)}))
        return FINE

    def _segment_many(self) -> "SegmentMany":
        """The segmenter on one row's picture. Errors: UsageError."""
        from medreasoner.imaging import load_image
        from medreasoner.segmenters.base import SegmenterError, SegmenterPrompt
        from medreasoner.segmenters.registry import load_segmenter

        try:
            segmenter = load_segmenter(self.segmenter)
        except SegmenterError as error:
            raise UsageError(str(error)) from error
        return lambda images, groundings, sizes: [
            segmenter.segment(segmenter.encode(load_image(image).image), SegmenterPrompt.of(grounding))[0]
            for image, grounding in zip(images, groundings, strict=True)
        ]


def scores(name: str, row: dict, frame: "Frame", segment: "SegmentMany | None") -> dict[str, float | None]:
    """`total` and the terms of the reward set `name`; all None for a truth that cannot be used. The mask term
    is left out of rows without an image, and where there is no segmenter."""
    from medreasoner.rewards import reward_functions

    input_wh = tuple(row["input_wh"]) if row.get("input_wh") else None
    functions, weights = reward_functions(name, frame, input_wh, segment or _no_segmenter)
    columns = {key: [row.get(key)] for key in (*COLUMNS[1:], "mask", "image", "think", "absent")}
    terms, total = {}, None
    for function, weight in zip(functions, weights, strict=True):
        if function.__name__ == "mask_dice" and (segment is None or not row.get("image")):
            continue
        value = function(completions=[row["completion"]], **columns)[0]
        terms[function.__name__] = None if value is None else round(value, DIGITS)
        if value is not None:
            total = (total or 0.0) + weight * value
    return {"total": None if total is None else round(total, DIGITS), **terms}


def _no_segmenter(*_: object) -> list:
    raise AssertionError("a mask was asked for without a segmenter")


def rows() -> Iterator[tuple[int, dict]]:
    """(number from 1, row) of standard input. Errors: UsageError for a line that is no row."""
    for number, line in enumerate(sys.stdin, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"line {number} is not JSON ({error}); expected one object a line") from error
        absent = isinstance(row, dict) and row.get("absent") is True
        needed = [key for key in COLUMNS if not (absent and key in PLACE)]
        lacking = [key for key in needed if not isinstance(row, dict) or key not in row]
        if lacking:
            raise UsageError(
                f"line {number} lacks {', '.join(lacking)}; expected an object with {', '.join(COLUMNS)}"
            )
        if not isinstance(row["completion"], str):
            raise UsageError(
                f"line {number}: completion must be text, got {type(row['completion']).__name__}"
            )
        yield number, row
