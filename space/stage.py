"""The folder that becomes a Space: the page, the library, the examples, pinned requirements and the card.

Is: a copy of what the page needs, made in a folder of its own; never the working directory. Is not: anything that talks to the Hub.

A Space installs `requirements.txt` before any other file of it is there, so what no index offers ready to install lies beside `app.py`
as plain Python: this library, and the sam2 package, whose sdist would be built in isolation and fetch a second torch for it.
"""

import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from packaging.requirements import Requirement

from medreasoner.events import NOTICE
from medreasoner.hub.card import render
from medreasoner.hub.push import MARKER
from medreasoner.manifest import EMBEDDED_NAME
from medreasoner.segmenters.base import MEDSAM2

ROOT = Path(__file__).parent.parent
PARTS = ("app.py", "medreasoner", "LICENSE")
PYTHON = "3.12"  # ZeroGPU's newest; without the line a Space gets 3.10
SAM2 = "1.1.0"
# what of requirements.txt a page never imports: training, building of data, and what sam2 needs where sam2 is not
NOT_FOR_A_PAGE = {"trl", "datasets"}
FOR_SAM2 = {"hydra-core", "iopath"}
UNPINNED = {"spaces"}  # ZeroGPU brings the version that fits it
IGNORED = shutil.ignore_patterns("__pycache__", "*.py[co]", ".*")


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
        preload: whether the model's files are put into the Space when it is built; the Hub does that for public models only.
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
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=IGNORED)
        else:
            shutil.copyfile(source, folder / part)
    if not content.embedded:
        shutil.rmtree(folder / "medreasoner" / "embedded")
    if content.fetched_segmenter:
        _add_sam2(folder)
    needed = requirements(with_sam2=content.fetched_segmenter is not None)
    (folder / "requirements.txt").write_text("\n".join(needed) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card(content), encoding="utf-8")
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def requirements(with_sam2: bool) -> list[str]:
    """The project's own requirements, without what a page never imports, each pinned: to its pin, or to what is installed here."""
    left_out = NOT_FOR_A_PAGE | (set() if with_sam2 else FOR_SAM2)
    return [line for name, line in _pinned().items() if name not in left_out]


def _pinned() -> dict[str, str]:
    pinned = {}
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if not (line := line.partition("#")[0].strip()):
            continue
        asked = Requirement(line)
        name = asked.name.lower()
        exact = [each.version for each in asked.specifier if each.operator == "=="]
        pinned[name] = (
            asked.name
            if name in UNPINNED
            else f"{asked.name}=={exact[0] if exact else _installed(asked.name)}"
        )
    return pinned


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError as error:
        raise StageError(
            f"{name} is not installed here, so the Space's version of it is not known; run `make install` first"
        ) from error


def _add_sam2(folder: Path) -> None:
    """The installed sam2, which is plain Python when built with SAM2_BUILD_CUDA=0, with its metadata and licences."""
    if _installed("sam2") != SAM2:
        raise StageError(
            f"expected sam2 {SAM2} to be installed, got {version('sam2')}; run `make install` first"
        )
    for file in distribution("sam2").files or ():
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
        "sdk_version": _pinned()["gradio"].partition("==")[2],
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
