"""A folder that is confined gives no file from outside."""

import pytest

from medreasoner.data.load import DataError, load
from medreasoner.data.storage import Folder, RowError
from tests.sets import folder, png, rectangle, row


@pytest.fixture
def inside(tmp_path):
    """A set with a picture beside its folder, and a link to it."""
    (tmp_path / "out.png").write_bytes(png(rectangle()))
    made = folder(tmp_path / "set", row())
    (made / "link.png").symlink_to(tmp_path / "out.png")
    (made / "linked").symlink_to(tmp_path)
    return made


WAYS = ("../out.png", "{}/out.png", "link.png", "linked/out.png", "a/../../out.png")


@pytest.mark.parametrize("name", WAYS)
def test_what_leads_out_is_refused_where_it_matters(inside, name):
    (inside / "a").mkdir()
    name = name.format(inside.parent)
    assert Folder(inside).first_existing(name) is not None
    with pytest.raises(RowError, match="leads out of the folder"):
        Folder(inside, confined=True).first_existing(name)


def test_files_of_the_folder_are_found_by_any_way_that_stays_in_it(inside):
    (inside / "own.png").symlink_to(inside / "a.png")
    for name in ("a.png", "linked/set/a.png", "own.png", str(inside / "a.png"), "../set/a.png"):
        assert Folder(inside, confined=True).first_existing("gone.png", name) is not None


def test_a_confined_set_skips_rows_that_lead_out_and_names_them(inside):
    made = folder(inside, row(), row(id="b", image="../out.png"), row(id="c", mask="link.png"))
    loaded = load(made, confined=True)
    assert [sample.id for sample in loaded] == ["a"]
    assert [skipped.row for skipped in loaded.skipped] == [2, 3]
    assert len(list(load(made))) == 3


def test_a_list_of_samples_that_is_a_link_out_ends_the_reading(inside):
    (inside / "samples.jsonl").rename(inside.parent / "samples.jsonl")
    (inside / "samples.jsonl").symlink_to(inside.parent / "samples.jsonl")
    with pytest.raises(DataError, match="leads out of the folder"):
        list(load(inside, confined=True))
