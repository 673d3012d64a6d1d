"""What the status line and the answer show in each state of a run, as plain values. The scripts in `static/`
put them on the page."""

import re
from collections.abc import Sequence

from medreasoner.events import Absent, Done, Failed
from medreasoner.page.details import around, place
from medreasoner.text.mentions import find_mentions
from medreasoner.text.places import HEIGHTS, SIDES, place_agrees, place_phrase

_PHRASES = [re.compile(rf"\b{place_phrase(side, height)}\b") for side in SIDES for height in HEIGHTS]


def status(phase: str, text: str = "", warning: bool = False) -> dict:
    """One line on what is happening.

    Args:
        phase: empty, ready, opening, loading, reading, thinking, outlining, sampling, stopped, done,
            malformed or error; `waiting` is set in the browser alone.
        warning: something was refused; what the page shows is as it was.
    """
    return {"phase": phase, "text": text, "warning": warning}


def answer(
    think: str = "",
    rows: list[dict] | None = None,
    notes: tuple[str, ...] = (),
    times: str = "",
    *,
    headline: dict | None = None,
    places: Sequence[dict] = (),
    problem: str = "",
    completion: str = "",
) -> dict:
    """The value of the answer component.

    Args:
        think: the reasoning so far. places: the parts of it that mean a place, see `places`.
        rows: what was found, see `details`. notes: repairs that were needed. times: see `timings`.
        headline: see `finding.headline`; before the end of a run only the question.
        problem: what is wrong with an answer that cannot be used. completion: what the model wrote instead.
    """
    texts = {"think": think, "places": list(places), "problem": problem, "completion": completion}
    return texts | {"rows": rows or [], "notes": list(notes), "times": times, "headline": headline or {}}


def failure(event: Failed, think: str, rows: list[dict], question: str = "") -> tuple[dict, dict]:
    """(status, answer) of a run that ended without a mask. Where the model's answer is at fault, what it
    wrote is shown."""
    asked = {"question": question}
    if event.reason == "stopped":
        return status("stopped", "Stopped"), answer(think, headline=asked)
    if event.reason in ("question", "model", "segmenter"):
        return status("error", event.message), answer(think, rows, headline=asked)
    completion = event.text.partition(event.think)[2] if event.think else event.text
    return status("malformed", "The answer could not be used"), answer(
        think, problem=event.message, completion=completion, headline=asked
    )


def places(done: Done) -> list[dict]:
    """The place words and coordinates in the reasoning of `done`: {start, end} in characters, and the part of
    the image that each means, `box`, in pixels. A place word means the box where the box lies there; one that
    speaks of another part of the image is left alone."""
    found = []
    for phrase in _PHRASES:
        for match in phrase.finditer(done.think):
            if place_agrees(match[0], done.grounding.box, done.image_wh):
                found.append(place(match.start(), match.end(), done.grounding.box))
    for mention in find_mentions(done.think, done.frame, done.image_wh, done.input_wh) if done.frame else ():
        box = mention.box or around(mention.point, done.grounding.box)
        found.append(place(mention.start, mention.end, box))
    return sorted(found, key=lambda place: place["start"])


def timings(result: Done | Absent) -> str:
    """Seconds to the first word, the box, the mask and the end, and the speed where it was measured."""
    times = result.timings_s
    parts = [f"First word {times['first_token']:.2f} s"]
    if "located" in times:
        parts.append(f"box {times['located']:.2f} s")
        parts.append(f"mask {times['mask_after_last_token']:.2f} s later")
    parts.append(f"total {times['total']:.2f} s")
    if result.tokens_per_s is not None:
        parts.append(f"{result.tokens_per_s:.0f} tokens/s")
    return ", ".join(parts) + "."
