"""Loads a reasoner and the segmenter that fits it: the one its folder holds or names, or another."""

from pathlib import Path

from medreasoner.hub.errors import HubError
from medreasoner.hub.pull import fetch_folder
from medreasoner.manifest import EMBEDDED_FOLDER, EMBEDDED_NAME
from medreasoner.prompts import Prompt
from medreasoner.reasoners.base import Reasoner, ReasonerError
from medreasoner.reasoners.registry import has_files, load_reasoner, usable_device
from medreasoner.segmenters.base import Segmenter
from medreasoner.segmenters.registry import full_name, load_segmenter


def load_pair(
    model: str | Path | None,
    segmenter: str | Path | None,
    device: str | None,
    *,
    prompt: Prompt | None,
    revision: str | None,
    segmenter_revision: str | None,
    allow_pickle: bool,
    family: str | None,
) -> tuple[Reasoner, Segmenter, Path | None]:
    """(reasoner, segmenter, where the reasoner's files lie), for the arguments and with the errors of
    `MedReasoner.from_pretrained`."""
    _refuse_blank(model, segmenter)
    embedded = model is None or str(model) == EMBEDDED_NAME
    if embedded and not EMBEDDED_FOLDER.is_dir():
        raise ReasonerError(
            f"the embedded model is not installed: there is no folder {EMBEDDED_FOLDER}; name a model"
        )
    name, folder = (EMBEDDED_NAME, EMBEDDED_FOLDER) if embedded else (str(model), None)
    if folder is None and has_files(name):
        usable_device(device)
        try:
            folder = fetch_folder(name, revision)
        except HubError as error:
            raise ReasonerError(str(error)) from error
    reasoner = load_reasoner(folder or name, device, prompt, name=name, family=family)
    chosen = fitting_segmenter(reasoner, segmenter, device, segmenter_revision, allow_pickle)
    return reasoner, chosen, folder


def _refuse_blank(model: str | Path | None, segmenter: str | Path | None) -> None:
    """Errors: ReasonerError for a name without a letter, which would mean the working folder."""
    for kind, name in (("model", model), ("segmenter", segmenter)):
        if name is not None and not str(name).strip(". /"):
            raise ReasonerError(
                f"{str(name)!r} is no {kind}; give a folder by its name or an id on the Hub like owner/name, "
                "or leave it out"
            )


def fitting_segmenter(
    reasoner: Reasoner, segmenter: str | Path | None, device: str | None, *options: object
) -> Segmenter:
    """The segmenter of that name, or the one that was made for `reasoner`; `options` are revision and
    allow_pickle. Errors: SegmenterError."""
    paired = reasoner.paired_segmenter
    if paired is None or (segmenter is not None and full_name(segmenter) != paired.segmenter):
        return load_segmenter(segmenter, device, None, *options)
    named = isinstance(paired.segmenter, str)
    name = paired.segmenter if named else f"{reasoner.name}/{paired.segmenter.name}"
    return load_segmenter(paired.segmenter, device, paired.tower, *options, name=name)
