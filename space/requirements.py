"""What a Space installs: the page's requirements at their pinned versions, and the sam2 package as files."""

import shutil
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PYTHON = "3.12"  # ZeroGPU's newest; without the line a Space gets 3.10
FOR_SAM2 = ("hydra-core", "iopath")  # what sam2 needs besides the library's own dependencies
UNPINNED = {"spaces"}  # ZeroGPU brings the version that fits it


class StageError(RuntimeError):
    """The folder of a Space cannot be made; the message says what was expected, what came and what to do."""


def requirements(with_sam2: bool) -> list[str]:
    """What the page imports, each at its version in requirements.txt: the library's dependencies and its
    extra `page`.

    What these need in turn is left to pip, as a Space adds packages of its own (`gradio[oauth]`, `spaces`)
    that must fit.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["page"]]
    names = [Requirement(line).name for line in lines] + [*(FOR_SAM2 if with_sam2 else ())]
    versions = pins()
    return [name if name in UNPINNED else f"{name}=={versions[name]}" for name in names]


def pins() -> dict[str, str]:
    """Name -> version in requirements.txt, for the Python that a Space gets."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = [Requirement(line) for line in lines if line and not line.startswith("#")]
    space = {"python_version": PYTHON, "python_full_version": f"{PYTHON}.0", "sys_platform": "linux"}
    return {
        line.name: next(iter(line.specifier)).version
        for line in pinned
        if line.marker is None or line.marker.evaluate(space)
    }


def add_sam2(folder: Path) -> None:
    """The installed sam2, which is plain Python when built with SAM2_BUILD_CUDA=0, with its metadata and
    licences."""
    wanted = pins()["sam2"]
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
