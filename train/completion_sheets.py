"""Completions drawn on their images while a run goes on: the only way to see what a reward really rewards.

Is: every so many steps one sheet, `step-000050.png`, a row per prompt: the truth and each answer of its group; and the texts beside it
(`step-000050.jsonl`). Is not: a log of numbers; those go to the Trainer's own.
"""

import json
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw

from medreasoner.geometry import Frame, Grounding
from medreasoner.output.overlay import overlay
from medreasoner.rewards.completion import ScoredCompletion, text_of
from medreasoner.rewards.reference import Reference, read_references

SIDE = 224  # pixels of one picture on a sheet
DRAWN = 480  # and of the one it is made from
PROMPTS, ANSWERS = 4, 8  # at most so many rows and columns


class CompletionSheets:
    """Sheets in `folder`, one every `every` steps (0: none)."""

    def __init__(self, folder: Path, every: int, frame: Frame, input_wh: tuple[int, int] | None):
        self.folder, self.every, self.frame, self.input_wh = folder, every, frame, input_wh
        self._drawn = -1

    def watch(self, reward: Callable) -> Callable:
        """The same reward function, looked at whenever a sheet is due."""

        def watched(completions, trainer_state=None, **columns):
            scores = reward(completions=completions, **columns)
            step = -1 if trainer_state is None else trainer_state.global_step
            first = trainer_state is not None and trainer_state.is_world_process_zero
            if self.every and first and step % self.every == 0 and step != self._drawn:
                self._drawn = step
                self.draw(step, [text_of(c) for c in completions], scores, **columns)
            return scores

        watched.__name__ = reward.__name__
        return watched

    def draw(
        self,
        step: int,
        texts: list[str],
        scores: list,
        bbox_2d,
        point_2d,
        image_wh,
        image,
        mask=None,
        think=None,
        **columns,
    ) -> Path:
        """Write one sheet and its texts; returns the picture's path."""
        cases = read_references(bbox_2d, point_2d, image_wh, mask, think, self.frame, self.input_wh)
        groups: list[list[int]] = []
        for i in range(len(texts)):
            if groups and image[i] is image[groups[-1][0]] and bbox_2d[i] == bbox_2d[groups[-1][0]]:
                groups[-1].append(i)
            else:
                groups.append([i])
        self.folder.mkdir(parents=True, exist_ok=True)
        rows = [
            [self._truth(image[group[0]], cases[group[0]])]
            + [self._answer(image[i], cases[i], texts[i]) for i in group[:ANSWERS]]
            for group in groups[:PROMPTS]
        ]
        path = self.folder / f"step-{step:06d}.png"
        sheet(rows).save(path)
        kept = [
            {
                "id": columns.get("id", [None] * len(texts))[i],
                "prompt": n,
                "question": columns.get("question", [""] * len(texts))[i],
            }
            | {"completion": texts[i], "first_term": scores[i], "bbox_2d": bbox_2d[i]}
            for n, group in enumerate(groups)
            for i in group
        ]
        path.with_suffix(".jsonl").write_text(
            "".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8"
        )
        return path

    def _truth(self, image: Image.Image, case: Reference | None) -> Image.Image:
        return picture(image, case, case and Grounding(case.box, case.points))

    def _answer(self, image: Image.Image, case: Reference | None, text: str) -> Image.Image:
        return picture(image, case, case and ScoredCompletion(text, case).grounding)


def picture(image: Image.Image, case: Reference | None, grounding: Grounding | None) -> Image.Image:
    """A small picture in the original's aspect with box and points; a grey cross where there is none to draw."""
    size = image.size if case is None else case.image_wh
    scale = DRAWN / max(size)
    drawn = image.resize(tuple(max(1, round(v * scale)) for v in size), Image.Resampling.BILINEAR).convert(
        "RGB"
    )
    if grounding is None:
        ImageDraw.Draw(drawn).line((0, 0, *drawn.size), fill=(128, 128, 128), width=6)
    else:
        box, points = (
            tuple(v * scale for v in grounding.box),
            tuple((x * scale, y * scale) for x, y in grounding.points),
        )
        drawn = overlay(drawn, Grounding(box, points), notice=False)
    drawn.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return drawn


def sheet(rows: list[list[Image.Image]]) -> Image.Image:
    """Pictures side by side, a row under a row, on black."""
    out = Image.new("RGB", (SIDE * max(len(row) for row in rows), SIDE * len(rows)))
    for y, row in enumerate(rows):
        for x, each in enumerate(row):
            out.paste(each, (x * SIDE + (SIDE - each.width) // 2, y * SIDE + (SIDE - each.height) // 2))
    return out
