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


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")
    build = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path)]
    run = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "api" / "medreasoner" / "geometry" / "index.html").exists()
