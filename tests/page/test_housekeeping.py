"""What the server holds of visitors is limited, and forgotten.

python -m pytest tests/page/test_housekeeping.py
"""

import datetime
import os

import pytest
from PIL import Image

from medreasoner.imaging import load_image
from medreasoner.page.housekeeping import IDLE, UNSEEN, forget_idle, make_room
from medreasoner.page.session import Session
from medreasoner.page.uploads import delete_upload, sweep

SIDE = 100
BYTES = 4 * SIDE * SIDE


@pytest.fixture
def holder(served):
    """The page's states; three visitors have opened an image, and a program has asked for something."""
    holder = served.demo.state_holder
    for name in ("first", "second", "third"):
        session = Session(load_image(Image.new("RGB", (SIDE, SIDE))))
        holder[name][served.layout.session._id] = session
    assert holder["program"].state_data == {}
    yield holder
    for name in ("first", "second", "third", "program"):
        holder.session_data.pop(name, None)
        holder.time_last_used.pop(name, None)


def test_the_visitors_who_were_idle_longest_make_room(served, holder):
    make_room(served.demo, BYTES, budget=4 * BYTES)
    assert {"first", "second", "third"} <= set(holder.session_data)
    holder["first"]  # noqa: B018 - now it is the one that was used last
    make_room(served.demo, BYTES, budget=2 * BYTES)
    assert "first" in holder and "program" in holder
    assert not {"second", "third"} & set(holder.session_data)


def test_who_does_nothing_is_forgotten_and_sooner_without_an_open_page(served, holder):
    def after(seconds: float) -> set[str]:
        forget_idle(served.demo, {"first"}, datetime.datetime.now() + datetime.timedelta(seconds=seconds))
        return {"first", "second", "program"} & set(holder.session_data)

    assert after(UNSEEN / 2) == {"first", "second", "program"}
    assert after(UNSEEN + 1) == {"first"}
    assert after(IDLE + 1) == set()
    assert not {"first", "second"} & set(holder.time_last_used)


def test_an_upload_goes_with_its_folder_and_a_shared_folder_stays(tmp_path):
    alone, shared = tmp_path / "a" / "x.png", tmp_path / "b" / "x.png"
    for path in (alone, shared, shared.with_name("y.png")):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    delete_upload(str(alone))
    delete_upload(str(shared))
    assert not alone.parent.exists() and shared.with_name("y.png").exists()


def test_only_what_is_old_is_swept(tmp_path):
    old, young = tmp_path / "old" / "x", tmp_path / "young" / "x"
    for path in (old, young):
        path.parent.mkdir()
        path.write_bytes(b"x")
    os.utime(old, (0, 0))
    sweep(tmp_path)
    assert young.exists() and not old.parent.exists()
