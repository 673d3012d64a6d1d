"""Every way in which an image may arrive, and one clear sentence for everything that is none.

python -m pytest tests/imaging/test_read.py
"""

import gzip
import io
import struct
import warnings
import zlib
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from medreasoner.imaging import read as images
from medreasoner.imaging.read import load_image
from medreasoner.imaging.types import ImageError
from tests.medical import GRAY, dicom, jpeg_lossless, nifti, pixels, refusal, shipped

RANDOM = np.random.default_rng(0)
RGB = np.stack([GRAY, 255 - GRAY, GRAY // 2], axis=2)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


# Raster files


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "WEBP", "PPM", "JPEG2000"])
def test_lossless_formats_come_through_exactly(kind):
    loaded = load_image(encoded(Image.fromarray(RGB), kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert np.array_equal(np.asarray(loaded.image), RGB)
    assert (loaded.kind, loaded.notes, loaded.spacing_mm, loaded.image.mode) == (kind, (), None, "RGB")


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "AVIF"])
def test_lossy_formats_come_through_nearly(kind):
    loaded = load_image(encoded(Image.fromarray(GRAY).convert("RGB"), kind))
    assert loaded.kind == kind
    assert np.abs(np.asarray(loaded.image).astype(int) - GRAY[..., None]).mean() < 4


def test_a_path_a_string_bytes_a_stream_a_pil_image_and_an_array_are_the_same(tmp_path):
    data = encoded(Image.fromarray(RGB))
    path = tmp_path / "a picture.dcm"  # the name says nothing
    path.write_bytes(data)
    sources = [path, str(path), data, io.BytesIO(data), Image.open(path), Image.fromarray(RGB), RGB]
    loaded = [load_image(source) for source in sources]
    assert all(np.array_equal(np.asarray(one.image), RGB) for one in loaded)
    assert [one.kind for one in loaded] == ["PNG"] * 5 + ["image", "array"]


def test_one_bit_and_gray_images_become_rgb():
    bits = RANDOM.random((40, 50)) > 0.5
    assert np.array_equal(
        pixels(encoded(Image.fromarray(bits))), np.repeat(bits[..., None] * np.uint8(255), 3, axis=2)
    )
    assert np.array_equal(pixels(encoded(Image.fromarray(GRAY))), np.repeat(GRAY[..., None], 3, axis=2))


def test_a_palette_is_looked_up():
    image = Image.fromarray(RGB).quantize(16)
    assert np.array_equal(pixels(encoded(image)), np.asarray(image.convert("RGB")))


def test_transparent_parts_are_laid_on_black_and_said():
    alpha = np.full((40, 50), 255, np.uint8)
    alpha[:20] = 0
    alpha[20:30] = 128
    loaded = load_image(encoded(Image.fromarray(np.dstack([RGB, alpha]))))
    shown = np.asarray(loaded.image)
    assert not shown[:20].any()
    assert np.abs(shown[20:30] - RGB[20:30] * (128 / 255)).max() <= 1
    assert np.array_equal(shown[30:], RGB[30:])
    assert loaded.notes == ("Transparent parts were laid on black.",)


def test_an_opaque_alpha_channel_changes_nothing():
    loaded = load_image(np.dstack([RGB, np.full((40, 50), 255, np.uint8)]))
    assert np.array_equal(np.asarray(loaded.image), RGB)
    assert loaded.notes == ()


def test_a_transparent_palette_colour_and_gray_with_alpha_are_laid_on_black():
    palette = Image.fromarray(RGB).quantize(4)
    palette.info["transparency"] = 0
    shown = pixels(encoded(palette))
    where = np.asarray(palette) == 0
    assert where.any() and not shown[where].any()
    assert pixels(encoded(Image.merge("LA", [Image.fromarray(GRAY), Image.new("L", (50, 40), 0)]))).max() == 0


