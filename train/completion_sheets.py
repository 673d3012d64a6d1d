"""Pictures of completions during a GRPO run: every so many steps a sheet that shows what the rewards are
given for.

`step-000050.png` has a row per prompt: the true box and points, then each answer of its group.
`step-000050.jsonl` holds the texts.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw
from transformers import TrainerState

from medreasoner.geometry import Frame, Grounding
from medreasoner.output.overlay import overlay
from medreasoner.rewards.completion import ScoredCompletion, text_of
from medreasoner.rewards.reference import Reference, read_references

CELL = 224  # pixels of one picture on a sheet
DRAWN = 480  # and of the one it is scaled down from
PROMPTS, ANSWERS = 4, 8  # at most so many rows and columns
NO_ANSWER = (128, 128, 128)  # colour of the cross over an image without an answer that can be drawn


class CompletionSheets:
    """Writes sheets into `folder`.

    Args:
        every: steps between two sheets; 0 writes none.
        frame, input_wh: how the model writes coordinates, as for `geometry.to_image`.
    """

    def __init__(self, folder: Path, every: int, frame: Frame, input_wh: tuple[int, int] | None) -> None:
        self.folder, self.every, self.frame, self.input_wh = folder, every, frame, input_wh
        self._last_step = -1

    def watch(self, reward: Callable) -> Callable:
        """The same reward function, which also writes a sheet whenever one is due."""

        def watched(
            completions: list, trainer_state: TrainerState | None = None, **columns: list
        ) -> list[float | None]:
            scores = reward(completions=completions, **columns)
            step = -1 if trainer_state is None else trainer_state.global_step
            main_process = trainer_state is not None and trainer_state.is_world_process_zero
            if self.every and main_process and step % self.every == 0 and step != self._last_step:
                self._last_step = step
                self.write(step, [text_of(c) for c in completions], scores, columns)
            return scores

        watched.__name__ = reward.__name__
        return watched

    def write(self, step: int, texts: list[str], scores: list, columns: dict[str, list]) -> Path:
        """Write one sheet and its texts; returns the picture's path.

        Args:
            scores: of the first reward term, for the texts' file.
            columns: of the rows, see `train.rows.prompt_rows`.
        """
        truths = [columns[name] for name in ("bbox_2d", "point_2d", "image_wh")]
        masks, thinks = columns.get("mask"), columns.get("think")
        absent = columns.get("absent")
        references = read_references(*truths, masks, thinks, self.frame, self.input_wh, absent=absent)
        groups = _groups(columns["image"], columns["bbox_2d"])
        rows = []
        for group in groups[:PROMPTS]:
            image, reference = columns["image"][group[0]], references[group[0]]
            here = reference is not None and not reference.absent
            truth = Grounding(reference.box, reference.points) if here else None
            answers = [references[i] and ScoredCompletion(texts[i], references[i]).grounding for i in group]
            rows.append([picture(image, reference, each) for each in [truth, *answers[:ANSWERS]]])
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"step-{step:06d}.png"
        sheet(rows).save(path)
        ids, questions = columns.get("id", [None] * len(texts)), columns.get("question", [""] * len(texts))
        lines = [
            {
                "id": ids[i],
                "prompt": n,
                "question": questions[i],
                "completion": texts[i],
                "first_term": scores[i],
                "bbox_2d": columns["bbox_2d"][i],
            }
            for n, group in enumerate(groups)
            for i in group
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        path.with_suffix(".jsonl").write_text(text, encoding="utf-8")
        return path


def _groups(images: Sequence[Image.Image], boxes: Sequence[list[float]]) -> list[list[int]]:
    """Indices of neighbouring completions of the same prompt: those with the same image and true box."""
    groups: list[list[int]] = []
    for i in range(len(images)):
        if groups and images[i] is images[groups[-1][0]] and boxes[i] == boxes[groups[-1][0]]:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def picture(image: Image.Image, reference: Reference | None, grounding: Grounding | None) -> Image.Image:
    """The image with box and points, at most CELL pixels long; a grey cross where there is nothing to draw.

    Args:
        image: as the model gets it, possibly without the original's aspect.
        reference: holds the original's size, in which `grounding` is.
    """
    size = image.size if reference is None else reference.image_wh
    scale = DRAWN / max(size)
    drawn_wh = tuple(max(1, round(v * scale)) for v in size)
    drawn = image.resize(drawn_wh, Image.Resampling.BILINEAR).convert("RGB")
    if grounding is None:
        ImageDraw.Draw(drawn).line((0, 0, *drawn.size), fill=NO_ANSWER, width=6)
    else:
        box = tuple(v * scale for v in grounding.box)
        points = tuple((x * scale, y * scale) for x, y in grounding.points)
        drawn = overlay(drawn, Grounding(box, points), notice=False)
    drawn.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
    return drawn


def sheet(rows: list[list[Image.Image]]) -> Image.Image:
    """Pictures side by side, a row under a row, on black."""
    out = Image.new("RGB", (CELL * max(len(row) for row in rows), CELL * len(rows)))
    for y, row in enumerate(rows):
        for x, each in enumerate(row):
            out.paste(each, (x * CELL + (CELL - each.width) // 2, y * CELL + (CELL - each.height) // 2))
    return out
