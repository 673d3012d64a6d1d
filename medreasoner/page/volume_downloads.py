"""The files of a finished run over a stack that a visitor can download: the mask in space in the volume's own
format, its JSON, and all of it as it was corrected.
"""

import json

from medreasoner.output.files import DICOM_SEG, JSON, NIFTI
from medreasoner.output.volume_files import OWN_FORMAT, volume_json, volume_mask_file
from medreasoner.page.volume_run import VolumeRun

BLANK = (
    "The DICOM-SEG leaves the patient's name, number, birth date and sex, the accession number and the "
    "study's date blank, because this page does not keep them; an archive fills them in from the images."
)
LABELS = {NIFTI: "3D NIfTI", DICOM_SEG: "3D DICOM-SEG", JSON: "JSON"}


def volume_files(run: VolumeRun) -> tuple[str, ...]:
    """The names of the files that fit the run; none before its end."""
    if run.result is None or run.running:
        return ()
    if not run.found:
        return (JSON,)
    own = OWN_FORMAT[run.volume.kind]
    lacking = own == DICOM_SEG and any(one.missing_references() for one in run.volume.source)
    return (JSON,) if lacking else (own, JSON)


def offered(run: VolumeRun) -> dict:
    """The value of the row of buttons."""
    names = volume_files(run)
    kinds = [{"kind": name, "label": label} for name, label in LABELS.items() if name in names]
    return {"kinds": kinds, "note": BLANK if DICOM_SEG in names else ""}


def volume_file(run: VolumeRun, name: str) -> bytes:
    """One of `volume_files`. Errors: output.files.ExportError."""
    done = run.done() if run.found else run.result
    if name != JSON:
        return volume_mask_file(done, run.volume)[0]
    corrected = run.changed_seeds() if run.found else {}
    seeds = {
        str(number): {"box_xyxy": seed.box and list(seed.box), "clicks": [list(each) for each in seed.clicks]}
        for number, seed in sorted(corrected.items())
    }
    more = {"corrected_by_hand": bool(seeds), "corrected_slices": seeds}
    content = volume_json(done, run.volume, run.provenance, more)
    return (json.dumps(content, allow_nan=False, indent=1) + "\n").encode("ascii")
