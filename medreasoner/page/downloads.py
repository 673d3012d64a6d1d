"""The files of a finished run that a visitor can download; made when asked for, never written on the
server."""

from medreasoner.output import files
from medreasoner.output.data_url import data_url
from medreasoner.page.session import Session

# file -> (label of its button, media type)
BUTTONS = {
    files.MASK: ("Mask", "image/png"),
    files.OVERLAY: ("Overlay", "image/png"),
    files.JSON: ("JSON", "application/json"),
    files.NIFTI: ("NIfTI", "application/gzip"),
    files.DICOM_SEG: ("DICOM-SEG", "application/dicom"),
}


def offered(session: Session) -> dict:
    """The value of the row of buttons: the files that fit this image; none before a run has ended."""
    available = () if session.done is None else files.file_names(session.loaded)
    kinds = [{"kind": name, "label": label} for name, (label, _) in BUTTONS.items() if name in available]
    return {"kinds": kinds}


def make_file(session: Session, name: str) -> dict:
    """One file of a session whose run has ended, as {name, url}, `url` being a data URL.

    Errors: KeyError for a name that is not offered, output.files.ExportError.
    """
    clicks = [list(click) for click in session.clicks]
    corrections = {"corrected_by_hand": session.corrected, "clicks": clicks}
    data = files.export_file(
        name, session.done, session.loaded, session.provenance, session.truth, corrections
    )
    return {"name": name, "url": data_url(data, BUTTONS[name][1])}
