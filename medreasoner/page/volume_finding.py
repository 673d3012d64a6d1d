"""The finished answer about a whole stack: headline, reasoning and the machine's figures."""

from medreasoner.events import Absent, Done
from medreasoner.page import answer_view
from medreasoner.page.details import confidence_row, correction_row, row
from medreasoner.page.finding import UNKNOWN, headline
from medreasoner.page.volume_run import VolumeRun

ABSENT = "Not seen in this volume"
MAYBE = "The model sees what was asked about in none of the slices that it looked at. It may be wrong."


def volume_answer(run: VolumeRun) -> dict:
    """The finished answer about the stack."""
    question = run.provenance.question or ""
    if isinstance(run.result, Absent):
        head = {"question": question, "found": False, "confidence": UNKNOWN, "what": ABSENT, "facts": []}
        rows = [row("Model", run.result.model)]
        return answer_view.answer(run.result.think, rows, run.result.notes, headline=head | {"said": MAYBE})
    done, key = run.done(), run.result.key
    answer = run.slice_answer(run.result.slice)
    loaded = run.volume.slice(run.result.slice)
    head = (
        headline(answer, loaded)
        if answer
        else {"question": question, "what": "Nothing is outlined", "said": ""}
    )
    facts = head.get("facts", [])[:1]
    facts += [_span(*done.slices)] if done.slices[0] else []
    facts += [] if done.volume_ml is None else [f"{done.volume_ml:.2f} ml"]
    head |= {"found": True, "facts": facts}
    times = done.timings_s
    said = f"Looked for the slice {times['scanned']:.1f} s, all {times['total']:.1f} s."
    return answer_view.answer(key.think, _rows(run, key), done.notes, said, headline=head)


def _span(first: int | None, last: int | None) -> str:
    """Slices in words; None where nothing is outlined."""
    if first is None:
        return "no slice"
    return f"slice {first}" if first == last else f"slices {first} to {last}"


def _rows(run: VolumeRun, key: Done) -> list[dict]:
    """The machine's figures of a stack's answer."""
    done = run.done()
    corrected = run.changed_seeds()
    rows = []
    if corrected:
        clicks = [click for seed in corrected.values() for click in seed.clicks]
        listed = "slice " + ", ".join(str(number) for number in sorted(corrected))
        rows.append(correction_row(clicks) | {"aside": listed})
    rows.append(confidence_row(key) | {"aside": f"of the box on slice {done.slice}, which was asked"})
    looked = f"{len(run.looked)} slices were looked at" if run.looked else "chosen by you"
    rows.append(row("Asked", f"slice {done.slice} of {run.volume.shape[0]}", looked))
    rows.append(row("Outlined", _span(*done.slices), f"{len(done.scores)} slices"))
    if done.volume_ml is not None:
        rows.append(row("Volume", f"{done.volume_ml:.2f} ml"))
        rows.append(row("Long axis", f"{done.long_axis_mm:.1f} mm", "the longest within one slice"))
    if done.scores:
        worst = min(done.scores, key=done.scores.get)
        aside = "by the segmenter's own estimate, not calibrated"
        rows.append(row("Least sure", f"slice {worst}, {done.scores[worst]:.2f}", aside))
    return rows + [row("Model", key.model), row("Segmenter", key.segmenter)]
