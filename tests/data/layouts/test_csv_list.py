"""A plain folder of images and masks with a CSV.

python -m pytest tests/data/layouts/test_csv_list.py
"""

from pathlib import Path

import numpy as np
import pytest

from medreasoner.data.load import DataError, load
from tests.sets import BOX, HEIGHT, WIDTH, png, rectangle


def plain(path: Path, text: str, name: str = "metadata.csv") -> Path:
    """images/one.png and masks/one.png, the same as two.jpg and two.png, and a CSV."""
    for folder, array in (("images", np.full((HEIGHT, WIDTH, 3), 90, np.uint8)), ("masks", rectangle())):
        (path / folder).mkdir(exist_ok=True)
        for stem in ("one", "two"):
            (path / folder / f"{stem}.png").write_bytes(png(array))
    (path / "images/two.png").rename(path / "images/two.jpg")
    (path / name).write_text(text, encoding="utf-8")
    return path


def test_a_row_with_an_image_and_a_question_is_enough(tmp_path):
    one, two = load(plain(tmp_path, "image,question\none.png,Where is it?\nimages/two.jpg,And here?\n"))
    assert (one.id, one.question, one.case, one.modality, one.category) == (
        "one",
        "Where is it?",
        "one",
        "unknown",
        "unknown",
    )
    assert one.mask == tmp_path / "masks/one.png" and one.truth().box == BOX
    assert two.mask == tmp_path / "masks/two.png" and two.load_image().size == (WIDTH, HEIGHT)


@pytest.mark.parametrize("by", [",", ";", "\t"])
def test_columns_go_by_several_names_and_separators(tmp_path, by):
    header = by.join(
        ("\ufeffFile_Name", "Mask", "Query", "Modal", "Label", "Patient", "supercategory", "id", "split")
    )
    cells = by.join(("one.png", "two.png", '"Where, or; not?"', "CT", "spleen", "p7", "abdomen", "x", "test"))
    data = plain(tmp_path, f"{header}\r\n{cells}\r\n")
    [sample] = load(data, "test")
    assert (sample.question, sample.modality, sample.category, sample.case) == (
        "Where, or; not?",
        "CT",
        "spleen",
        "p7",
    )
    assert (sample.id, sample.supercategory, sample.mask) == ("x", "abdomen", tmp_path / "masks/two.png")
    with pytest.raises(DataError, match="no usable sample of split 'train'$"):
        list(load(data, "train"))


def test_several_targets_of_one_image_have_the_names_of_their_masks(tmp_path):
    one, two = load(plain(tmp_path, "image,mask,question\none.png,one.png,A?\none.png,masks/two.png,B?\n"))
    assert (one.id, two.id) == ("one", "masks/two") and one.case == two.case == "one"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("gone.png,,Where?", "no file gone.png"),
        ("one.png,gone.png,Where?", "no file gone.png"),
        (",one.png,Where?", "it has no image; expected one in a column image or image_path"),
        ("one.png,one.png", "it has no question; `python -m medreasoner data build`"),
        ("one.png,one.png,a,b,c", "more cells than the header has columns"),
    ],
)
def test_a_bad_row_is_named_as_a_spreadsheet_numbers_it(tmp_path, line, reason):
    data = plain(tmp_path, f"image,mask,question\none.png,one.png,Where?\n{line}\ntwo.jpg,two.png,Where?\n")
    loaded = load(data)
    assert [s.id for s in loaded] == ["one", "two"]
    [skipped] = loaded.skipped
    assert (skipped.file, skipped.row) == ("metadata.csv", 3) and reason in skipped.reason
    with pytest.raises(DataError, match="metadata.csv, row 3"):
        list(load(data, strict=True))


def test_a_split_has_a_list_of_its_own_or_a_column(tmp_path):
    plain(tmp_path, "image,question\none.png,A?\n", "train.csv")
    plain(tmp_path, "image,question\ntwo.jpg,B?\n", "test.csv")
    assert [s.id for s in load(tmp_path, "test")] == ["two"]
    assert [s.id for s in load(tmp_path)] == ["two", "one"]
    with pytest.raises(DataError, match="validation.csv"):
        load(tmp_path, "validation")


def test_a_csv_that_is_none_is_an_error(tmp_path):
    with pytest.raises(DataError, match="metadata.csv, line 3 is no CSV .*field larger"):
        list(load(plain(tmp_path, f"image,question\none.png,A?\none.png,{'x' * 200_000}\n")))
    with pytest.raises(DataError, match="no usable sample"):
        list(load(plain(tmp_path, "")))
