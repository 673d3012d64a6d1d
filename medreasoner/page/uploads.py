"""Uploaded files: where they lie, and that none stays."""

import atexit
import contextlib
import os
import secrets
import shutil
import tempfile
import time
from pathlib import Path

from gradio.route_utils import GradioUploadFile

from medreasoner.imaging.freed_memory import give_back

AGE = 900  # seconds after which a file that nobody deleted goes: a broken-off upload, a mask that was fetched
VARIABLE = "GRADIO_TEMP_DIR"


def use_own_folder() -> None:
    """Let Gradio write into a folder of this process alone, so that it may be swept; it ends with it."""
    if not os.environ.get(VARIABLE):
        os.environ[VARIABLE] = tempfile.mkdtemp(prefix="medreasoner-")
        atexit.register(shutil.rmtree, os.environ[VARIABLE], ignore_errors=True)


def keep_apart() -> None:
    """Let no two uploads share a path. Gradio names an upload's folder after what is in it, so that the same
    file of two visitors would lie in one place, and who is served first would delete it for the other."""
    if getattr(GradioUploadFile, "kept_apart", False):
        return
    begin = GradioUploadFile.__init__

    def begin_with_a_random_folder(self: GradioUploadFile, *args: object, **kwargs: object) -> None:
        begin(self, *args, **kwargs)
        self.sha.update(secrets.token_bytes(16))

    GradioUploadFile.__init__, GradioUploadFile.kept_apart = begin_with_a_random_folder, True


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
