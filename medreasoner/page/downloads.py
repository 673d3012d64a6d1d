"""The files of a finished run that a visitor can download; made when asked for, never written on the
server."""

import json
import re

from medreasoner.output import files
from medreasoner.output.data_url import data_url
from medreasoner.output.grounding_json import as_json
from medreasoner.page.session import Session
from medreasoner.page.volume_downloads import offered as volume_offered
from medreasoner.page.volume_downloads import volume_file, volume_files
from medreasoner.text.targets import named_target

ANSWERS = "answers.json"  # all answers about the image
# file -> (label of its button, media type)
BUTTONS = {
    files.MASK: ("Mask", "image/png"),
    files.OVERLAY: ("Overlay", "image/png"),
    files.JSON: ("JSON", "application/json"),
    ANSWERS: ("All answers", "application/json"),
    files.NIFTI: ("NIfTI", "application/gzip"),
    files.DICOM_SEG: ("DICOM-SEG", "application/dicom"),
}
BLANK = (
    "The DICOM-SEG leaves the patient's name, number, birth date and sex, the accession number and the "
    "study's date blank, because this page does not keep them; an archive fills them in from the image."
)


def available(session: Session) -> tuple[str, ...]:
    """The files that fit what is shown; none before a run has ended."""
    if session.shows_volume:
        return volume_files(session.volume)
    if session.shown is None:
        return ()
    names = files.file_names(session.loaded, session.shown.result.found)
    if files.DICOM_SEG in names and session.loaded.source.missing_references():
        names = tuple(name for name in names if name != files.DICOM_SEG)
    return (*names, ANSWERS) if len(session.answers) > 1 else names


def offered(session: Session) -> dict:
    """The value of the row of buttons."""
    if session.shows_volume:
        return volume_offered(session.volume)
    names = available(session)
    kinds = [{"kind": name, "label": label} for name, (label, _) in BUTTONS.items() if name in names]
    return {"kinds": kinds, "note": BLANK if files.DICOM_SEG in names else ""}


def make_file(session: Session, name: str) -> dict:
    """One file of a session whose run has ended, as {name, url}, `url` being a data URL.

    Errors: KeyError for a name that is not offered, output.files.ExportError.
    """
    if session.shows_volume:
        data = volume_file(session.volume, name)
    elif name == ANSWERS:
        data = _all_answers(session)
    else:
        clicks = [list(click) for click in session.clicks]
        corrections = {"corrected_by_hand": session.corrected, "clicks": clicks}
        data = files.export_file(
            name, session.shown.result, session.loaded, session.provenance, session.truth, corrections
        )
    return {"name": saved_name(session, name), "url": data_url(data, BUTTONS[name][1])}


def saved_name(session: Session, name: str) -> str:
    """What a file is called at the visitor's: image, slice, target, and what it is
    ("CT_small-slice12-spleen-mask.png")."""
    parts = [session.name or "image"]
    if session.shows_volume:
        return "-".join(re.sub(r"[^\w.]+", "-", part).strip("-.") for part in (*parts, "volume", name))
    if session.loaded.view.slice is not None:
        parts.append(f"slice{session.loaded.view.slice}")
    if name != ANSWERS:
        target = named_target(session.shown.result.think) or "target"
        parts.append(target if session.shown.result.found else f"no-{target}")
    return "-".join(re.sub(r"[^\w.]+", "-", part).strip("-.") for part in (*parts, name))


def _all_answers(session: Session) -> bytes:
    answers = [
        as_json(
            answer.result,
            session.loaded,
            answer.provenance,
            {"corrected_by_hand": answer.corrected, "clicks": [list(click) for click in answer.clicks]},
        )
        for answer in session.answers
    ]
    return (json.dumps({"answers": answers}, allow_nan=False, indent=1) + "\n").encode("ascii")
