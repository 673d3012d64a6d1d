"""DICOM files as a reading room shows them: windows, shades, colours, frames and transfer syntaxes.

python -m pytest tests/imaging/test_dicom.py
"""

import io
import pickle

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    MPEG4HP41,
    DeflatedExplicitVRLittleEndian,
    EnhancedMRImageStorage,
    HTJ2KLossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
)

from medreasoner.imaging import dicom as reader
from medreasoner.imaging.read import load_image
from tests.medical import GRAY, dicom, item, jpeg_lossless, pixels, refusal, shipped

DEEP = (GRAY.astype(np.int16) * 10 + 24).astype(np.int16)
CT = {"Modality": "CT", "RescaleSlope": 1, "RescaleIntercept": -1024}
CT_NAMES = tuple(
    f"CT {part}"
    for part in ("soft tissue", "brain", "subdural", "stroke", "mediastinum", "lung", "liver", "bone")
)


def test_a_window_is_applied_after_the_rescale():
    loaded = load_image(dicom(DEEP, RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=40, WindowWidth=400))
    expected = np.clip((DEEP - 1024.0 - 39.5) / 399 + 0.5, 0, 1) * 255
    assert np.abs(np.asarray(loaded.image)[..., 0] - expected).max() <= 1
    assert (loaded.kind, loaded.notes) == ("DICOM", ("Shown in the window file 1 (level 40, width 400).",))


def test_a_window_wider_than_the_values_is_not_stretched_to_them():
    shown = pixels(dicom(np.full((40, 50), 500, np.int16), WindowCenter=1000, WindowWidth=2000))
    assert (shown == 64).all()


def test_of_several_windows_the_first_is_shown_and_each_can_be_asked_for():
    data = dicom(
        DEEP, WindowCenter=[40, -600], WindowWidth=[400, 1500], WindowCenterWidthExplanation=["SOFT", "LUNG"]
    )
    loaded = load_image(data)
    assert (loaded.view.window, loaded.options.windows) == (
        "file 1: SOFT",
        ("file 1: SOFT", "file 2: LUNG", "auto", "full range"),
    )
    lung = load_image(data, window="file 2")
    assert lung.view.window == "file 2: LUNG" and "level -600, width 1500" in lung.notes[0]
    assert lung.image.tobytes() == load_image(data, window="-600.5/1499").image.tobytes(), (
        "DICOM's LINEAR, spelt out"
    )
    assert "one of: file 1: SOFT, file 2: LUNG, auto, full range." in refusal(data, window="CT bone")


@pytest.mark.parametrize(("centre", "width"), [(40, 0), ("", ""), ([40, 50], [0, 0])])
def test_windows_that_are_none_count_as_absent(centre, width):
    loaded = load_image(dicom(GRAY * np.uint16(20), WindowCenter=centre, WindowWidth=width))
    assert np.array_equal(np.asarray(loaded.image), pixels(GRAY * np.uint16(20)))
    assert loaded.notes == (
        "The file has no window; 16-bit values were scaled to 8 bits from their 0.5 to 99.5 percentile.",
    )


def test_a_table_of_shades_goes_before_a_window():
    table = item(
        LUTDescriptor=[256, 0, 16],
        LUTExplanation="NEGATIVE",
        LUTData=np.arange(65280, -1, -256).astype("<u2").tobytes(),
    )
    data = dicom(GRAY.astype(np.uint16), VOILUTSequence=[table], WindowCenter=40, WindowWidth=400)
    loaded = load_image(data)
    assert loaded.options.windows[:2] == ("file 1: NEGATIVE", "file 2")
    assert np.abs(np.asarray(loaded.image)[..., 0] - (255.0 - GRAY)).max() <= 1
    assert loaded.notes == ("Shown through the table file 1: NEGATIVE.",)


def test_a_modality_table_is_applied_before_the_window():
    table = item(
        LUTDescriptor=[256, 0, 16],
        ModalityLUTType="US",
        LUTData=(10 * np.arange(256)).astype("<u2").tobytes(),
    )
    shown = pixels(
        dicom(GRAY.astype(np.uint16), ModalityLUTSequence=[table], WindowCenter=1000.5, WindowWidth=2001)
    )
    assert np.abs(shown[..., 0] - GRAY * 10.0 / 2000 * 255).max() <= 1


