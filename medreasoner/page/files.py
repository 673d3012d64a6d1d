"""What a visitor can take home: the files of a finished run, made when asked for and handed to the browser.

Is: which files fit this image, and one of them as a data URL. Is not: their contents (`medreasoner.export`), nor a file on the server.
"""

from medreasoner.output import files as export
from medreasoner.output.data_url import data_url
from medreasoner.page.session import Session

# name -> what the button says, the media type
BUTTONS = {
    export.MASK: ("Mask", "image/png"),
    export.OVERLAY: ("Overlay", "image/png"),
    export.JSON: ("JSON", "application/json"),
    export.NIFTI: ("NIfTI", "application/gzip"),
    export.DICOM_SEG: ("DICOM-SEG", "application/dicom"),
}


def offer(session: Session) -> dict:
    """The value of the row of buttons: what can be taken home now, nothing before a run has ended."""
    there = () if session.done is None else export.file_names(session.loaded)
    return {
        "kinds": [{"kind": name, "label": label} for name, (label, _) in BUTTONS.items() if name in there]
    }


def make(session: Session, name: str) -> dict:
    """One file of a session whose run has ended, as {name, url}, `url` being a data URL.

    Errors: KeyError for a name that is not offered, export.ExportError.
    """
    corrections = {
        "corrected_by_hand": session.corrected,
        "clicks": [list(click) for click in session.clicks],
    }
    data = export.export_file(name, session.done, session.loaded, session.provenance, session.truth, corrections)
    return {"name": name, "url": data_url(data, BUTTONS[name][1])}
