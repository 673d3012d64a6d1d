"""Names that stand in ten formats are found nowhere after a file was opened: not in what the server keeps of the
visitor, not in what the browser gets, not in the files one takes home, not on disk.

python -m pytest tests/page/test_leaks.py
"""

import base64
import json
import os
import pickle
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from medreasoner.events import Done
from medreasoner.geometry import Grounding
from medreasoner.imaging.opener import ImageOpener
from medreasoner.output.files import export_all
from medreasoner.page.image_view import picture
from medreasoner.page.opened_files import OpenedFiles
from medreasoner.page.public_words import public_name
from medreasoner.page.session import Session
from medreasoner.page.uploads import delete_upload
from tests.imaging.planted import holds_name, planted


@pytest.fixture(scope="module")
def opener() -> ImageOpener:
    return ImageOpener()


def sent(value: dict) -> list[bytes]:
    """What goes to the browser, and the pictures in it decoded."""
    text = json.dumps(value)
    pictures = [base64.b64decode(found) for found in re.findall(r"base64,([A-Za-z0-9+/=]+)", text)]
    assert pictures
    return [text.encode(), *pictures]


@pytest.mark.parametrize("name", planted())
def test_a_planted_name_is_nowhere_once_the_file_is_open(opener, tmp_path, name, capfd):
    path = tmp_path / "upload" / name
    path.parent.mkdir()
    path.write_bytes(planted()[name])
    opened, loaded = OpenedFiles.read([path], opener)
    delete_upload(str(path))
    session = Session.of_files(opened, loaded)
    width, height = loaded.image.size
    grounding = Grounding((2.0, 2.0, 12.0, 12.0), ((4.0, 4.0), (8.0, 8.0)))
    mask = Image.new("1", (width, height))
    mask.paste(1, (3, 3, 10, 10))
    times = dict.fromkeys(("read", "first_token", "located", "mask_after_last_token", "total"), 0.0)
    done = Done("", "", grounding, _array(mask), 0.5, (width, height), (), times, None, "model", "segmenter")
    session.end(done)
    held = pickle.dumps(replace(session, loaded=replace(session.loaded, image=None)))
    files = export_all(done, loaded)
    for data in (held, *opened.slices, *sent(picture(loaded)), *files.values()):
        assert not holds_name(data)
    assert not list(tmp_path.rglob("*"))
    assert not any(holds_name(text.encode()) for text in capfd.readouterr())


def _array(mask: Image.Image):  # noqa: ANN202
    import numpy as np

    return np.asarray(mask)


def test_the_names_of_models_hold_no_path_of_the_server():
    assert public_name("/srv/models/pair/segmenter/") == "pair/segmenter"
    assert public_name("owner/model") == "owner/model"
    assert not Path(public_name(os.getcwd())).is_absolute()
