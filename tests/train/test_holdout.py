"""`train/holdout.py`: about one case in sixteen, always the same ones."""

from train.holdout import is_dev


def test_one_case_in_sixteen_is_held_back_by_its_name_alone():
    held_back = {n for n in range(4000) if is_dev(f"case-{n}")}
    assert sorted(held_back)[:4] == [32, 48, 51, 55] and 200 < len(held_back) < 300
    assert all(is_dev(f"case-{n}", one_in=1) for n in range(5))
