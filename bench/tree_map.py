"""Writes the map of the tree in AGENTS.md: every package and module, with the first words of its docstring.

    python -m bench.tree_map

tests/test_docs.py fails when the map lacks a module, or names one that is gone.
"""

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PARTS = ("medreasoner", "train", "space", "bench", "tests")
ABOUT = {
    "train": "Training with TRL: any vision-language model, one command and one recipe each.",
    "space": "Puts the page on Hugging Face Spaces.",
    "bench": "What is measured or drawn, and not tested.",
    "tests": "Tests in the same folders as what they test; here only what they share.",
}  # folders whose __init__.py is empty
COLUMN, WIDTH = 28, 150  # where descriptions begin, and where lines end
BLOCK = re.compile(r"(## Map\n.*?```\n)(.*?)(```)", re.S)


def entries(folder: Path, depth: int = 0) -> Iterator[tuple[int, str, str]]:
    """(depth, name, description) of `folder`, its modules, its folders; of tests only what they share."""
    inside = sorted(path for path in folder.iterdir() if path.name != "__pycache__")
    tests = folder.relative_to(ROOT).parts[0] == "tests"
    modules = [path for path in inside if path.suffix == ".py" and path.stem not in ("__init__", "__main__")]
    modules = [path for path in modules if not (tests and path.name.startswith("test_"))]
    below = [entry for path in inside if path.is_dir() for entry in entries(path, depth + 1)]
    package = (folder / "__init__.py").exists() and not tests
    if not (modules or below or package):
        return
    yield depth, f"{folder.name}/", description(folder / "__init__.py") or ABOUT.get(folder.name, "")
    for path in modules:
        yield depth + 1, path.name, description(path)
    yield from below


def description(module: Path) -> str:
    """The first sentence of a module's docstring, "" without one."""
    if not module.exists():
        return ""
    text = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return re.split(r"(?<=[.!?])\s", " ".join(text.split()), maxsplit=1)[0]


def fitted(text: str, room: int) -> str:
    """`text`, or as many of its clauses as fit into `room` characters, or as many of its words."""
    if len(text) <= room:
        return text
    ends = [found.start() for found in re.finditer(r"[:;,] | \(", text[:room])]
    return text[: ends[-1]] if ends else textwrap.shorten(text, room, placeholder=" …")


def drawn() -> str:
    """The map, a line an entry."""
    found = [(0, "app.py", description(ROOT / "app.py"))]
    found += [entry for part in PARTS for entry in entries(ROOT / part)]
    lines = []
    for depth, name, text in found:
        start = f"{'  ' * depth}{name}".ljust(COLUMN - 1) + " "
        lines.append((start + fitted(text.rstrip("."), WIDTH - len(start))).rstrip())
    return "\n".join(lines) + "\n"


def main() -> None:
    page = ROOT / "AGENTS.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(BLOCK.sub(lambda found: found[1] + drawn() + found[3], text, count=1), encoding="utf-8")
    print(page.name)


if __name__ == "__main__":
    main()