def test_cmyk_becomes_rgb_and_is_said():
    loaded = load_image(encoded(Image.new("CMYK", (50, 40), (0, 255, 255, 0)), "JPEG", quality=95))
    red = np.asarray(loaded.image).reshape(-1, 3).mean(axis=0)
    assert red[0] > 200 and red[1] < 60 and red[2] < 60
    assert "CMYK" in loaded.notes[0]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    loaded = load_image(encoded(Image.fromarray(RGB), kind, exif=exif))
    upright = {
        1: RGB,
        2: RGB[:, ::-1],
        3: RGB[::-1, ::-1],
        4: RGB[::-1],
        5: RGB.swapaxes(0, 1),
        6: np.rot90(RGB, -1),
        7: RGB[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(RGB),
    }[orientation]
    assert loaded.image.size == (upright.shape[1], upright.shape[0])
    assert np.abs(np.asarray(loaded.image).astype(int) - upright).mean() < 12
    assert bool(loaded.notes) == (orientation > 1)


def pages(kind: str) -> bytes:
    frames = [Image.new("RGB", (50, 40), colour) for colour in ("#ff0000", "#00ff00", "#0000ff")]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:])


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG", "MPO"])
def test_of_several_frames_the_first_is_read_or_the_one_that_is_asked_for(kind):
    loaded, third = load_image(pages(kind)), load_image(pages(kind), frame=3)
    assert loaded.image.getpixel((25, 20))[0] > 250 and third.image.getpixel((25, 20))[2] > 250
    assert (loaded.options.frames, loaded.view.frame, third.view.frame) == (3, 1, 3)
    assert (loaded.notes[0], third.notes[0]) == ("Frame 1 of 3 is shown.", "Frame 3 of 3 is shown.")
    assert "has 3 of them" in refusal(pages(kind), frame=4)


# Deeper than 8 bits


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((GRAY * np.uint16(300)), "16-bit"),
        ((GRAY * np.uint16(3)), "16-bit"),
        ((GRAY.astype(np.int32) * 70_000 - 5_000_000), "32-bit"),
        (GRAY.astype(np.float32) / 255, "Floating-point"),
        (GRAY.astype(np.float32) * 1e6 - 1e7, "Floating-point"),
    ],
)
def test_deep_values_are_windowed_and_not_saturated(values, words):
    for source in (values, encoded(Image.fromarray(values), "TIFF")):
        loaded = load_image(source)
        shown = np.asarray(loaded.image)[..., 0]
        assert (shown == 0).mean() < 0.03 and (shown == 255).mean() < 0.03
        assert np.all(np.diff(shown[0].astype(int)) >= 0) and len(np.unique(shown)) > 150
        assert loaded.notes == (f"{words} values were scaled to 8 bits from their 0.5 to 99.5 percentile.",)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_16_bit_tiff_reads_the_same_in_either_byte_order(order):
    values = (GRAY * np.uint16(300)).astype(f"{order}u2")
    tags = [
        (256, 50),
        (257, 40),
        (258, 16),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, 40),
        (279, values.nbytes),
    ]
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in tags)
    data = (
        mark
        + struct.pack(f"{order}I", 8 + values.nbytes)
        + values.tobytes()
        + struct.pack(f"{order}H", len(tags))
        + entries
        + b"\0" * 4
    )
    assert np.array_equal(pixels(data), pixels(GRAY * np.uint16(300)))


def test_a_16_bit_png_is_windowed():
    assert np.array_equal(
        pixels(encoded(Image.fromarray(GRAY * np.uint16(300)))), pixels(GRAY * np.uint16(300))
    )


def test_a_few_wild_values_do_not_darken_the_rest():
    values = (GRAY * np.uint16(4)).copy()
    values[0, 0] = 65535
    assert np.median(pixels(values)) > 100


def test_values_that_are_nearly_all_equal_still_show_the_others():
    values = np.zeros((40, 50), np.uint16)
    values[10, 10] = 7
    shown = pixels(values)
    assert shown[10, 10, 0] == 255 and shown.sum() == 3 * 255


def test_a_constant_image_is_black_and_no_error():
    assert pixels(np.full((40, 50), 1234, np.uint16)).max() == 0


def test_nan_and_infinity_among_floats_do_not_matter():
    values = GRAY.astype(float)
    clean = pixels(values)
    values[0, :3] = np.nan, np.inf, -np.inf
    assert np.abs(pixels(values).astype(int) - clean)[1:].max() <= 2
    assert list(pixels(values)[0, :3, 0]) == [0, 255, 0]


@pytest.mark.parametrize("array", [RGB[:, :, :1], GRAY > 90, RGB.astype(np.uint16) * 257, RGB / 255.0])
def test_arrays_of_other_shapes_and_types_are_read(array):
    assert load_image(array).image.size == (50, 40)


@pytest.mark.parametrize(
    "array",
    [
        RGB.transpose(2, 0, 1),
        np.zeros((2, 40, 50, 3)),
        np.zeros(40),
        np.zeros((40, 50, 4)),
        np.zeros((40, 50), complex),
    ],
)
def test_an_array_that_is_no_image_is_refused(array):
    assert str(array.dtype) in refusal(array)


def test_an_array_of_nothing_finite_is_refused():
    assert "finite" in refusal(np.full((40, 50), np.nan))


# Sizes


@pytest.mark.parametrize("size", [(1, 1), (15, 400), (400, 15)])
def test_an_image_too_small_is_refused_with_its_size(size):
    for source in (encoded(Image.new("L", size)), Image.new("RGB", size), np.zeros(size[::-1], np.uint8)):
        assert f"{size[0]} x {size[1]} pixels" in refusal(source)


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises a size and holds no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
        + b"\0\0\0\0IDAT"
    )


