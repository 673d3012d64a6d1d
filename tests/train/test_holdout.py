"""`train/holdout.py`: about one case in sixteen, always the same ones, and never a whole set."""

from train.holdout import held_back_cases, is_chosen


def test_one_case_in_sixteen_is_held_back_by_its_name_alone():
    cases = [f"case-{n}" for n in range(4000)]
    held = held_back_cases(cases)
    first = [case for case in cases if case in held][:4]
    assert first == ["case-32", "case-48", "case-51", "case-55"] and 200 < len(held) < 300
    assert held & set(cases[:1000]) == held_back_cases(cases[:1000])
    assert all(is_chosen(case, one_in=1) for case in cases[:5])


def test_a_set_of_which_nothing_would_be_left_to_train_on_is_not_held_back():
    """As the larynx was: one patient, sixty images, four targets that no other set shows."""
    larynx = "endo_larynx_vocalfolds/patient2"
    assert is_chosen(larynx)
    others = [f"hc18_fetal_head/{n}" for n in range(200)]
    assert larynx not in held_back_cases([larynx, *others]) and held_back_cases([*others])
    assert larynx in held_back_cases([larynx, "endo_larynx_vocalfolds/patient3", *others])
