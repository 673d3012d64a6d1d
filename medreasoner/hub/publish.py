"""A trained folder as a model repository on the Hub: checked, completed, with its card, and nothing in it that does not belong.

Is: the choice of files, the checks before anything is sent, and what a folder from training lacks: its prompt's hash, its card, its
results. The user's folder is never written to. Is not: the sending; that is `hub.push`.

    publish("runs/sft", "user/name", evaluation="runs/evaluation", dry_run=True)
"""

import fnmatch
import json
import tempfile
from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError, safe_open

from medreasoner.evaluation.summary import Summary
from medreasoner.hub.card import is_hub_id, model_card
from medreasoner.hub.metadata import CardFields, eval_results
from medreasoner.hub.push import CARD, MARKER, Push, is_ours, push_folder
from medreasoner.json_files import read_json
from medreasoner.manifest import Manifest, adapter_base
from medreasoner.messages import first_line
from medreasoner.prompts import Prompt

WEIGHTS = ("model.safetensors", "model-*-of-*.safetensors", "adapter_model.safetensors")
# what a transformers, PEFT or MedReasoner folder needs to be loaded, and what it says of itself
BELONG = (
    *WEIGHTS, "model.safetensors.index.json", "config.json", "adapter_config.json", "generation_config.json", "tokenizer.json",
    "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
    "chat_template.jinja", "chat_template.json", "processor_config.json", "preprocessor_config.json", "video_preprocessor_config.json",
    "prompt.json", "medreasoner.json", "run.json", CARD, "LICENSE*",
)  # fmt: skip
SEGMENTER = "segmenter"
IN_SEGMENTER = ("config.json", "model.safetensors", "medreasoner.json", "run.json", "LICENSE*")
RESULTS = "results/summary.json"


class PublishError(ValueError):
    """The folder is not fit to be published; the message says what was expected, what came and what to do."""


def publish(
    folder: str | Path,
    repo_id: str,
    evaluation: str | Path | None = None,
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
        evaluation: output folder of `medreasoner evaluate`; without it the card says that nothing was measured.
        licence, dataset, base: see `metadata.CardFields`.
        segmenter: a folder to send along, or the id of one on the Hub; None for the one the folder has or names, if any.
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
        prune = (*WEIGHTS, "model.safetensors.index.json", f"{SEGMENTER}/*")
        message = message or f"Push {folder.resolve().name}"
        return push_folder(staged, repo_id, "model", private, create_pr, dry_run, tag, message, files, prune)


def stage(
    folder: Path,
    out: Path,
    repo_id: str,
    evaluation: str | Path | None,
    given: CardFields,
    segmenter: str | Path | None,
) -> None:
    """Lay out the repository in `out`: links to what is in `folder`, and the files that are completed or made.

    Errors: ValueError, OSError.
    """
    _link(folder, out, BELONG)
    based = adapter_base(folder)
    _check_weights(folder, adapter=based is not None)
    if based is None:
        _check_beside(folder)
    manifest = _settle_segmenter(folder, out, Manifest.read(folder), segmenter)
    prompt = Prompt.load(folder / "prompt.json") if (folder / "prompt.json").exists() else None
    if prompt and manifest.prompt_sha256 not in (None, prompt.sha256):
        raise ValueError(
            f"medreasoner.json names the prompt {manifest.prompt_sha256[:12]}…, but prompt.json is {prompt.sha256[:12]}…; "
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


def _link(folder: Path, out: Path, patterns: tuple[str, ...]) -> None:
    if not folder.is_dir():
        raise ValueError("there is no such folder")
    out.mkdir(parents=True)
    for path in folder.iterdir():
        if path.is_file() and any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns):
            (out / path.name).symlink_to(path.resolve())


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(
        missing_ok=True
    )  # a link into the user's folder is replaced, what it points to is not touched
    path.write_text(text, encoding="utf-8")


def _check_weights(folder: Path, adapter: bool) -> None:
    """ValueError unless every tensor that is announced is there. Only the files' headers are read."""
    index = folder / "model.safetensors.index.json"
    single = folder / ("adapter_model.safetensors" if adapter else "model.safetensors")
    if adapter or not index.exists():
        if not single.exists():
            raise ValueError(
                f"it holds no {single.name}; weights are published as safetensors, never as .bin or .pt"
            )
        _tensors(single)
        return
    placed = read_json(index)["weight_map"]
    for name in sorted(set(placed.values())):
        lacking = {tensor for tensor, shard in placed.items() if shard == name} - _tensors(folder / name)
        if lacking:
            raise ValueError(
                f"{name} lacks {len(lacking)} tensors that {index.name} says it holds, {min(lacking)} for one"
            )


def _tensors(path: Path) -> set[str]:
    if not path.exists():
        raise ValueError(f"the shard {path.name} is missing")
    try:
        with safe_open(path, "np") as file:
            return set(file.keys())
    except SafetensorError as error:
        raise ValueError(f"{path.name} cannot be read: {first_line(error)}; is it whole?") from error


def _check_beside(folder: Path) -> None:
    """ValueError unless a tokenizer, an image processor and a chat template lie beside the weights."""
    needed = {
        "config.json": ("config.json",),
        "a tokenizer": ("tokenizer.json", "tokenizer.model", "vocab.json"),
        "an image processor": ("processor_config.json", "preprocessor_config.json"),
        "a chat template": ("chat_template.jinja", "chat_template.json"),
    }
    for what, names in needed.items():
        if not any((folder / name).exists() for name in names):
            raise ValueError(f"it lacks {what}; expected {' or '.join(names)} beside the weights")


def _settle_segmenter(folder: Path, out: Path, manifest: Manifest, asked: str | Path | None) -> Manifest:
    """Link the segmenter's folder, if it has one, and name the segmenter."""
    named = str(asked or manifest.segmenter or "")
    source = Path(named).expanduser() if asked else folder / named
    if named and source.is_dir():
        _link(source, out / SEGMENTER, IN_SEGMENTER)
        _tensors(source / "model.safetensors")
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
            f"{folder} measured the prompt {summary['prompt']}, but prompt.json is {prompt.sha256[:16]}; measure again"
        )
    return summary