@pytest.mark.parametrize(
    ("size", "says"),
    [((30_000, 100), "30000 x 100"), ((12_000, 9_000), "12000 x 9000"), ((30_000, 30_000), "100 megapixels")],
)
def test_an_image_too_large_is_refused_before_it_is_decoded(size, says):
    assert says in refusal(png_header(*size))


def test_a_large_image_within_the_limits_is_read_without_a_warning():
    data = encoded(Image.new("1", (9_600, 9_600)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_image(data).image.size == (9_600, 9_600)


def test_the_smallest_image_is_read():
    assert load_image(np.zeros((16, 16), np.uint8)).image.size == (16, 16)


# What is no image


def test_a_missing_file_a_folder_and_an_impossible_name_are_told_apart(tmp_path):
    assert "no file at" in refusal(tmp_path / "none.png")
    assert "is a folder" in refusal(tmp_path)
    assert "cannot be opened" in refusal("a\0b")
    assert "cannot be opened" in refusal("x" * 5000)


def test_nothing_is_said_to_be_empty(tmp_path):
    (tmp_path / "empty.png").touch()
    assert "empty" in refusal(tmp_path / "empty.png")
    assert "empty" in refusal(b"")


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        b"%PDF-1.7 " * 50,
        b"\0" * 4000,
        b"\x89PNG",
        b"<svg></svg>" * 20,
        gzip.compress(b"words" * 200, mtime=0),
    ],
)
def test_what_is_no_image_is_said_to_be_none(data):
    assert "expected PNG" in refusal(data)


def test_postscript_is_never_run():
    assert "expected PNG" in refusal(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n" + b"showpage\n" * 50
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "PPM"])
def test_a_truncated_file_is_said_to_be_cut_short(kind):
    data = encoded(Image.fromarray(RANDOM.integers(0, 256, (200, 300, 3), dtype=np.uint8)), kind)
    assert "cut short" in refusal(data[: len(data) * 2 // 3]) or kind == "TIFF"


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


# Views


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


# Damage

WHOLE = {
    "PNG": encoded(Image.fromarray(RGB)),
    "JPEG": encoded(Image.fromarray(RGB), "JPEG"),
    "TIFF": encoded(Image.fromarray(RGB), "TIFF"),
    "TIFF LZW": encoded(Image.fromarray(RGB), "TIFF", compression="tiff_lzw"),
    "WEBP": encoded(Image.fromarray(RGB), "WEBP"),
    "BMP": encoded(Image.fromarray(RGB), "BMP"),
    "GIF": pages("GIF"),
    "AVIF": encoded(Image.fromarray(RGB), "AVIF"),
    "JPEG2000": encoded(Image.fromarray(RGB), "JPEG2000"),
    "DICOM": dicom(
        GRAY.astype(np.int16) * 10, RescaleSlope=1, WindowCenter=40, WindowWidth=400, PixelSpacing=[1, 1]
    ),
    "DICOM RLE": shipped("MR_small_RLE.dcm"),
    "DICOM JPEG 2000": shipped("MR_small_jp2klossless.dcm"),
    "DICOM JPEG-LS": shipped("MR_small_jpeg_ls_lossless.dcm"),
    "DICOM JPEG Lossless": jpeg_lossless(GRAY[None].astype(np.uint16) * 300, 16),
    "DICOM JPEG": shipped("SC_rgb_jpeg_dcmtk.dcm"),
    "NIfTI": nifti(),
    "NIfTI.gz": gzip.compress(nifti()),
}
HEAD = 1500  # bytes in which headers lie: hit more often than the rest


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", WHOLE)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=st.data())
def test_damage_ends_in_an_image_or_in_a_sentence(kind, drawn):
    broken = bytearray(WHOLE[kind])
    for _ in range(drawn.draw(st.integers(0, 4))):
        end = drawn.draw(st.sampled_from([len(broken), min(len(broken), HEAD)]))
        broken[drawn.draw(st.integers(0, end - 1))] = drawn.draw(st.integers(0, 255))
    length = drawn.draw(st.one_of(st.just(len(broken)), st.integers(1, len(broken))))
    try:
        load_image(bytes(broken[:length]))
    except ImageError as error:
        assert str(error).endswith(".")


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=100, deadline=None)
@given(
    start=st.sampled_from([data[:400] for data in WHOLE.values()] + [b""]),
    noise=st.binary(min_size=1, max_size=600),
)
def test_noise_after_any_beginning_ends_in_an_image_or_in_a_sentence(start, noise):
    try:
        load_image(start + noise)
    except ImageError as error:
        assert str(error).endswith(".")
