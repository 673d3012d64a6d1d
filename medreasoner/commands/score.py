"""`score`: what a reward set gives completions, term by term, for those who ask why their reward is stuck."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from medreasoner.commands.base import FINE, UsageError, option

COLUMNS = ("completion", "bbox_2d", "point_2d", "image_wh")


@dataclass(frozen=True, kw_only=True)
class Score:
    """Read rows of JSON from standard input and print each term of a reward set and the total, one JSON object a row.

    A row has `completion`, `bbox_2d` and `point_2d` (the truth in pixels of the original image) and `image_wh`; if there are, `mask` and
    `image` (paths), `input_wh` and `think` (false where no reasoning was asked for). A truth that cannot be used gives null."""

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
        from medreasoner.rewards import SETS, reward_functions

        if self.set not in SETS:
            raise UsageError(
                f"--set {self.set}: there is no such reward set; expected one of {', '.join(SETS)}"
            )
        if self.frame not in FRAMES:
            raise UsageError(
                f"--frame {self.frame}: not known; expected one of {', '.join(map(repr, FRAMES))}"
            )
        paint = self.painter() if self.segmenter else None
        for number, row in rows():
            input_wh = tuple(row["input_wh"]) if row.get("input_wh") else None
            functions, weights = reward_functions(self.set, FRAMES[self.frame], input_wh, paint or missing)
            columns = {key: [row.get(key)] for key in (*COLUMNS[1:], "mask", "image", "think")}
            terms = {}
            for function in functions:
                painted = function.__name__ == "mask_dice"
                if not painted or (paint and row.get("image")):
                    terms[function.__name__] = function(completions=[row["completion"]], **columns)[0]
            total = sum(
                w * terms[f.__name__]
                for f, w in zip(functions, weights, strict=True)
                if terms.get(f.__name__) is not None
            )
            total = None if all(value is None for value in terms.values()) else round(total, 4)
            rounded = {name: value if value is None else round(value, 4) for name, value in terms.items()}
            print(json.dumps({"row": number, "total": total, **rounded}))
        return FINE

    def painter(self) -> Callable:
        """The segmenter on one row's picture. Errors: UsageError."""
        from medreasoner.imaging import load_image
        from medreasoner.manifest import EMBEDDED_FOLDER
        from medreasoner.segmenters.base import SegmenterError, SegmenterPrompt
        from medreasoner.segmenters.registry import load_segmenter

        try:
            segmenter = load_segmenter(
                EMBEDDED_FOLDER / "segmenter" if self.segmenter == "embedded" else self.segmenter
            )
        except SegmenterError as error:
            raise UsageError(str(error)) from error
        return lambda images, groundings, sizes: [
            segmenter.segment(segmenter.encode(load_image(image).image), SegmenterPrompt.of(grounding))[0]
            for image, grounding in zip(images, groundings, strict=True)
        ]


def missing(*_):
    raise AssertionError("a mask was asked for without a segmenter")


def rows() -> Iterator[tuple[int, dict]]:
    """(number from 1, row) of standard input. Errors: UsageError for a line that is no row."""
    for number, line in enumerate(sys.stdin, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UsageError(f"line {number} is not JSON ({error}); expected one object a line") from error
        lacking = [key for key in COLUMNS if not isinstance(row, dict) or key not in row]
        if lacking:
            raise UsageError(
                f"line {number} lacks {', '.join(lacking)}; expected an object with {', '.join(COLUMNS)}"
            )
        if not isinstance(row["completion"], str):
            raise UsageError(
                f"line {number}: completion must be text, got {type(row['completion']).__name__}"
            )
        yield number, row
