"""The headline of an answer: what was found, where, how large, how sure, and to which question."""

import numpy as np

from medreasoner.events import Absent, Done
from medreasoner.geometry import Box
from medreasoner.imaging import LoadedImage
from medreasoner.page.answers import AnsweredQuestion
from medreasoner.page.measure import axes
from medreasoner.text.places import place_phrase, place_words
from medreasoner.text.targets import named_target

UNKNOWN = "not known"
LOW, HIGH = 0.4, 0.75  # chances below and from which confidence is called low and high
MIDLINE = 0.06  # of the image's width to either side of its middle that counts as neither side
SIDES = {"R": "patient's right", "L": "patient's left"}
ABSENT = "Not seen in this image"


def headline(answer: AnsweredQuestion, loaded: LoadedImage) -> dict:
    """The value of an answer's headline: {question, what, facts, found, confidence}; `facts` are short texts
    in the order in which they are read."""
    result = answer.result
    value = {
        "question": answer.question,
        "found": result.found,
        "confidence": confidence_word(result.confidence),
    }
    if isinstance(result, Absent):
        said = "The model was asked about something that it does not see here. It may be wrong."
        return value | {"what": ABSENT, "facts": [], "said": said}
    name = named_target(result.think) or "Place that answers the question"
    facts = [where(result.grounding.box, loaded), size(result, loaded)]
    return value | {"what": name[0].upper() + name[1:], "facts": facts, "said": ""}


def line(answer: AnsweredQuestion, loaded: LoadedImage) -> dict:
    """An answer as a line of the history: {id, question, finding}."""
    head = headline(answer, loaded)
    finding = ", ".join([head["what"], *(fact.removesuffix(" of the image") for fact in head["facts"][:1])])
    return {"id": answer.id, "question": answer.question, "finding": finding}


def confidence_word(confidence: float | None) -> str:
    """low, medium or high for a calibrated chance of 0..1; "not known" for None."""
    if confidence is None:
        return UNKNOWN
    return "low" if confidence < LOW else "medium" if confidence < HIGH else "high"


def where(box: Box, loaded: LoadedImage) -> str:
    """The patient's side where the image says which edge is which and the box lies to one side; else the
    place in the image."""
    width = loaded.image.width
    offset = (box[0] + box[2]) / 2 / width - 0.5
    if loaded.orientation is not None:
        letter = loaded.orientation[0 if offset < 0 else 1][:1]
        if letter in SIDES and abs(offset) > MIDLINE:
            return SIDES[letter]
    return f"{place_phrase(*place_words(box, loaded.image.size))} of the image"


def size(done: Done, loaded: LoadedImage) -> str:
    """The mask's long and short axis, or, without a mask, the sides of the box; in mm where the spacing is
    known."""
    unit = "px" if loaded.spacing_mm is None else "mm"
    found = axes(done.mask, loaded.spacing_mm) if np.any(done.mask) else None
    if found is None:
        x1, y1, x2, y2 = done.grounding.box
        sx, sy = loaded.spacing_mm or (1, 1)
        found = sorted(((x2 - x1) * sx, (y2 - y1) * sy), reverse=True)
    return f"{found[0]:.0f} × {found[1]:.0f} {unit}"
