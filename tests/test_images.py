"""Every way in which an image may arrive, and one clear sentence for everything that is none."""

import gzip
import io
import random
import struct
import warnings
import zlib

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from medreasoner import images
from medreasoner.images import ImageError, load_image

RANDOM = np.random.default_rng(0)
GRAY = np.add.outer(np.arange(40), 3 * np.arange(50)).astype(np.uint8)  # (40, 50), 0..186, no symmetry
RGB = np.stack([GRAY, 255 - GRAY, GRAY // 2], axis=2)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pixels(source: object) -> np.ndarray:
    return np.asarray(load_image(source).image)


def refusal(source: object) -> str:
    with pytest.raises(ImageError) as caught:
        load_image(source)
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message and len(message) < 500
    return message


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
    assert np.array_equal(pixels(encoded(Image.fromarray(bits))), np.repeat(bits[..., None] * np.uint8(255), 3, axis=2))
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


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_the_first_of_several_frames_is_read_and_said(kind):
    frames = [Image.new("RGB", (50, 40), colour) for colour in ("#ff0000", "#00ff00", "#0000ff")]
    loaded = load_image(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert loaded.image.getpixel((25, 20))[0] > 250
    assert "several frames" in loaded.notes[0]


def test_a_telephones_picture_with_a_second_one_behind_it_is_read():
    loaded = load_image(encoded(Image.new("RGB", (50, 40), "#ff0000"), "MPO", save_all=True, append_images=[Image.new("RGB", (50, 40))]))
    assert loaded.image.getpixel((25, 20))[0] > 250
    assert "several frames" in loaded.notes[0]


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
    tags = [(256, 50), (257, 40), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1), (278, 40), (279, values.nbytes)]
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in tags)
    data = mark + struct.pack(f"{order}I", 8 + values.nbytes) + values.tobytes() + struct.pack(f"{order}H", len(tags)) + entries + b"\0" * 4
    assert np.array_equal(pixels(data), pixels(GRAY * np.uint16(300)))


def test_a_16_bit_png_is_windowed():
    assert np.array_equal(pixels(encoded(Image.fromarray(GRAY * np.uint16(300)))), pixels(GRAY * np.uint16(300)))


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
    "array", [RGB.transpose(2, 0, 1), np.zeros((2, 40, 50, 3)), np.zeros(40), np.zeros((40, 50, 4)), np.zeros((40, 50), complex)]
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
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + b"\0\0\0\0IDAT"


@pytest.mark.parametrize(
    ("size", "says"), [((30_000, 100), "30000 x 100"), ((12_000, 9_000), "12000 x 9000"), ((30_000, 30_000), "100 megapixels")]
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
    "data", [b"hello", b"%PDF-1.7 " * 50, b"\0" * 4000, b"\x89PNG", b"<svg></svg>" * 20, gzip.compress(b"words" * 200)]
)
def test_what_is_no_image_is_said_to_be_none(data):
    assert "expected PNG" in refusal(data)


def test_postscript_is_never_run():
    assert "expected PNG" in refusal(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n" + b"showpage\n" * 50)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "PPM"])
def test_a_truncated_file_is_said_to_be_cut_short(kind):
    data = encoded(Image.fromarray(RANDOM.integers(0, 256, (200, 300, 3), dtype=np.uint8)), kind)
    assert "cut short" in refusal(data[: len(data) * 2 // 3]) or kind == "TIFF"


def test_a_file_beyond_the_limit_is_not_taken_in(monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 1000)
    assert "more than" in refusal(encoded(Image.fromarray(RANDOM.integers(0, 256, (40, 50, 3), dtype=np.uint8))))
    assert "more than" in refusal(gzip.compress(b"\0" * 5000))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "AVIF", "JPEG2000", "DICOM", "RLE", "NIfTI", "NIfTI.gz"])
def test_damage_ends_in_an_image_or_in_a_sentence(kind):
    volume = nibabel.Nifti1Image(RANDOM.normal(size=(20, 22, 24)).astype(np.float32), np.eye(4)).to_bytes()
    whole = {"DICOM": dicom(GRAY), "RLE": shipped("MR_small_RLE.dcm"), "NIfTI": volume, "NIfTI.gz": gzip.compress(volume)}
    data = whole[kind] if kind in whole else encoded(Image.fromarray(RGB), kind)
    dice = random.Random(kind)
    for turn in range(60):
        broken = bytearray(data[: dice.randrange(len(data))] if turn % 3 == 0 else data)
        for _ in range(turn % 5):
            if broken:
                broken[dice.randrange(min(len(broken), 600 if turn % 2 else len(broken)))] = dice.randrange(256)
        try:
            load_image(bytes(broken))
        except ImageError as error:
            assert str(error).endswith(".")


# DICOM


def shipped(name: str) -> bytes:
    """A file that pydicom brings along."""
    path = get_testdata_file(name, download=False)
    with open(path, "rb") as file:
        return file.read()


def dicom(values: np.ndarray, **attributes: object) -> bytes:
    """A secondary capture of `values` (frames, rows, columns) or (rows, columns)."""
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid(entropy_srcs=["fixed"])
    dataset.Rows, dataset.Columns = values.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8 * values.dtype.itemsize
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, int(values.dtype.kind == "i")
    dataset.PixelData = values.tobytes()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def test_a_dicom_window_is_applied_after_the_rescale():
    stored = (GRAY.astype(np.int16) * 10 + 24).astype(np.int16)  # -1000..860 after the intercept
    loaded = load_image(dicom(stored, RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=40, WindowWidth=400))
    expected = np.clip((stored - 1024.0 - 39.5) / 399 + 0.5, 0, 1) * 255
    assert np.abs(np.asarray(loaded.image)[..., 0] - expected).max() <= 1
    assert (loaded.kind, loaded.notes) == ("DICOM", ("The window stored in the file was applied.",))


def test_a_dicom_without_a_window_is_windowed_by_percentiles():
    loaded = load_image(dicom(GRAY * np.uint16(20)))
    assert np.array_equal(np.asarray(loaded.image), pixels(GRAY * np.uint16(20)))
    assert "no window" in loaded.notes[0]


def test_monochrome1_is_inverted_and_said():
    plain, inverted = load_image(dicom(GRAY)), load_image(dicom(GRAY, PhotometricInterpretation="MONOCHROME1"))
    assert np.array_equal(255 - np.asarray(plain.image), np.asarray(inverted.image))
    assert "MONOCHROME1" in inverted.notes[-1]


def test_pixel_spacing_is_told_as_x_and_y():
    assert load_image(dicom(GRAY, PixelSpacing=[0.5, 0.25])).spacing_mm == (0.25, 0.5)
    assert load_image(dicom(GRAY)).spacing_mm is None


def test_the_middle_frame_of_a_dicom_series_is_read_and_said():
    frames = np.stack([GRAY * 0, GRAY, GRAY * 0])
    loaded = load_image(dicom(frames, NumberOfFrames=3))
    assert np.array_equal(np.asarray(loaded.image), pixels(dicom(GRAY)))
    assert loaded.notes[0] == "Frame 2 of 3 was read."


@pytest.mark.parametrize(
    ("name", "size", "spacing"),
    [
        ("CT_small.dcm", (128, 128), (0.661468, 0.661468)),
        ("MR_small.dcm", (64, 64), (0.3125, 0.3125)),
        ("MR_small_RLE.dcm", (64, 64), (0.3125, 0.3125)),
        ("JPEG2000.dcm", (256, 1024), (2.26, 2.26)),
        ("examples_palette.dcm", (800, 350), None),
        ("examples_ybr_color.dcm", (320, 240), None),
    ],
)
def test_dicom_files_from_real_machines_are_read(name, size, spacing):
    loaded = load_image(shipped(name))
    assert (loaded.kind, loaded.image.size, loaded.spacing_mm) == ("DICOM", size, spacing)
    assert np.asarray(loaded.image).std() > 10


def test_colour_dicom_keeps_its_colours():
    stripes = pixels(shipped("SC_rgb_rle_2frame.dcm"))
    assert len(np.unique(stripes.reshape(-1, 3), axis=0)) > 5
    red, green, blue = stripes[..., 0].astype(int), stripes[..., 1].astype(int), stripes[..., 2].astype(int)
    assert max(np.abs(red - green).max(), np.abs(green - blue).max()) > 100


def test_a_dicom_without_pixels_a_huge_one_and_a_codec_not_installed_say_so():
    assert "holds no image, only data of modality SR" in refusal(shipped("reportsi.dcm"))
    assert "30000 x 30000" in refusal(dicom(GRAY, Rows=30_000, Columns=30_000))
    assert "No decoder is installed" in refusal(shipped("MR_small_jpeg_ls_lossless.dcm"))


# NIfTI


def nifti(axes: str, spacing: tuple[float, float, float], kind: type = nibabel.Nifti1Image) -> bytes:
    """A volume whose voxel (right, anterior, superior) holds 100 R + 10 A + S of 30 x 40 x 20, stored along `axes`."""
    right, anterior, superior = np.meshgrid(np.arange(30), np.arange(40), np.arange(20), indexing="ij")
    volume = nibabel.Nifti1Image((100 * right + 10 * anterior + superior).astype(np.int16), np.diag([*spacing, 1]))
    turn = nibabel.orientations.ornt_transform(nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(axes))
    turned = volume.as_reoriented(turn)
    return kind(np.asarray(turned.dataobj), turned.affine).to_bytes()


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR", "SAL"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_a_volume_stored_along_any_axes_shows_the_same_axial_slice(axes, kind):
    loaded = load_image(nifti(axes, (0.5, 0.75, 3), kind))
    shown = np.asarray(loaded.image)[..., 0]
    assert loaded.image.size == (30, 40)
    assert loaded.spacing_mm == pytest.approx((0.5, 0.75))
    assert shown[20, 0] > shown[20, 29]  # the patient's right, the larger R here, is on the left
    assert shown[0, 15] > shown[39, 15]  # anterior is up
    assert loaded.kind == "NIfTI"
    assert "Axial slice 11 of 20" in loaded.notes[0]


def test_a_compressed_volume_in_time_shows_its_first_moment():
    values = np.zeros((20, 24, 5, 3), np.float32)
    values[..., 0] = np.arange(20)[:, None, None]
    data = gzip.compress(nibabel.Nifti1Image(values, np.eye(4)).to_bytes())
    assert pixels(data).std() > 50


def test_a_volume_that_cannot_be_shown_says_so():
    assert "three dimensions" in refusal(nibabel.Nifti1Image(np.zeros((20, 20), np.float32), np.eye(4)).to_bytes())
    assert "8 x 20" in refusal(nibabel.Nifti1Image(np.zeros((8, 20, 20), np.float32), np.eye(4)).to_bytes())
    assert "real numbers" in refusal(nibabel.Nifti1Image(np.zeros((20, 20, 20), np.complex64), np.eye(4)).to_bytes())
