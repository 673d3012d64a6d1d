"""Damage ends in an image or in one sentence; a bug of our own ends in itself.

python -m pytest tests/imaging/test_damage.py
"""

import gzip
import io

import imagecodecs
import nibabel
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.uid import HTJ2KLossless

from medreasoner.imaging import ImageError, dicom_geometry, load_image, nifti_grid, windowing
from tests.medical import GRAY, RGB, compressed, dicom, encoded, item, jpeg_lossless, nifti, pages, shipped

TABLE = item(LUTDescriptor=[256, 0, 16], LUTData=(16 * np.arange(256)).astype("<u2").tobytes())
EXIF = Image.Exif()
EXIF[0x0112] = 6


def tiff(values: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, metadata=None, **options)
    return file.getvalue()


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
WHOLE |= {
    "DICOM enhanced": dicom(
        np.stack([GRAY] * 3),
        NumberOfFrames=3,
        SharedFunctionalGroupsSequence=[item(PixelMeasuresSequence=[item(PixelSpacing=[1, 2])])],
        PerFrameFunctionalGroupsSequence=[item(FrameVOILUTSequence=[item(WindowCenter=40, WindowWidth=400)])]
        * 3,
    ),
    "DICOM tables": dicom(
        GRAY.astype(np.uint16), ModalityLUTSequence=[TABLE], VOILUTSequence=[TABLE], PixelPaddingValue=7
    ),
    "DICOM data set alone": dicom(GRAY.astype(np.int16) * 10, RescaleSlope=1, RescaleIntercept=-1024)[132:],
    "DICOM deflated": shipped("image_dfl.dcm"),
    "DICOM HTJ2K": compressed([imagecodecs.htj2k_encode(GRAY, reversible=True)], HTJ2KLossless, dicom(GRAY)),
    "TIFF deep": tiff(GRAY * np.uint16(300), compression="lzma"),
    "TIFF tiles": tiff(GRAY * np.uint16(300), tile=(16, 16)),
    "TIFF pages": pages("TIFF"),
    "APNG": pages("PNG"),
    "WEBP EXIF": encoded(Image.fromarray(RGB), "WEBP", exif=EXIF),
    "NIfTI colours": nibabel.Nifti1Image(
        np.zeros((20, 20, 4), [(c, "u1") for c in "RGB"]), np.eye(4)
    ).to_bytes(),
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
    frame = drawn.draw(st.sampled_from([None, None, 2]))
    try:
        load_image(bytes(broken[:length]), frame=frame)
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


def bug(*_: object, **__: object) -> None:
    raise LookupError("a bug of ours")


SLICE = GRAY.astype(np.int16) * 10


@pytest.mark.parametrize(
    "source",
    [
        dicom(SLICE),
        nifti(),
        SLICE,
        encoded(Image.fromarray(GRAY * np.uint16(300))),
        encoded(Image.fromarray(SLICE), "TIFF"),
    ],
    ids=["DICOM", "NIfTI", "array", "PNG", "TIFF"],
)
@pytest.mark.parametrize("error", [LookupError, ValueError, TypeError, AttributeError])
def test_a_bug_in_our_windowing_is_not_called_damage(source, error, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise error("a bug of ours")

    monkeypatch.setattr(windowing, "percentile_limits", broken)
    with pytest.raises(error, match="^'?a bug of ours'?$"):
        load_image(source)


@pytest.mark.parametrize(
    ("source", "module"),
    [(dicom(SLICE, ImageOrientationPatient=[1, 0, 0, 0, 1, 0]), dicom_geometry), (nifti(), nifti_grid)],
    ids=["DICOM", "NIfTI"],
)
def test_a_bug_in_our_geometry_is_not_called_damage(source, module, monkeypatch):
    monkeypatch.setattr(module, "edge_letters", bug)
    with pytest.raises(LookupError, match="^a bug of ours$"):
        load_image(source)