@pytest.mark.parametrize(
    ("part", "window"),
    [("HEAD", "CT brain"), ("CHEST", "CT mediastinum"), (None, "CT soft tissue"), ("FOOT", "CT soft tissue")],
)
def test_a_ct_without_a_window_is_shown_in_that_of_its_region_and_offers_all(part, window):
    loaded = load_image(dicom(DEEP, **CT, BodyPartExamined=part))
    assert (loaded.view.window, loaded.options.windows) == (
        window,
        (*CT_NAMES, "CT temporal bone", "auto", "full range"),
    )
    bone = load_image(dicom(DEEP, **CT), window="CT bone")
    assert (
        np.abs(np.asarray(bone.image)[..., 0] - np.clip((DEEP - 1024.0 + 500) / 1800, 0, 1) * 255).max() <= 1
    )


def test_values_of_8_bits_without_a_window_are_shown_as_stored():
    loaded = load_image(dicom(GRAY))
    assert np.array_equal(np.asarray(loaded.image)[..., 0], GRAY)
    assert (loaded.notes, loaded.options.windows) == ((), ("as stored", "auto", "full range"))
    assert pixels(dicom(GRAY), window="auto").max() == 255 > GRAY.max()


def test_monochrome1_is_inverted_and_said():
    plain, inverted = (
        load_image(dicom(GRAY)),
        load_image(dicom(GRAY, PhotometricInterpretation="MONOCHROME1")),
    )
    assert np.array_equal(255 - np.asarray(plain.image), np.asarray(inverted.image))
    assert "MONOCHROME1" in inverted.notes[-1]


