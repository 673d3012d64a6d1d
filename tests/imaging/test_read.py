"""Every way in which an image may arrive, and the views of it.

python -m pytest tests/imaging/test_read.py
"""

import gzip
import io
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image

import medreasoner
from medreasoner.imaging import load_image
from medreasoner.imaging import read as images
from tests.medical import GRAY, RGB, encoded, nifti, pages, pixels, refusal, shipped

RANDOM = np.random.default_rng(0)


def test_a_path_a_string_bytes_a_stream_a_pil_image_and_an_array_are_the_same(tmp_path):
    data = encoded(Image.fromarray(RGB))
    path = tmp_path / "a picture.dcm"  # the name says nothing
    path.write_bytes(data)
    sources = [path, str(path), data, io.BytesIO(data), Image.open(path), Image.fromarray(RGB), RGB]
    loaded = [load_image(source) for source in sources]
    assert all(np.array_equal(np.asarray(one.image), RGB) for one in loaded)
    assert [one.kind for one in loaded] == ["PNG"] * 5 + ["image", "array"]


@pytest.mark.parametrize("size", [(1, 1), (15, 400), (400, 15)])
def test_an_image_too_small_is_refused_with_its_size(size):
    for source in (encoded(Image.new("L", size)), Image.new("RGB", size), np.zeros(size[::-1], np.uint8)):
        assert f"{size[0]} x {size[1]} pixels" in refusal(source)


def test_a_missing_file_a_folder_and_an_impossible_name_are_told_apart(tmp_path):
    assert "no file at" in refusal(tmp_path / "none.png")
    assert "is a folder" in refusal(tmp_path)
    assert "cannot be opened" in refusal("a\0b")
    assert "cannot be opened" in refusal("x" * 5000)


def test_nothing_is_said_to_be_empty(tmp_path):
    (tmp_path / "empty.png").touch()
    assert "empty" in refusal(tmp_path / "empty.png")
    assert "empty" in refusal(b"")


def test_a_file_beyond_the_limit_is_not_taken_in(monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 1000)
    assert "more than" in refusal(
        encoded(Image.fromarray(RANDOM.integers(0, 256, (40, 50, 3), dtype=np.uint8)))
    )
    assert "more than" in refusal(gzip.compress(b"\0" * 5000))


def test_half_of_a_nifti_pair_says_what_to_give_instead():
    header = bytearray(nifti()[:352])
    header[344:348] = b"ni1\0"
    assert ".nii.gz" in refusal(bytes(header))


@pytest.mark.parametrize(
    "view",
    [{"slice": 2}, {"axis": "axial"}, {"frame": 2}, {"frame": 0}, {"window": "40/400"}],
    ids=lambda view: str(view),
)
def test_a_view_that_a_flat_8_bit_image_does_not_have_is_refused(view):
    for source in (encoded(Image.fromarray(RGB)), Image.fromarray(RGB), RGB):
        assert "asked for" in refusal(source, **view)


def test_deep_values_are_seen_in_the_window_that_is_asked_for():
    values = np.tile(np.arange(0, 4000, 80, dtype=np.uint16), (40, 1))
    for source in (values, encoded(Image.fromarray(values))):
        shown = pixels(source, window="1000/800")[0, :, 0]
        assert (shown[values[0] <= 600] == 0).all() and (shown[values[0] >= 1400] == 255).all()
        assert shown[values[0] == 1040] == round((1040 - 600) / 800 * 255)
        assert pixels(source, window="full range")[0, -1, 0] == 255
        assert load_image(source).options.windows == ("auto", "full range")


@pytest.mark.parametrize(
    "source",
    [pages("GIF"), GRAY * np.uint16(300), nifti(), shipped("examples_overlay.dcm")],
    ids=lambda _: "",
)
def test_the_view_that_was_shown_shows_the_same_again(source):
    loaded = load_image(source)
    again = load_image(source, **asdict(loaded.view))
    assert again.image.tobytes() == loaded.image.tobytes() and again.view == loaded.view


def test_it_is_public():
    assert medreasoner.load_image is load_image and "load_image" in medreasoner.__all__
    assert medreasoner.load_image(RGB).image.size == (50, 40)
