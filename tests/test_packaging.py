"""What is imported is declared in pyproject.toml, and requirements.txt holds one exact version of everything
that is declared."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from medreasoner.commands.base import EXTRA_OF

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OURS = {"app", "bench", "medreasoner", "space", "tests", "train"}
# beginnings of paths in the library that need an extra; the rest gets on with the dependencies alone
NEEDS = {
    "medreasoner/page": "page",
    "medreasoner/review": "page",
    "medreasoner/data": "data",
    "medreasoner/data/build/writers": "server",
    "medreasoner/reasoners/openai_": "server",
    "medreasoner/segmenters/sam2_package.py": "sam2",
    "medreasoner/segmenters/sam2_video.py": "sam2",
}
# declared and imported by none of our files, for what the comments in pyproject.toml say
INDIRECT = {"accelerate", "mcp", "pyjpegls", "torchvision"}
DISTRIBUTIONS = packages_distributions()


def declared(*extras: str) -> set[str]:
    """The names of the dependencies, and of those of the `extras`, which may name each other."""
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in extras_of(extra))]
    return {canonicalize_name(Requirement(line).name) for line in lines}


def extras_of(name: str) -> list[str]:
    lines = PROJECT["optional-dependencies"][name]
    own = [line for line in lines if Requirement(line).name != PROJECT["name"]]
    nested = [extra for line in lines if line not in own for extra in Requirement(line).extras]
    return [*own, *(line for extra in nested for line in extras_of(extra))]


def imported(path: Path) -> set[str]:
    """The distributions that the imports in one file stand for, those inside functions too."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module.partition(".")[0])
    foreign = modules - OURS - sys.stdlib_module_names
    return {canonicalize_name(DISTRIBUTIONS.get(module, [module])[0]) for module in foreign}


def files(*parts: str) -> list[Path]:
    return [path for part in parts for path in sorted((ROOT / part).rglob("*.py"))]


def test_the_library_imports_what_it_depends_on_and_each_part_what_its_extra_brings():
    for path in files("medreasoner"):
        name = path.relative_to(ROOT).as_posix()
        extras = {extra for part, extra in NEEDS.items() if name.startswith(part)}
        assert imported(path) <= declared(*extras), name


def test_training_imports_what_the_extra_train_brings():
    for path in files("train"):
        assert imported(path) <= declared("train"), path


def test_what_develops_the_project_imports_what_some_extra_brings():
    everything = declared(*PROJECT["optional-dependencies"])
    for path in files("bench", "space", "tests"):
        assert imported(path) <= everything, path


def test_nothing_is_declared_that_is_not_needed():
    used = {name for path in files("medreasoner") for name in imported(path)}
    assert declared("page", "data", "server", "sam2") - used == INDIRECT


def test_a_missing_extra_is_named_to_the_user():
    extras = PROJECT["optional-dependencies"]
    for module, extra in EXTRA_OF.items():
        assert canonicalize_name(DISTRIBUTIONS[module][0]) in declared(extra), module
        assert extra in extras
    optional = {name for extra in ("page", "data", "server") for name in declared(extra)} - declared()
    assert optional - {canonicalize_name(DISTRIBUTIONS[module][0]) for module in EXTRA_OF} <= INDIRECT


def test_dependencies_are_ranges_and_their_exact_versions_lie_in_them():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert all([each.operator for each in line.specifier] == ["=="] for line in pinned)
    versions = {
        canonicalize_name(line.name): next(iter(line.specifier)).version
        for line in pinned
        if line.marker is None or line.marker.evaluate()
    }
    for line in PROJECT["dependencies"]:
        asked = Requirement(line)
        assert not any(each.operator == "==" for each in asked.specifier), line
    for extra in PROJECT["optional-dependencies"]:
        for line in [*PROJECT["dependencies"], *extras_of(extra)]:
            asked = Requirement(line)
            assert versions[canonicalize_name(asked.name)] in asked.specifier, line


def locked(name: str) -> dict[str, set[str]]:
    """Requirement with its marker -> hashes, of a file of locks/."""
    text = (ROOT / "locks" / name).read_text(encoding="utf-8").replace(" \\\n", " ")
    lines = [line.split(" --hash=") for line in text.splitlines() if not line.startswith("#")]
    return {requirement.strip(): {each.strip() for each in hashes} for requirement, *hashes in lines}


def test_the_locks_hold_the_versions_of_requirements_txt_with_their_hashes():
    everything, page = locked("all.txt"), locked("page.txt")
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert set(everything) == {line for line in lines if not line.startswith("#")}, "make lock"
    versions = {line.split(" ;")[0]: hashes for line, hashes in everything.items()}
    for line, hashes in page.items():
        assert versions[line.split(" ;")[0]] == hashes, line
    for line, hashes in everything.items():
        assert hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), line
    needed = {canonicalize_name(Requirement(line).name) for line in page}
    assert declared("page") | {"setuptools"} <= needed


def test_make_installs_nothing_without_its_hash_but_the_library_itself():
    commands = [line for line in (ROOT / "Makefile").read_text().splitlines() if "$(PIP)" in line]
    assert len(commands) == 3
    for command in commands:
        assert "--require-hashes" in command or command.endswith(
            "--no-deps --no-build-isolation --editable ."
        ), command


@pytest.mark.parametrize("target", ["demo", "test", "install", "lint", "docs", "lock", "train", "bench-page"])
def test_make_lists_its_targets(target):
    texts = [
        (ROOT / name).read_text(encoding="utf-8")
        for name in ("Makefile", "train/embedded/embedded.mk", "bench/bench.mk")
    ]
    assert any(
        line.startswith(f"{target}:") and "## " in line for text in texts for line in text.splitlines()
    )
