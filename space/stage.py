"""Makes the folder that becomes a Space: the page, the library with the examples, pinned requirements and the
card.

A Space installs `requirements.txt` before any other file of it is there, so what no index offers ready to
install lies beside `app.py` as plain Python: this library, and the sam2 package, whose sdist would be built
in isolation and fetch a second torch for it.
"""

import shutil
import subprocess
from pathlib import Path

from space.card import card
from space.content import Content
from space.requirements import ROOT, StageError, add_sam2, requirements

PARTS = ("app.py", "medreasoner", "LICENSE")
KINDS = {
    *(".py", ".yaml", ".json", ".jsonl", ".jinja", ".md", ".html", ".css", ".js", ".jpg", ".png"),
    ".safetensors",
}


def stage(content: Content, folder: Path) -> list[str]:
    """Fill the empty `folder`; returns the paths of its files, with "/". Errors: StageError."""
    for name in belonging(ROOT):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    if not content.embedded:
        shutil.rmtree(folder / "medreasoner" / "embedded", ignore_errors=True)
    if content.fetched_segmenter:
        add_sam2(folder)
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
