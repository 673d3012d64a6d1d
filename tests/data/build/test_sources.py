"""Three layouts of a source become one list of items; what is wrong with a source is named with its file and
row.
"""

import numpy as np
import pytest
from PIL import Image

from medreasoner.data.build.source_files import Options, SourceError
from medreasoner.data.build.sources import open_source

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


def test_a_folder_of_pictures_needs_no_table(pictures, tmp_path):
    found = items(pictures, tmp_path)
    assert sorted(item.id for item in found) == list("0123")
    assert {item.classes for item in found} == {((1, "spleen"),)} and {item.licence for item in found} == {
        "CC0"
    }


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
        'image,mask,case,modality,labels,split\n0.jpg,1.png,Ann,MRI,"1=liver",train\n1.jpg,,Bob,,,validation\n',
        encoding="utf-8-sig",
    )
    bob, ann = items(pictures, tmp_path)
    assert (ann.case, ann.modality, ann.classes, ann.split, ann.mask.name) == (
        "Ann",
        "MRI",
        ((1, "liver"),),
        "train",
        "1.png",
    )
    assert (bob.case, bob.modality, bob.classes, bob.split, bob.mask.name) == (
        "Bob",
        "CT",
        ((1, "spleen"),),
        "validation",
        "1.png",
    )


def test_pictures_without_class_names_or_masks_are_named(pictures, tmp_path):
    with pytest.raises(SourceError, match="0.jpg: its classes have no names; give --labels"):
        items(pictures, tmp_path, Options(modality="CT"))
    (pictures / "masks/2.png").unlink()
    with pytest.raises(SourceError, match="2.jpg: expected one mask 2.* in masks, found 0"):
        items(pictures, tmp_path)


def test_all_images_of_a_patient_go_one_way(pictures, tmp_path):
    rows = "".join(f"{number}.jpg,{'Ann' if number < 3 else 'Bob'}\n" for number in range(4))
    (pictures / "metadata.csv").write_text("image,case\n" + rows)
    for seed in range(8):
        options = Options(SPLEEN.labels, "CT", validation=0.5, seed=seed)
        assert len({item.split for item in items(pictures, tmp_path, options) if item.case == "Ann"}) == 1
