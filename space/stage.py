"""Makes the folder that becomes a Space: the page, the library with the examples, pinned requirements and the
card.

A Space installs `requirements.txt` before any other file of it is there, so what no index offers ready to
install lies beside `app.py` as plain Python: this library, and the sam2 package, whose sdist would be built
in isolation and fetch a second torch for it.
"""

import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from packaging.requirements import Requirement

from medreasoner.events import NOTICE
from medreasoner.hub.card import render
from medreasoner.hub.repository import MARKER
from medreasoner.manifest import EMBEDDED_NAME
from medreasoner.segmenters.base import MEDSAM2

ROOT = Path(__file__).parent.parent
PARTS = ("app.py", "medreasoner", "LICENSE")
PYTHON = "3.12"  # ZeroGPU's newest; without the line a Space gets 3.10
FOR_SAM2 = ("hydra-core", "iopath")  # what sam2 needs besides the library's own dependencies
UNPINNED = {"spaces"}  # ZeroGPU brings the version that fits it
KINDS = {
    *(".py", ".yaml", ".json", ".jsonl", ".jinja", ".md", ".html", ".css", ".js", ".jpg", ".png"),
    ".safetensors",
}


class StageError(RuntimeError):
    """The folder cannot be made; the message says what was expected, what came and what to do."""


@dataclass(frozen=True)
class Content:
    """What the Space runs and how its card is headed.

    Args:
        model: Hub id of a reasoning model; None for the embedded pair.
        revision: commit of the model that the Space keeps to; None for the newest at each start.
        segmenter: Hub id, or "embedded"; None for the one that fits the model.
        own_segmenter: whether the model's repository holds a segmenter of its own.
        title: of the Space.
        datasets: Hub ids, linked on the card.
        preload: whether the model's files are put into the Space when it is built; the Hub does that for
            public models only.
    """

    model: str | None = None
    segmenter: str | None = None
    own_segmenter: bool = False
    title: str = "MedReasoner"
    datasets: tuple[str, ...] = ()
    preload: bool = False
    revision: str | None = None

    @property
    def embedded(self) -> bool:
        """Whether the small weights of this project go along."""
        return self.model is None or self.segmenter == EMBEDDED_NAME

    @property
    def fetched_segmenter(self) -> str | None:
        """Hub id of a segmenter that is downloaded by itself; it may need the sam2 package."""
        if self.segmenter is not None:
            return None if self.segmenter == EMBEDDED_NAME else self.segmenter
        return None if self.model is None or self.own_segmenter else MEDSAM2

    @property
    def models(self) -> list[str]:
        """Hub ids of what is downloaded when the page starts."""
        return [name for name in (self.model, self.fetched_segmenter) if name is not None]

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables with which `app.py` opens these models."""
        named = {
            "MEDREASONER_MODEL": self.model,
            "MEDREASONER_REVISION": self.revision,
            "MEDREASONER_SEGMENTER": self.segmenter,
        }
        return {key: value for key, value in named.items() if value is not None}


def stage(content: Content, folder: Path) -> list[str]:
    """Fill the empty `folder`; returns the paths of its files, with "/". Errors: StageError."""
    for name in belonging(ROOT):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    if not content.embedded:
        shutil.rmtree(folder / "medreasoner" / "embedded", ignore_errors=True)
    if content.fetched_segmenter:
        _add_sam2(folder)
    needed = requirements(with_sam2=content.fetched_segmenter is not None)
    (folder / "requirements.txt").write_text("\n".join(needed) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card(content), encoding="utf-8")
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def belonging(root: Path) -> list[str]:
    """What of the project's files the Space gets, with "/": of its kinds alone, no links, nothing hidden, and
    where `root` is a Git checkout only what is tracked. Whatever else lies there (tokens, patients' files)
    would be public.
    """
    tracked, names = _tracked(root), []
    for part in PARTS:
        for path in (root / part, *(root / part).rglob("*")):
            name = path.relative_to(root).as_posix()
            is_ours = name in PARTS or path.suffix in KINDS
            is_ours = is_ours and (tracked is None or name in tracked)
            is_hidden = any(step.startswith((".", "__pycache__")) for step in name.split("/"))
            if not is_ours or is_hidden or not path.is_file():
                continue
            if path.is_symlink() or not path.resolve().is_relative_to(root.resolve() / part):
                raise StageError(f"{name} is a link; put the file itself there, or remove it")
            names.append(name)
    return sorted(names)


def _tracked(root: Path) -> set[str] | None:
    """What Git tracks, with "/"; None where there is no checkout, or no Git."""
    command = ["git", "-C", str(root), "ls-files", "-z", *PARTS]
    try:
        listed = subprocess.run(command, capture_output=True, check=True, text=True, encoding="utf-8")
    except (OSError, subprocess.CalledProcessError):
        return None
    return set(listed.stdout.split("\0")) if (root / ".git").exists() else None


def requirements(with_sam2: bool) -> list[str]:
    """What the page imports, each at its version in requirements.txt: the library's dependencies and its
    extra `page`.

    What these need in turn is left to pip, as a Space adds packages of its own (`gradio[oauth]`, `spaces`)
    that must fit.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["page"]]
    names = [Requirement(line).name for line in lines] + [*(FOR_SAM2 if with_sam2 else ())]
    pins = _pins()
    return [name if name in UNPINNED else f"{name}=={pins[name]}" for name in names]


