"""Publishes a trained folder as a model repository on the Hub: checked, completed, with its card, and nothing
in it that does not belong.

What a folder from training lacks is added: its prompt's hash, its card, its results. The user's folder is
never written to.

    publish("runs/sft", "user/name", evaluation="runs/evaluation", dry_run=True)
"""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError

from medreasoner.evaluation.summary import Summary
from medreasoner.hub.card import is_hub_id, model_card
from medreasoner.hub.metadata import CardFields, eval_results
from medreasoner.hub.model_folder import (
    IN_SEGMENTER,
    INDEX,
    SEGMENTER,
    WEIGHTS,
    belonging,
    check_beside,
    check_weights,
    link_files,
    refuse_outside,
    tensor_names,
)
from medreasoner.hub.push import Push, push_folder
from medreasoner.hub.repository import CARD, MARKER, is_ours
from medreasoner.json_files import read_json
from medreasoner.manifest import Manifest, adapter_base
from medreasoner.messages import first_line
from medreasoner.prompts import Prompt

RESULTS = "results/summary.json"


class PublishError(ValueError):
    """The folder is not fit to be published; the message says what was expected, what came and what to do."""


def publish(
    folder: str | Path,
    repo_id: str,
    evaluation: str | Path | None = None,
    *,
    licence: str | None = None,
    dataset: str | None = None,
    segmenter: str | Path | None = None,
    base: str | None = None,
    private: bool = True,
    create_pr: bool = False,
    dry_run: bool = False,
    tag: str | None = None,
    message: str | None = None,
) -> Push:
    """Push the model in `folder` with its card.

    Args:
        folder: of a model or a PEFT adapter, as training or a download left it.
        repo_id: "owner/name".
        evaluation: output folder of `medreasoner evaluate`; without it the card says that nothing was
            measured.
        licence, dataset, base: see `metadata.CardFields`.
        segmenter: a folder to send along, or the id of one on the Hub; None for the one the folder has or
            names, if any.
        private, create_pr, dry_run, tag, message: see `hub.push_folder`.

    Errors: PublishError before anything is sent, HubError.
    """
    folder = Path(folder).expanduser()
    with tempfile.TemporaryDirectory() as scratch:
        staged = Path(scratch) / "model"
        try:
            stage(folder, staged, repo_id, evaluation, CardFields(licence, dataset, base), segmenter)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise PublishError(f"{folder} is not fit to be published: {first_line(error)}") from error
        files = sorted(path.relative_to(staged).as_posix() for path in staged.rglob("*") if path.is_file())
        prune = (*WEIGHTS, INDEX, f"{SEGMENTER}/*")
        return push_folder(
            staged,
            repo_id,
            private=private,
            create_pr=create_pr,
            dry_run=dry_run,
            tag=tag,
            message=message or f"Push {folder.resolve().name}",
            files=files,
            prune=prune,
        )


def stage(
    folder: Path,
    out: Path,
    repo_id: str,
    evaluation: str | Path | None,
    given: CardFields,
    segmenter: str | Path | None,
) -> None:
    """Lay out the repository in `out`: links to what is in `folder`, and the files that are completed or
    made.

    Errors: ValueError, OSError.
    """
    link_files(folder, out, belonging(folder))
    based = adapter_base(folder)
    check_weights(folder, adapter=based is not None)
    if based is None:
        check_beside(folder)
    manifest = _settle_segmenter(folder, out, Manifest.read(folder), segmenter)
    prompt = Prompt.load(folder / "prompt.json") if (folder / "prompt.json").exists() else None
    if prompt and manifest.prompt_sha256 not in (None, prompt.sha256):
        raise ValueError(
            f"medreasoner.json names the prompt {manifest.prompt_sha256[:12]}…, but prompt.json is "
            f"{prompt.sha256[:12]}…; "
            "put back the prompt it was trained with, or take prompt_sha256 out if that is this one"
        )
    manifest = replace(manifest, prompt_sha256=prompt.sha256 if prompt else manifest.prompt_sha256)
    _write(out / "medreasoner.json", manifest.dumps())
    values = None if evaluation is None else _summary(Path(evaluation), prompt)
    summary = None if values is None else Summary.from_json(values)
    if summary is not None:
        _write(out / RESULTS, json.dumps(values, ensure_ascii=False, indent=1) + "\n")
        if given.dataset:
            _write(out / ".eval_results" / "medreasoner.yaml", eval_results(given.dataset, summary))
    own = (folder / CARD).read_text(encoding="utf-8") if (folder / CARD).exists() else ""
    if not own or (is_ours(own) and (summary is not None or MARKER not in own)):  # never a trainer's stub
        _write(out / CARD, model_card(folder, repo_id, manifest, summary, given))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # a link into the user's folder is replaced, what it points to is not touched
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")


def _settle_segmenter(folder: Path, out: Path, manifest: Manifest, asked: str | Path | None) -> Manifest:
    """Link the segmenter's folder, if it has one, and name the segmenter."""
    named = str(asked or manifest.segmenter or "")
    source = Path(named).expanduser() if asked else folder / named
    if named and source.is_dir():
        if not asked:
            refuse_outside(source, folder)
        link_files(source, out / SEGMENTER, IN_SEGMENTER)
        tensor_names(source / "model.safetensors")
        return replace(manifest, segmenter=SEGMENTER)
    if named and not is_hub_id(named):
        raise ValueError(f"the segmenter {named!r} is neither a folder nor an id like owner/name")
    return replace(manifest, segmenter=named or None)


def _summary(folder: Path, prompt: Prompt | None) -> dict:
    """The summary of an evaluation of this very prompt."""
    if not (folder / "summary.json").exists():
        raise ValueError(
            f"{folder} holds no summary.json; expected the output folder of `medreasoner evaluate`"
        )
    summary = read_json(folder / "summary.json")
    if prompt is not None and not prompt.sha256.startswith(summary["prompt"]):
        raise ValueError(
            f"{folder} measured the prompt {summary['prompt']}, but prompt.json is {prompt.sha256[:16]}; "
            "measure again"
        )
    return summary
