"""Uploaded files: where they lie, and that none stays."""

import atexit
import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from medreasoner.imaging.freed_memory import give_back

AGE = 900  # seconds after which a file that nobody deleted goes: a broken-off upload, a mask that was fetched
VARIABLE = "GRADIO_TEMP_DIR"


def use_own_folder() -> None:
    """Let Gradio write into a folder of this process alone, so that it may be swept; it ends with it."""
    if not os.environ.get(VARIABLE):
        os.environ[VARIABLE] = tempfile.mkdtemp(prefix="medreasoner-")
        atexit.register(shutil.rmtree, os.environ[VARIABLE], ignore_errors=True)


def delete_upload(path: str) -> None:
    """Delete an uploaded file, the folder that Gradio made for it, and what its way in has left in memory."""
    Path(path).unlink(missing_ok=True)
    give_back()
    with contextlib.suppress(OSError):  # another file came into it meanwhile
        Path(path).parent.rmdir()


def sweep(folder: Path, age: float = AGE) -> None:
    """Delete the files under `folder` that have not been written to for `age` seconds, and empty folders."""
    for where, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(where) / name
            with contextlib.suppress(FileNotFoundError):  # somebody was quicker
                if time.time() - path.lstat().st_mtime > age:
                    path.unlink()
        if Path(where) != folder:
            with contextlib.suppress(OSError):  # it is not empty
                Path(where).rmdir()
