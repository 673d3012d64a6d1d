"""Clean virtual environments, made from nothing but a list of requirements, as a Space or a new user would
have.

They are made by uv, which links what it has unpacked before. The environments and uv's cache (some gigabytes;
UV_CACHE_DIR puts it elsewhere) lie in the environment of the tests and go with it. uv does not read pip's
settings (index, certificates), so it is given them.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uv

# pip's name of a setting -> uv's, and what stands between two values there
SETTINGS = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "no-index": ("UV_NO_INDEX", " "),
    "cert": ("SSL_CERT_FILE", " "),
}


@contextmanager
def environment(python: str, *requirements: str) -> Iterator[Path]:
    """Make an environment of `python` and install into it; yields its `bin`, and removes it afterwards.

    Without an index the test is skipped, or fails where CI is set. What the index cannot resolve fails.
    """
    folder = Path(
        tempfile.mkdtemp(prefix="clean-", dir=sys.prefix)
    )  # beside uv's cache: links do not cross file systems
    _uv("venv", "--quiet", "--allow-existing", "--python", python, str(folder))
    programs = folder / "bin"
    try:
        if complaint := _uv(*_install(programs), "--dry-run", "--refresh", "pip", check=False):
            message = f"there is no package index: {complaint.splitlines()[-1]}"
            (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
        add(programs, *requirements)
        yield programs
    finally:
        shutil.rmtree(folder)


def add(programs: Path, *requirements: str) -> None:
    """Install into an environment that was made here."""
    _uv(*_install(programs), *requirements)


def _install(programs: Path) -> tuple[str, ...]:
    return "pip", "install", "--quiet", "--python", str(programs / "python")


def python(version: str) -> str | None:
    """A Python of this version, "3.12" say: the one that runs the tests, or another that works here; None
    where there is none."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    name, pyenv = f"python{version}", Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    candidates = [shutil.which(name), *map(str, sorted(pyenv.glob(f"versions/{version}*/bin/{name}")))]
    working = (
        found
        for found in candidates
        if found and subprocess.run([found, "--version"], capture_output=True).returncode == 0
    )
    return next(working, None)  # a name on the path may be pyenv's, and stand for nothing


def _uv(*arguments: str, check: bool = True) -> str:
    """Run uv; returns what it complained of, "" if all went well. AssertionError with that text if
    `check`."""
    run = subprocess.run([uv.find_uv_bin(), *arguments], env=_settings(), capture_output=True, text=True)
    if check:
        assert run.returncode == 0, run.stderr
    return run.stderr.strip() or "uv failed" if run.returncode else ""


def _settings() -> dict[str, str]:
    """The environment with pip's settings as uv's own; uv takes the best match of all indexes then, as pip
    does."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    given = {}
    for name, value in re.findall(r"^[\w:]+\.([\w-]+)=(.*)$", listed, re.M):
        if name in SETTINGS:
            variable, between = SETTINGS[name]
            given[variable] = between.join(ast.literal_eval(value).split())
    ours = {
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_CACHE_DIR": str(Path(sys.prefix) / "uv-cache"),
    }
    return {**ours, **given, **os.environ}