def _pins() -> dict[str, str]:
    """Name -> version in requirements.txt, for the Python that a Space gets."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = [Requirement(line) for line in lines if line and not line.startswith("#")]
    space = {"python_version": PYTHON, "python_full_version": f"{PYTHON}.0", "sys_platform": "linux"}
    return {
        line.name: next(iter(line.specifier)).version
        for line in pinned
        if line.marker is None or line.marker.evaluate(space)
    }


def _add_sam2(folder: Path) -> None:
    """The installed sam2, which is plain Python when built with SAM2_BUILD_CUDA=0, with its metadata and
    licences."""
    wanted = _pins()["sam2"]
    try:
        installed = distribution("sam2")
    except PackageNotFoundError as error:
        raise StageError(
            f"the Space needs sam2 {wanted}, which is not installed here; run `make install` first"
        ) from error
    if installed.version != wanted:
        raise StageError(
            f"the Space needs sam2 {wanted}, got sam2 {installed.version}; run `make install` first"
        )
    for file in installed.files or ():
        kept = (
            file.parts[0] == "sam2"
            and file.suffix in (".py", ".yaml")
            or file.name.startswith(("METADATA", "LICENSE"))
        )
        if kept:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.locate(), folder / file)


def card(content: Content) -> str:
    """README.md of the Space: the front matter that configures it, and what a visitor should know."""
    head = {
        "title": content.title,
        "emoji": "🩻",
        "colorFrom": "gray",
        "colorTo": "yellow",
        "sdk": "gradio",
        "sdk_version": _pins()["gradio"],
        "python_version": PYTHON,
        "app_file": "app.py",
        "header": "mini",
        "fullWidth": True,
        "startup_duration_timeout": "1h",
        "short_description": "Reasons aloud, then shows box, points and mask",
        "models": content.models,
        "datasets": list(content.datasets),
        "tags": ["medical", "reasoning", "visual-grounding", "segmentation", "research-only"],
        "license": "apache-2.0",
        "preload_from_hub": [content.model] if content.preload else [],
    }
    head = {key: value for key, value in head.items() if value != []}
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, keep_trailing_newline=True
    )
    values = {
        "head": yaml.safe_dump(head, sort_keys=False, allow_unicode=True),
        "marker": MARKER,
        "notice": NOTICE,
        "content": content,
    }
    values["cite"] = render("cite.md.jinja")
    return templates.get_template("README.md.jinja").render(values)
