"""Opens a reasoner by its name: a Hub id, a folder, a served model or a file of recorded runs."""

from pathlib import Path

from medreasoner.device import pick_device
from medreasoner.hub.errors import HubError
from medreasoner.hub.pull import commit_of, fetch_folder
from medreasoner.json_files import read_json
from medreasoner.manifest import adapter_base
from medreasoner.prompts import Prompt
from medreasoner.reasoners.base import Reasoner, ReasonerError
from medreasoner.reasoners.families import FAMILIES

SAM3 = ("sam3", "sam3_video")  # model types; no language models, but asked in words all the same
SERVED = "openai:"  # before the name of a model behind a server


def load_reasoner(
    id_or_folder: str | Path,
    device: str | None = None,
    prompt: Prompt | None = None,
    revision: str | None = None,
    name: str | None = None,
    family: str | None = None,
) -> Reasoner:
    """Open a reasoner.

    Args:
        id_or_folder: a Hub id or a folder of a transformers image-text-to-text model or of a PEFT adapter for
            one; `openai:MODEL` or `openai:MODEL@URL` for a model behind an OpenAI-compatible server; a
            `.json` file of recorded runs.
        device: "cpu", "cuda", "mps" or "auto" (spread over all GPUs); None takes a GPU if there is one.
        prompt: instead of the folder's `prompt.json`, or of the project's own prompt where it has none.
        revision: branch, tag or commit on the Hub.
        name: for records, instead of `id_or_folder`.
        family: one of `families.FAMILIES`, where neither config.json nor the served model's name tells it, or
            tells it wrongly.

    Errors: ReasonerError.
    """
    if family is not None and family not in FAMILIES:
        raise ReasonerError(f"the family {family!r} is not known; expected one of {', '.join(FAMILIES)}")
    if str(id_or_folder).startswith(SERVED):
        from medreasoner.reasoners.openai_server import OpenAIReasoner

        return OpenAIReasoner.open(str(id_or_folder).removeprefix(SERVED), prompt, family)
    if not has_files(id_or_folder):
        from medreasoner.reasoners.replay import ReplayReasoner

        return ReplayReasoner.load(id_or_folder)
    device = usable_device(device)
    folder, adapter = _fetch(id_or_folder, revision)
    name = name or str(id_or_folder)
    if _model_type(folder) in SAM3:
        from medreasoner.reasoners.sam3 import Sam3Reasoner

        reasoner = Sam3Reasoner.load(folder, name, pick_device(device))
    else:
        from medreasoner.reasoners.loading import load_vlm

        reasoner = load_vlm(folder, name, device, prompt, adapter, family)
    reasoner.revision = commit_of(adapter or folder)
    return reasoner


def usable_device(device: str | None) -> str:
    """The device to load a model on, asked for before anything is fetched; "auto" stays, for it spreads the
    model. Errors: ReasonerError.
    """
    try:
        return device if device == "auto" else pick_device(device)
    except ValueError as error:
        raise ReasonerError(str(error)) from error


def has_files(id_or_folder: str | Path) -> bool:
    """Whether a model of this name has a folder, on the Hub or here; a served model and a recording have
    none.
    """
    recorded = str(id_or_folder).endswith(".json") and not Path(id_or_folder).is_dir()
    return not recorded and not str(id_or_folder).startswith(SERVED)


def _fetch(id_or_folder: str | Path, revision: str | None) -> tuple[Path, Path | None]:
    """(folder of a whole model, folder of the adapter on it or None). Errors: ReasonerError."""
    base = None
    try:
        folder = fetch_folder(id_or_folder, revision)
        if base := adapter_base(folder):
            return fetch_folder(*base), folder
    except (HubError, ValueError) as error:
        why = f"the adapter {id_or_folder} stands on {base[0]}: {error}" if base else str(error)
        raise ReasonerError(why) from error
    return folder, None


def _model_type(folder: Path) -> str | None:
    """The `model_type` of a folder's config.json; None where it has none that can be read, which its reader
    reports."""
    try:
        return read_json(folder / "config.json").get("model_type")
    except (OSError, ValueError):
        return None
