"""Images are opened in a process of their own, whose end is nobody's end but the image's.

python -m pytest tests/imaging/test_opener.py
"""

import gzip
import subprocess
import sys
import threading

import nibabel
import numpy as np
import pytest
from PIL import Image

from medreasoner.imaging import ImageError, load_image
from medreasoner.imaging.opener import ImageOpener
from tests.imaging.planted import FRAMES, holds_name, planted
from tests.medical import GRAY, encoded

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is kept on Linux")


@pytest.fixture(scope="module")
def opener() -> ImageOpener:
    return ImageOpener()


@pytest.fixture
def file(tmp_path):
    def write(data: bytes):
        path = tmp_path / "image"
        path.write_bytes(data)
        return path

    return write


@pytest.mark.parametrize("name", planted())
def test_a_file_is_opened_as_it_would_be_here_and_what_is_kept_of_it_is_nameless(opener, file, name):
    data = planted()[name]
    here, there = load_image(data), opener.open(file(data))
    assert there.loaded.image.tobytes() == here.image.tobytes()
    assert (there.loaded.kind, there.loaded.notes, there.loaded.view) == (here.kind, here.notes, here.view)
    if name == "photograph.jpg":
        assert there.rest is None
    else:
        assert there.loaded.options == here.options and not holds_name(there.rest)
        again = opener.open(there.rest, here.view)
        assert again.loaded.image.tobytes() == here.image.tobytes()


def test_an_image_that_is_refused_is_refused_in_the_same_words(opener, file):
    with pytest.raises(ImageError) as here:
        load_image(b"no image at all")
    with pytest.raises(ImageError) as there:
        opener.open(file(b"no image at all"))
    assert str(there.value) == str(here.value)


def test_choices_of_a_format_that_cannot_be_kept_are_not_offered(opener, file):
    deep = b"P5 40 40 65535\n" + np.arange(1600, dtype=">u2").tobytes()
    assert load_image(deep).options.windows
    there = opener.open(file(deep))
    assert (there.loaded.options.windows, there.rest) == ((), None)


def _hostile() -> dict[str, bytes]:
    """Small files that take gigabytes."""
    side = 9_990
    header = nibabel.Nifti1Header()
    header.set_data_shape((side, side))
    header.set_data_dtype(np.float64)
    header["scl_slope"], header["magic"], header["vox_offset"] = 1, b"n+1", 352
    volume = bytes(header.binaryblock) + bytes(4) + bytes(8 * side * side)
    palette = Image.new("P", (side, side))
    return {
        "NIfTI": gzip.compress(volume, compresslevel=1),
        "RGBA": encoded(Image.new("RGBA", (side, side)), compress_level=1),
        "WebP": encoded(Image.new("RGB", (side, side)), "WEBP", lossless=True, method=0),
        "GIF": encoded(palette, "GIF", save_all=True, append_images=[Image.new("P", (side, side), 1)]),
    }


# What a server does, in a process that is small itself, because a process begins with its parent's record
OPEN_ALL = """
import re, resource, sys
from pathlib import Path
from medreasoner.imaging import ImageError
from medreasoner.imaging.opener import ImageOpener
opener = ImageOpener()
for path in sys.argv[1:]:
    try:
        said = opener.open(Path(path)).loaded.image.size
    except ImageError as error:
        said = error
    here = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10
    print(here, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10, said)
"""


@pytest.mark.slow
def test_small_files_that_take_gigabytes_stay_within_the_limit(tmp_path):
    files = {tmp_path / name: data for name, data in _hostile().items()}
    for path, data in files.items():
        assert len(data) < 4 << 20
        path.write_bytes(data)
    run = subprocess.run([sys.executable, "-c", OPEN_ALL, *files, _written(tmp_path)], capture_output=True, text=True)
    lines = run.stdout.splitlines()
    assert len(lines) == len(files) + 1, run.stderr
    for name, line in zip([*(path.name for path in files), "next"], lines, strict=True):
        here, there, said = line.split(" ", 2)
        assert said == "(9990, 9990)" or "MiB" in said or name == "next", line
        assert int(here) < 700 and int(there) < 1350, f"{name}: {line}"
    assert lines[-1].endswith(str(FRAMES[0].size))


def _written(folder) -> str:
    path = folder / "next"
    path.write_bytes(encoded(FRAMES[0]))
    return str(path)


def test_a_file_that_takes_too_long_is_ended_and_the_next_is_opened(file):
    opener = ImageOpener(seconds=0.0)
    with pytest.raises(ImageError, match="took over 0 s"):
        for _ in range(20):  # a quick one may be through before it is ended
            opener.open(file(encoded(Image.new("RGB", (4000, 4000)))))
    opener._seconds = 60.0
    assert opener.open(file(encoded(FRAMES[0]))).loaded.image.size == FRAMES[0].size


def test_a_process_that_dies_costs_the_image_alone(file):
    opener = ImageOpener()
    opener.open(file(encoded(FRAMES[0])))
    opener._process.kill()
    opener._process.wait()
    assert opener.open(file(encoded(FRAMES[0]))).loaded.image.size == FRAMES[0].size
    small = ImageOpener(memory=260 << 20)
    with pytest.raises(ImageError, match="more than 260 MiB"):
        small.open(file(encoded(Image.new("RGB", (7000, 7000)))))
    assert small.open(file(encoded(FRAMES[0]))).loaded.image.size == FRAMES[0].size


def test_several_threads_wait_for_each_other_and_get_their_own(opener, tmp_path):
    found = {}

    def open_one(number: int) -> None:
        path = tmp_path / str(number)
        path.write_bytes(encoded(Image.fromarray(np.roll(GRAY, number, axis=1))))
        found[number] = np.asarray(opener.open(path).loaded.image)[..., 0]

    threads = [threading.Thread(target=open_one, args=[number]) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(found[number], np.roll(GRAY, number, axis=1)) for number in range(12))
