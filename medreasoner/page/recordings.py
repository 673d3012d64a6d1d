"""Recorded runs of the examples, played back to visitors for whom no GPU is free; the page says that they are
recordings.

    python -m medreasoner.page.recordings [--model ID_OR_FOLDER] [--out medreasoner/examples/recorded.json]
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from medreasoner.events import Done, Event, Located, Segmented, Thinking
from medreasoner.geometry import Grounding
from medreasoner.imaging import load_image
from medreasoner.output.grounding_json import as_json
from medreasoner.output.rle import rle_to_mask
from medreasoner.page.examples import FOLDER, load_examples
from medreasoner.reasoners.replay import image_key

FILE = FOLDER / "recorded.json"
PIECE_SECONDS = 0.03  # between two pieces of the reasoning, whatever machine it was recorded on
NO_GPU = "This is a recorded run of {model}: no GPU was free for a new one."
LINKED = "This is a recorded run of {model}, the same for everybody who follows this link."


@dataclass(frozen=True)
class Recording:
    """`pieces`: the reasoning as it was streamed; `done`: the end of the run."""

    pieces: tuple[str, ...]
    done: Done


def record(events: Iterator[Event], image: Image.Image, question: str) -> dict:
    """A run as the file holds it. Errors: ValueError for a run without a mask."""
    *earlier, last = events
    if not isinstance(last, Done):
        raise ValueError(f"the run on {question!r} ended without a mask: {last}")
    pieces = [event.text for event in earlier if isinstance(event, Thinking)]
    more = {"image_sha256": image_key(image), "question": question, "pieces": pieces}
    more |= {"notes": list(last.notes), "tokens_per_s": last.tokens_per_s}
    return as_json(last, more=more)


def load_recordings(path: Path = FILE) -> dict[tuple[str, str], Recording]:
    """(image, question) -> its recording; {} where there is no file. The image is named by
    `replay.image_key`."""
    if not path.exists():
        return {}
    runs = json.loads(path.read_text(encoding="utf-8"))
    return {(run["image_sha256"], run["question"]): _recording(run) for run in runs}


def play(recording: Recording, note: str = NO_GPU) -> Iterator[Event]:
    """The events of the run again, at an even pace, with a note that says what they are."""
    for piece in recording.pieces:
        yield Thinking(piece)
        time.sleep(PIECE_SECONDS)
    done = recording.done
    notes = (*done.notes, note.format(model=done.model))
    yield Located(done.grounding, notes)
    yield Segmented(done.mask, done.mask_score)
    yield replace(done, notes=notes, model=f"{done.model} (recorded)")


def _recording(run: dict) -> Recording:
    first, second = (tuple(point) for point in run["points_xy"])
    done = Done(
        think=run["think"],
        answer_text=run["answer_text"],
        grounding=Grounding(tuple(run["box_xyxy"]), (first, second)),
        mask=rle_to_mask(run["mask_rle"]),
        mask_score=run["uncalibrated"]["mask_iou_estimate"],
        image_wh=tuple(run["image_wh"]),
        notes=tuple(run["notes"]),
        timings_s=run["timings_s"],
        tokens_per_s=run["tokens_per_s"],
        model=run["model"],
        segmenter=run["segmenter"],
        confidence=run["confidence"],
    )
    return Recording(tuple(run["pieces"]), done)


def main() -> None:
    from medreasoner.model import MedReasoner

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="Hub id or folder; default: the embedded model")
    parser.add_argument("--out", type=Path, default=FILE)
    args = parser.parse_args()
    model = MedReasoner.from_pretrained(args.model)
    runs = []
    for example in load_examples():
        image = load_image(example.image).image
        runs.append(record(model.stream(image, example.question), image, example.question))
    args.out.write_text(json.dumps(runs, indent=0) + "\n", encoding="ascii")
    print(f"{len(runs)} runs, {args.out.stat().st_size / 1024:.0f} KiB in {args.out}")


if __name__ == "__main__":
    main()
