"""How sure the model is: the same question answered again a few times by chance, and how far the boxes
agree."""

from collections.abc import Iterator, Sequence
from contextlib import closing

from medreasoner.geometry import Box
from medreasoner.metrics import AGREES, agreement
from medreasoner.page import answer_view
from medreasoner.page.session import Session
from medreasoner.page.updates import Values
from medreasoner.sampling import SAMPLES, TEMPERATURE, SampledAnswer


def confidence_updates(samples: Iterator[SampledAnswer], session: Session) -> Iterator[Values]:
    """What to show as samples come; they are compared with the model's own answer, whether or not it has been
    corrected since."""
    boxes, seconds = [], 0.0
    yield {"status": _asking_again(1)}
    with closing(samples):
        for sample in samples:
            boxes.append(sample.box)
            seconds += sample.seconds
            finished = len(boxes) == SAMPLES
            status = answer_view.status("done", "Done") if finished else _asking_again(len(boxes) + 1)
            value = confidence_value(boxes, session.model_grounding.box, SAMPLES, seconds)
            yield {"status": status, "confidence": value}


def _asking_again(number: int) -> dict:
    return answer_view.status("sampling", f"Asking again, {number} of {SAMPLES}")


def confidence_value(boxes: Sequence[Box | None], model_box: Box, total: int, seconds: float) -> dict:
    """The component's value: boxes, rows {name, text, aside}, and how the samples were made.

    Args:
        boxes: of the samples so far, in pixels; None for one that could not be read.
        total: how many samples there will be. seconds: spent on those so far.
    """
    agreed = agreement(boxes, model_box)
    unreadable = sum(box is None for box in boxes)
    aside = f"with the model's answer, box IoU at least {AGREES}"
    if unreadable:
        aside += f"; {unreadable} could not be read"
    rows = [_row("Agreement", f"{agreed.agreeing} of {agreed.number} samples", aside)]
    if agreed.pairwise_iou is not None:
        rows.append(
            _row("Pairs", f"{agreed.pairwise_iou:.2f}", "mean box IoU of the samples among themselves")
        )
    note = f"Asked {total} times more, drawn at temperature {TEMPERATURE:g}"
    note += f", in {seconds:.1f} s" if agreed.number == total else f"; {agreed.number} came"
    note += (
        ". Their boxes are the thin lines on the image. Agreement is consistency: all of them can be wrong."
    )
    shown = [list(box) for box in boxes if box is not None]
    return {"offered": True, "boxes": shown, "rows": rows, "note": note}


def _row(name: str, text: str, aside: str) -> dict:
    return {"name": name, "text": text, "aside": aside}