def test_the_middle_frame_is_read_unless_another_is_asked_for():
    data = dicom(np.stack([GRAY // 3, GRAY, GRAY // 2]), NumberOfFrames=3)
    loaded = load_image(data)
    assert np.array_equal(np.asarray(loaded.image)[..., 0], GRAY)
    assert (loaded.notes[0], loaded.view.frame, loaded.options.frames) == ("Frame 2 of 3 is shown.", 2, 3)
    assert np.array_equal(pixels(data, frame=1)[..., 0], GRAY // 3)
    assert "Frame 4 was asked for" in refusal(data, frame=4) and "only a NIfTI volume" in refusal(
        data, slice=1
    )


def test_each_frame_of_an_enhanced_object_has_its_own_window_scale_and_place():
    def groups(number: int) -> pydicom.Dataset:
        return item(
            FrameVOILUTSequence=[item(WindowCenter=100 * number, WindowWidth=100)],
            PixelValueTransformationSequence=[
                item(RescaleSlope=number, RescaleIntercept=0, RescaleType="US")
            ],
            PlanePositionSequence=[item(ImagePositionPatient=[0, 0, number])],
        )

    shared = item(
        PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.25], SliceThickness=3)],
        PlaneOrientationSequence=[item(ImageOrientationPatient=[0, 1, 0, 0, 0, -1])],
    )
    data = dicom(
        np.stack([GRAY.astype(np.int16)] * 2),
        **{
            "SOPClassUID": EnhancedMRImageStorage,
            "NumberOfFrames": 2,
            "Modality": "MR",
            "SharedFunctionalGroupsSequence": [shared],
        },
        PerFrameFunctionalGroupsSequence=[groups(1), groups(2)],
    )
    first, second = (load_image(data, frame=number) for number in (1, 2))
    assert (
        (first.spacing_mm, first.orientation)
        == ((0.25, 0.5), ("A", "P", "H", "F"))
        == (second.spacing_mm, second.orientation)
    )
    assert "level 100, width 100" in first.notes[1] and "level 200, width 100" in second.notes[1]
    assert np.abs(np.asarray(second.image)[..., 0] - np.clip((2.0 * GRAY - 150) / 99, 0, 1) * 255).max() <= 2
    assert [float(v) for v in second.source.header.ImagePositionPatient] == [0, 0, 2]


@pytest.mark.parametrize(
    ("name", "size", "spacing", "letters"),
    [
        ("CT_small.dcm", (128, 128), (0.661468, 0.661468), ("R", "L", "A", "P")),
        ("MR_small.dcm", (64, 64), (0.3125, 0.3125), ("R", "L", "A", "P")),
        ("MR_small_RLE.dcm", (64, 64), (0.3125, 0.3125), ("R", "L", "A", "P")),
        ("MR_small_bigendian.dcm", (64, 64), (0.3125, 0.3125), ("R", "L", "A", "P")),
        ("MR_small_jpeg_ls_lossless.dcm", (64, 64), (0.3125, 0.3125), ("R", "L", "A", "P")),
        ("J2K_pixelrep_mismatch.dcm", (512, 512), (0.431, 0.431), ("R", "L", "AH", "PF")),
        ("JPEG2000.dcm", (256, 1024), (2.26, 2.26), None),
        ("image_dfl.dcm", (512, 512), None, None),
        ("examples_palette.dcm", (800, 350), (0.262288, 0.262288), None),
        ("examples_ybr_color.dcm", (320, 240), (0.510497, 0.510497), None),
    ],
)
def test_files_from_real_machines_are_read(name, size, spacing, letters):
    loaded = load_image(shipped(name))
    assert (loaded.kind, loaded.image.size, loaded.orientation) == ("DICOM", size, letters)
    assert loaded.spacing_mm == (None if spacing is None else pytest.approx(spacing, abs=1e-5))
    assert np.asarray(loaded.image).std() > 10


@pytest.mark.parametrize("syntax", ["RLE", "jp2klossless", "jpeg_ls_lossless", "implicit", "bigendian"])
def test_the_same_image_looks_the_same_in_every_transfer_syntax(syntax):
    assert np.array_equal(pixels(shipped(f"MR_small_{syntax}.dcm")), pixels(shipped("MR_small.dcm")))


@pytest.mark.parametrize(
    "name",
    ["SC_rgb_rle.dcm", "SC_ybr_full_422_uncompressed.dcm", "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_rle_16bit.dcm"],
)
def test_colours_come_as_rgb(name):
    stripes = pixels(shipped(name)).astype(int)
    red = stripes[5, 50]
    assert red[0] > 240 and red[1] < 20 and red[2] < 20
    assert len(np.unique(stripes.reshape(-1, 3), axis=0)) > 5
    assert "in colour" in refusal(shipped(name), window="40/400")


def test_a_file_without_preamble_or_without_a_named_syntax_is_read():
    whole = dicom(GRAY)
    assert np.array_equal(pixels(whole[132:])[..., 0], GRAY)
    dataset = pydicom.dcmread(io.BytesIO(whole))
    for implicit in (True, False):
        file = io.BytesIO()
        del dataset.file_meta
        pydicom.dcmwrite(file, dataset, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
        assert np.array_equal(pixels(file.getvalue())[..., 0], GRAY)
        dataset = pydicom.dcmread(io.BytesIO(whole))


def recoded(data: bytes, syntax: str | None = None, **attributes: object) -> bytes:
    """The same pixels under another name of their transfer syntax, or in a header that says otherwise."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    was_compressed = dataset.file_meta.TransferSyntaxUID.is_compressed
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax or dataset.file_meta.TransferSyntaxUID)
    if dataset.file_meta.TransferSyntaxUID.is_compressed and not was_compressed:
        dataset.PixelData = pydicom.encaps.encapsulate([bytes(dataset.PixelData)])
    dataset.update(item(**attributes))
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset, implicit_vr=False, little_endian=True, enforce_file_format=False)
    return file.getvalue()


@pytest.mark.parametrize("syntax", [HTJ2KLossless, MPEG4HP41])
def test_a_syntax_that_cannot_be_decoded_is_named(syntax):
    said = refusal(recoded(dicom(GRAY), syntax))
    assert syntax.name in said and str(syntax) in said and "No decoder is installed" in said


def test_a_codec_that_gives_up_names_the_syntax_too():
    said = refusal(recoded(shipped("MR_small_jpeg_ls_lossless.dcm"), JPEGBaseline8Bit))
    assert "JPEG Baseline (Process 1), transfer syntax 1.2.840.10008.1.2.4.50" in said


@pytest.mark.parametrize(
    ("bits", "predictor", "syntax"),
    [(8, 1, JPEGLosslessSV1), (8, 4, JPEGLossless), (12, 7, JPEGLossless), (16, 1, JPEGLosslessSV1)],
)
def test_jpeg_lossless_gives_the_values_that_were_stored(bits, predictor, syntax):
    values = (GRAY.astype(np.uint16) * ((1 << bits) - 1) // 186).astype(np.uint8 if bits == 8 else np.uint16)
    data = jpeg_lossless(values[None], bits, predictor, syntax)
    assert np.array_equal(reader._decode(pydicom.dcmread(io.BytesIO(data)), 1), values)
    assert np.array_equal(pixels(data), pixels(dicom(values, BitsStored=bits, HighBit=bits - 1)))


def test_jpeg_lossless_keeps_negative_values_colours_and_frames():
    hounsfield = DEEP.astype(np.int16) - 1024
    signed = jpeg_lossless(hounsfield[None], 12, **CT)
    assert np.array_equal(reader._decode(pydicom.dcmread(io.BytesIO(signed)), 1), hounsfield)
    colours = np.stack([GRAY, 255 - GRAY, GRAY // 2], axis=-1)
    photograph = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    film = jpeg_lossless(np.stack([colours, colours // 2]), 8, **photograph)
    assert np.array_equal(pixels(film, frame=1), colours) and np.array_equal(
        pixels(film, frame=2), colours // 2
    )


def test_jpeg_extended_of_12_bits_is_read():
    loaded = load_image(shipped("JPEG-lossy.dcm"))
    assert (
        loaded.image.size == (256, 1024)
        and "16-bit values" in loaded.notes[0]
        and np.asarray(loaded.image).std() > 10
    )


def test_a_jpeg_that_is_cut_short_or_is_not_what_its_header_says_is_refused_before_it_is_decoded():
    whole = jpeg_lossless(GRAY[None], 8)
    assert "has no end" in refusal(whole.replace(b"\xff\xd9", b"\0\0"))
    assert "holds (40, 50, 1)" in refusal(recoded(whole, Rows=41))
    frame = whole.index(b"\xff\xc3")
    huge = whole[: frame + 5] + b"\xff\xff\xff\xff" + whole[frame + 9 :]
    assert "holds (65535, 65535, 1)" in refusal(huge)
    assert "kind 0xC0, expected 0xC3" in refusal(recoded(shipped("SC_rgb_jpeg_dcmtk.dcm"), JPEGLossless))
    assert "holds no JPEG" in refusal(whole.replace(b"\xff\xc3", b"\xff\xc4"))


def test_what_holds_no_pixels_or_too_many_says_so():
    assert "holds no image, only data of modality SR" in refusal(shipped("reportsi.dcm"))
    assert "30000 x 30000" in refusal(dicom(GRAY, Rows=30_000, Columns=30_000))
    assert "less than expected" in refusal(shipped("MR_truncated.dcm"))


def test_a_deflated_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    dataset = pydicom.dcmread(io.BytesIO(dicom(GRAY)))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    assert np.array_equal(pixels(file.getvalue())[..., 0], GRAY)
    monkeypatch.setattr(reader, "MAX_BYTES", 1500)
    monkeypatch.setattr(pydicom, "dcmread", lambda *_, **__: pytest.fail("the whole was unpacked"))
    assert "unpacks to more than" in refusal(file.getvalue())


def test_words_burnt_into_the_image_are_warned_of():
    assert "burnt into its pixels" in load_image(dicom(GRAY, BurnedInAnnotation="YES")).notes[-1]


def test_nothing_of_the_patient_stays_in_what_was_loaded():
    loaded = load_image(dicom(DEEP, **CT, PatientComments="Jane of 4 Elm Street", OtherPatientIDs="SSN-1"))
    kept = pickle.dumps(loaded)
    for word in (b"Doe", b"Jane", b"MRN", b"SSN", b"19700102", b"20200304", b"ACC-99", b"Roe", b"Mercy"):
        assert word not in kept
    assert pickle.loads(kept).source.header.SOPInstanceUID == loaded.source.header.SOPInstanceUID
    assert "PixelData" not in loaded.source.header
