"""`train/embedded/card.py`: a training record in words."""

import json

from train.embedded.card import described, first_run, size_of, stages, trained_targets
from train.holdout import is_chosen
from train.record import base_record


def test_a_record_says_what_the_run_went_on_from_and_the_card_tells_it_in_order(tmp_path):
    assert base_record(tmp_path) == {}
    sft, grpo = (
        {"per_device_train_batch_size": 8, "turns": 3},
        {"per_device_train_batch_size": 32, "rewards": "mask"},
    )
    begun = {"options": {"steps": 2600}, "curve": [1, 2], "averaged_with": [{"steps": 150, "options": grpo}]}
    (tmp_path / "run.json").write_text(json.dumps(begun))
    record = {"steps": 900, "options": sft} | base_record(tmp_path)
    assert record["went_on_from"] == {name: fact for name, fact in begun.items() if name != "curve"}
    assert first_run(record)["options"] == {"steps": 2600}
    mean, then = stages(record)
    assert mean.endswith("GRPO with the rewards `mask`, 150 steps of 32") and then == (
        "from there SFT, 900 steps of 8 pictures, 3 conversations about each"
    )


def test_only_targets_that_were_trained_on_are_counted(tmp_path):
    cases = [f"a/{n}" for n in range(100)]
    held, kept = (next(case for case in cases if is_chosen(case) is which) for which in (True, False))
    rows = [
        {"split": "train", "case": held, "target": "glottis"},
        {"split": "train", "case": kept, "target": "liver"},
        {"split": "train", "case": "a/2", "target": "spleen", "absent": True},
        {"split": "validation", "case": "a/3", "target": "kidney"},
    ]
    (tmp_path / "samples.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert trained_targets(tmp_path) == {"liver"}


def test_the_size_of_a_run_is_read_from_old_records_and_from_those_of_trls_trainer():
    assert size_of({"options": {"steps": 2600, "batch": 16, "seed": 0}}) == (2600, 16)
    options = {
        "per_device_train_batch_size": 8,
        "gradient_accumulation_steps": 2,
        "turns": 3,
        "max_steps": 950,
    }
    run = {"steps": 900, "options": options}
    assert size_of(run) == (900, 16)
    assert described(run) == "SFT, 900 steps of 16 pictures, 3 conversations about each"
    of_two_processes = {"steps": 1200, "options": {"turns": 2}, "processes": 2}  # the default batch of 8
    assert size_of(of_two_processes) == (1200, 16)
