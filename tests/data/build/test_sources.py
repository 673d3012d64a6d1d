"""Three layouts of a source become one list of items; what is wrong with a source is named with its file and row."""

import json

import numpy as np
import pytest
from PIL import Image

from medreasoner.data.build.duplicates import HashIndex, dhash
from medreasoner.data.build.manifest import split_of
from medreasoner.data.build.pictures import read_class_mask
from medreasoner.data.build.source_files import Options, SourceError, read_labels
from medreasoner.data.build.sources import open_source
from tests.data.build.test_builder import ROWS, build, lines, rewrite, source

SPLEEN = Options(labels={1: "spleen"}, modality="CT", licence="CC0")


@pytest.fixture
def pictures(tmp_path):
    """Images and 0/255 masks without any table."""
    folder = tmp_path / "pictures"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(4):
        mask = np.zeros((60, 80), np.uint8)
        mask[20:45, 10 + 10 * number : 40 + 10 * number] = 255
        shade = (mask // 2 + np.random.default_rng(number).integers(0, 60, mask.shape)).astype(np.uint8)
        Image.fromarray(shade).save(folder / f"images/{number}.jpg")
        Image.fromarray(mask).save(folder / f"masks/{number}.png")
    return folder


def items(folder, tmp_path, options=SPLEEN):
    return list(open_source(folder, tmp_path / "out", options))


def test_a_manifest_is_read_with_what_is_kept_for_evaluation_first(tmp_path):
    source(tmp_path / "src", ROWS)
    found = items(tmp_path / "src", tmp_path)
    assert [(item.id, item.split) for item in found][:2] == [("kvasir_seg/a", "validation"), ("drive_vessels/d", "train")]
    assert found[0].classes == ((1, "polyp"),) and found[0].licence == "CC0"


def test_a_folder_of_pictures_needs_no_table(pictures, tmp_path):
    found = items(pictures, tmp_path)
    assert sorted(item.id for item in found) == list("0123")
    assert {item.classes for item in found} == {((1, "spleen"),)} and {item.licence for item in found} == {"CC0"}


def test_a_folder_of_pictures_becomes_a_set_that_loads(pictures, tmp_path):
    from medreasoner.data.build.builder import Builder
    from medreasoner.data.load import load

    out = tmp_path / "out"
    Builder(open_source(pictures, out, SPLEEN), out).run()
    samples = list(load(out, strict=True))
    assert len(samples) == 4 and {sample.category for sample in samples} == {"spleen"}
    assert samples[0].load_mask().sum() == 25 * 30


def test_a_table_says_case_split_labels_and_mask(pictures, tmp_path):
    (pictures / "metadata.csv").write_text(
        'image,mask,case,modality,labels,split\n0.jpg,1.png,Ann,MRI,"1=liver",train\n1.jpg,,Bob,,,validation\n', encoding="utf-8-sig"
    )
    bob, ann = items(pictures, tmp_path)
    assert (ann.case, ann.modality, ann.classes, ann.split, ann.mask.name) == ("Ann", "MRI", ((1, "liver"),), "train", "1.png")
    assert (bob.case, bob.modality, bob.classes, bob.split, bob.mask.name) == ("Bob", "CT", ((1, "spleen"),), "validation", "1.png")


@pytest.mark.parametrize(
    "change,said",
    [
        ({"targets": [{"name": "polyp"}]}, "row 1: expected id, image, mask"),
        ({"modality": ""}, "row 1: 'kvasir_seg/a' has no modality"),
        ({"image": "images/none.png"}, "row 1: there is no file"),
        ({"id": "kvasir_seg/b"}, "row 2: the id 'kvasir_seg/b' has come before"),
    ],
)
def test_a_malformed_row_is_named(tmp_path, change, said):
    source(tmp_path / "src", ROWS)
    rewrite(tmp_path / "src", a=change)
    with pytest.raises(SourceError, match=said):
        items(tmp_path / "src", tmp_path, Options())


def test_a_line_that_is_no_json_is_named(tmp_path):
    source(tmp_path / "src", ROWS)
    with (tmp_path / "src/manifest.jsonl").open("a") as file:
        file.write("{oops\n")
    with pytest.raises(SourceError, match="manifest.jsonl, row 5"):
        items(tmp_path / "src", tmp_path)


def test_pictures_without_class_names_or_masks_are_named(pictures, tmp_path):
    with pytest.raises(SourceError, match='0.jpg: its classes have no names; give --labels'):
        items(pictures, tmp_path, Options(modality="CT"))
    (pictures / "masks/2.png").unlink()
    with pytest.raises(SourceError, match="2.jpg: expected one mask 2.* in masks, found 0"):
        items(pictures, tmp_path)


def test_class_names_are_read_from_a_line():
    assert read_labels("1=spleen; 2 = left kidney ,3=liver") == {1: "spleen", 2: "left kidney", 3: "liver"}
    with pytest.raises(SourceError, match='written "1=spleen; 2=liver"'):
        read_labels("spleen")


def test_a_mask_may_be_grey_palette_or_a_grey_colour_picture(tmp_path):
    values = np.array([[0, 1], [2, 0]], np.uint8)
    Image.fromarray(values).save(tmp_path / "grey.png")
    palette = Image.fromarray(values, "P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "palette.png")
    Image.fromarray(np.repeat(values[..., None], 3, axis=2)).save(tmp_path / "colour.png")
    for name in ("grey", "palette", "colour"):
        assert np.array_equal(read_class_mask(tmp_path / f"{name}.png", [1, 2]), values), name
    Image.new("RGB", (2, 2), (1, 2, 3)).save(tmp_path / "red.png")
    with pytest.raises(SourceError, match="has colours"):
        read_class_mask(tmp_path / "red.png", [1])


def test_splits_go_by_case_and_take_about_their_share():
    drawn = [split_of(f"patient {number}", 0.15) for number in range(2000)]
    assert 0.12 < drawn.count("validation") / 2000 < 0.18
    assert drawn == [split_of(f"patient {number}", 0.15) for number in range(2000)]
    assert drawn != [split_of(f"patient {number}", 0.15, seed=1) for number in range(2000)]


def test_all_images_of_a_patient_go_one_way(pictures, tmp_path):
    rows = "".join(f"{number}.jpg,{'Ann' if number < 3 else 'Bob'}\n" for number in range(4))
    (pictures / "metadata.csv").write_text("image,case\n" + rows)
    for seed in range(8):
        options = Options(SPLEEN.labels, "CT", validation=0.5, seed=seed)
        assert len({item.split for item in items(pictures, tmp_path, options) if item.case == "Ann"}) == 1


def test_copies_at_another_size_and_compression_are_near(tmp_path):
    rng = np.random.default_rng(0)
    one, other = (Image.fromarray(rng.integers(0, 255, (9, 9), np.uint8)).resize((300, 200), Image.Resampling.BICUBIC) for _ in range(2))
    one.resize((150, 100)).save(tmp_path / "copy.jpg", quality=50)
    seen = HashIndex()
    assert not seen.has_near(dhash(one))
    for _ in range(70):  # past the room it begins with
        seen.add(dhash(other))
    assert not seen.has_near(dhash(one))
    seen.add(dhash(one))
    assert seen.has_near(dhash(Image.open(tmp_path / "copy.jpg")))


def test_a_manifest_without_splits_gets_them(tmp_path):
    source(tmp_path / "src", [(str(number), *ROWS[1][1:]) for number in range(12)])
    rows = [{k: v for k, v in row.items() if k != "split"} for row in lines(tmp_path / "src/manifest.jsonl")]
    (tmp_path / "src/manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert set(build(tmp_path / "src", tmp_path / "out")["samples"]) <= {"train", "validation"}
    assert {item.split for item in items(tmp_path / "src", tmp_path, Options(validation=0.5))} == {"train", "validation"}
