"""Windows, tables, rescales and padding of a DICOM file, as a reading room shows them.

python -m pytest tests/imaging/test_dicom_gray.py
"""

import numpy as np
import pytest

from medreasoner.imaging import load_image
from tests.medical import CT, DEEP, GRAY, dicom, item, patched, pixels, refusal

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
    assert loaded.notes == ("Shown through the lookup table file 1: NEGATIVE.",)


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


BODY = np.where(GRAY > 20, 300 + GRAY.astype(np.int32), 0)  # inside GRAY > 20
INSIDE = GRAY > 20


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
@pytest.mark.parametrize(
    ("kind", "padding", "limit"),
    [(np.int16, -32768, None), (np.uint16, 65535, None), (np.int16, -2000, -1990), (np.uint16, 0, 200)],
)
def test_padding_is_black_and_does_not_count_for_the_automatic_window(kind, padding, limit, photometric):
    values = np.where(INSIDE, BODY, padding).astype(kind)
    values[0, :3] = padding if limit is None else limit  # outside the body
    options = {"Modality": "MR", "PhotometricInterpretation": photometric}
    shown = pixels(dicom(values, PixelPaddingValue=padding, PixelPaddingRangeLimit=limit, **options))[..., 0]
    alone = pixels(dicom(np.where(INSIDE, BODY, 320).astype(np.int16), **options))[..., 0]
    assert int(shown[INSIDE].max()) - int(shown[INSIDE].min()) > 200
    assert np.abs(shown[INSIDE].astype(int) - alone[INSIDE]).max() <= 8
    assert not shown[~INSIDE].any()


def test_padding_that_was_written_with_the_other_sign_is_padding():
    values = np.where(INSIDE, BODY, 63536).astype(np.uint16)
    shown = pixels(patched(dicom(values, PixelPaddingValue=63535), b"\x2f\xf8", b"\x30\xf8"[:2]))[..., 0]
    assert not shown[~INSIDE].any()


def test_a_ct_whose_values_are_no_hounsfield_units_is_shown_by_its_body():
    values = np.where(INSIDE, BODY, -2000).astype(np.int16)
    loaded = load_image(dicom(values, Modality="CT", RescaleType="US", PixelPaddingValue=-2000))
    assert loaded.view.window == "auto" and "CT lung" not in loaded.options.windows
    assert np.ptp(np.asarray(loaded.image)[..., 0][INSIDE]) > 200


@pytest.mark.parametrize(
    ("attributes", "window"),
    [
        (
            {"Modality": "PT", "RescaleType": "HU", "RescaleSlope": 1, "RescaleIntercept": -1024},
            "CT soft tissue",
        ),
        ({"Modality": "CT", "RescaleSlope": 1, "RescaleIntercept": -1024}, "CT soft tissue"),
        ({"Modality": "CT"}, "auto"),  # from 24 on: nothing says that these are Hounsfield units
        ({"Modality": "MR", "RescaleSlope": 1, "RescaleIntercept": -1024}, "auto"),
    ],
)
def test_hounsfield_units_open_in_a_window_for_ct_and_nothing_else_does(attributes, window):
    assert load_image(dicom(DEEP, **attributes)).view.window == window


def test_a_secondary_capture_of_a_ct_is_shown_as_stored():
    loaded = load_image(dicom(GRAY, Modality="CT"))
    assert loaded.view.window == "as stored" and np.array_equal(np.asarray(loaded.image)[..., 0], GRAY)


def table(entries: np.ndarray, first: int = 0, bits: int = 16, data: object = None) -> object:
    data = entries.astype("<u2").tobytes() if data is None else data
    found = item(LUTDescriptor=[len(entries) % 65536, first, bits])
    found.add_new("LUTData", "OW" if isinstance(data, bytes) else "US", data)
    return found


def test_the_brightest_of_a_table_is_its_largest_entry_whatever_bits_it_states():
    stated = dicom(GRAY.astype(np.uint16), VOILUTSequence=[table(16 * np.arange(256))])
    assert np.array_equal(pixels(stated)[..., 0], GRAY)


@pytest.mark.parametrize(
    "data",
    [
        np.arange(256, dtype=np.uint8).tobytes(),  # one entry a byte
        [int(word) for word in np.arange(256, dtype=np.uint8).view("<u2")],  # the same as numbers of 16 bits
        [int(entry) for entry in np.arange(256)],
    ],
    ids=["bytes", "words", "numbers"],
)
def test_tables_of_8_bits_are_read_however_they_are_packed(data):
    shown = pixels(dicom(GRAY.astype(np.uint16), VOILUTSequence=[table(np.arange(256), bits=8, data=data)]))
    assert np.abs(shown[..., 0].astype(int) - GRAY).max() <= 1


def test_the_first_value_of_a_table_is_signed_where_the_values_can_be_negative():
    entries = 32 * np.arange(2048)
    data = dicom(DEEP.astype(np.uint16), **CT, VOILUTSequence=[table(entries, 65536 - 1024)])
    expected = np.clip(DEEP, 0, 2047).astype(int) * 32 / entries.max() * 255
    assert np.abs(pixels(data)[..., 0] - expected).max() <= 1


def test_a_table_that_is_cut_short_costs_only_itself():
    short = table(np.arange(256), data=b"\0" * 100)
    loaded = load_image(dicom(DEEP, VOILUTSequence=[short], WindowCenter=1000, WindowWidth=2000))
    assert loaded.view.window == "file 1" and "level 1000" in loaded.notes[0]
    assert "VOILUTSequence" in loaded.notes[-1]
    missing = refusal(dicom(DEEP, ModalityLUTSequence=[short]))
    assert "modality LUT is damaged" in missing


@pytest.mark.parametrize(
    "rescale", [{"RescaleSlope": "", "RescaleIntercept": ""}, {"RescaleIntercept": 0}, {"RescaleSlope": 1}]
)
def test_an_empty_or_missing_half_of_a_rescale_counts_as_absent(rescale):
    window = {"WindowCenter": 93, "WindowWidth": 187}
    assert np.array_equal(pixels(dicom(DEEP, **rescale, **window)), pixels(dicom(DEEP, **window)))


@pytest.mark.parametrize(
    ("slope", "broken"), [("1.0 ", "1,0 "), ("1.0 ", "abc "), ("1.0 ", "0.0 "), ("1.0 ", "nan ")]
)
def test_a_rescale_that_cannot_be_used_shows_the_stored_values_and_says_so(slope, broken):
    data = dicom(DEEP, RescaleSlope=slope.strip(), RescaleIntercept=-7, WindowCenter=40, WindowWidth=400)
    loaded = load_image(patched(data, b"DS\x04\0" + slope.encode(), b"DS\x04\0" + broken.encode()))
    assert np.array_equal(np.asarray(loaded.image), pixels(dicom(DEEP)))
    assert (loaded.view.window, loaded.options.windows) == ("auto", ("auto", "full range"))
    assert "RescaleSlope" in loaded.notes[-1] and "stored values" in loaded.notes[0]


def test_a_window_that_cannot_be_read_costs_only_itself():
    data = dicom(DEEP, WindowCenter="40.0", WindowWidth="400")
    loaded = load_image(patched(data, b"40.0", b"40,0"))
    assert loaded.view.window == "auto" and "WindowCenter (40,0)" in loaded.notes[-1]


def test_a_window_that_hides_everything_is_said():
    assert "nothing can be seen" in load_image(dicom(DEEP, WindowCenter=-900, WindowWidth=50)).notes[-1]
    assert "nothing can be seen" not in " ".join(load_image(dicom(DEEP)).notes)
