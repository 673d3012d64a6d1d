"""What README, AGENTS.md and docs/ say of the project is true: commands, links, paths, map, site."""

import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from medreasoner.cli import build_parser

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "AGENTS.md", *sorted((ROOT / "docs").rglob("*.md"))]
CODE = ("medreasoner", "train", "space", "bench")
# named by experiments that ran with them; the page says in which commit they are last
GONE = {"train/embedded/own_errors.py", "bench/ear.py", "bench/tokens.py"}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.S)


def commands(page: Path) -> Iterator[str]:
    """Every command of a page: lines of shell blocks, indented lines, and what stands between backticks."""
    text = page.read_text(encoding="utf-8")
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    lines += re.findall(r"^    (.+?)(?: \\)?$", text, re.M) + re.findall(r"`([^`\n]+)`", text)
    for line in lines:
        for command in line.split(" && "):
            yield re.sub(r"\s+#.*", "", command).strip()


def made(command: str, *starts: str) -> list[str] | None:
    """The words after the one of `starts` that begins the command; None for another, or one cut short."""
    start = next((start for start in starts if f"{command} ".startswith(f"{start} ")), None)
    if start is None or "…" in command:
        return None
    return shlex.split(re.sub(r"\s[<|] .*", "", command.removeprefix(start)))


@pytest.mark.slow
def test_the_six_lines_of_python_in_the_readme_run(tmp_path, monkeypatch, capsys):
    (code,) = blocks(ROOT / "README.md", "python")
    assert len(code.splitlines()) == 6
    (tmp_path / "six.py").write_text(code, encoding="utf-8")
    monkeypatch.chdir(ROOT)
    done = runpy.run_path(str(tmp_path / "six.py"))["done"]
    assert done.mask.any() and capsys.readouterr().out.rstrip().endswith(f"{done.mask.sum()} pixels")


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 110


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_medreasoner_command_is_understood(page):
    for command in commands(page):
        words = made(command, "medreasoner", "python -m medreasoner")
        if words and words != ["report"]:  # "report" alone is the name of the command
            try:
                build_parser().parse_args(words)
            except SystemExit as end:
                assert end.code == 0, command


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_module_that_is_run_is_there(page):
    for command in commands(page):
        module = re.match(r"python -m ((?:medreasoner|train|space|bench)[\w.]*)", command)
        if module:
            path = module[1].replace(".", "/")
            assert (ROOT / f"{path}.py").exists() or (ROOT / path).is_dir() or f"{path}.py" in GONE, command


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_make_target_is_there(page):
    files = [ROOT / "Makefile", *ROOT.glob("*/bench.mk"), *ROOT.glob("train/*/*.mk")]
    targets = {word for file in files for word in re.findall(r"^([a-z-]+):", file.read_text("utf-8"), re.M)}
    for command in commands(page):
        words = made(command, "make") or []
        wanted = {word for word in words if not re.search(r"[^a-z-]", word)}
        assert wanted <= targets, f"{command}: no target {wanted - targets}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_path_that_is_named_is_there(page):
    text = page.read_text(encoding="utf-8")
    named = re.findall(rf"`((?:{'|'.join(CODE)}|docs|tests|examples)/[\w./-]*)`", text)
    named += re.findall(r"--recipe (train/recipes/[\w.-]+)", text)
    missing = [path for path in named if path not in GONE and not (ROOT / path).exists()]
    assert not missing, missing


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if ":" not in link and not (page.parent / link).exists()]
    assert not missing, missing


def test_every_file_in_the_figure_is_there():
    drawn = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
    named = [path for text in re.findall(r'class="path"[^>]*>([^<]+)<', drawn) for path in text.split(" · ")]
    assert "pipeline.py" in named
    missing = [
        path for path in named if not (ROOT / "medreasoner" / path).exists() and not (ROOT / path).exists()
    ]
    assert not missing, "run `make figure` after changing bench/architecture.py: " + ", ".join(missing)


def drawn_tree() -> list[str]:
    """The paths of the map in AGENTS.md, a folder with "/" at its end."""
    (tree,) = re.findall(r"## Map\n.*?```\n(.*?)```", (ROOT / "AGENTS.md").read_text(encoding="utf-8"), re.S)
    paths, above = [], []
    for line in tree.splitlines():
        depth, name = (len(line) - len(line.lstrip())) // 2, line.split()[0]
        above = [*above[:depth], name]
        paths.append("".join(above))
    return paths


def real_tree() -> set[str]:
    """Every module and package of the project, and the helpers among the tests."""
    files = [ROOT / "app.py", *(path for part in CODE for path in (ROOT / part).rglob("*.py"))]
    files += [path for path in (ROOT / "tests").rglob("*.py") if not path.name.startswith("test_")]
    files = [path.relative_to(ROOT) for path in files if "__pycache__" not in path.parts]
    modules = {path.as_posix() for path in files if path.stem not in ("__init__", "__main__")}
    packages = {
        f"{path.parent.as_posix()}/" for path in files if path.parts[0] in CODE and len(path.parts) > 1
    }
    return modules | packages


def test_the_map_names_every_module_and_package():
    missing = sorted(real_tree() - set(drawn_tree()))
    assert not missing, "run `make map`, for AGENTS.md lacks " + ", ".join(missing)


def test_the_map_names_nothing_else():
    drawn = drawn_tree()
    assert len(drawn) == len(set(drawn)), "a path is in the map of AGENTS.md twice"
    gone = [path for path in drawn if not (ROOT / path).exists()]
    assert not gone, "run `make map`, for AGENTS.md still names " + ", ".join(gone)


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")
    build = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--site-dir",
        str(tmp_path),
    ]  # --quiet would hide warnings
    run = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "api" / "medreasoner" / "geometry" / "index.html").exists()
