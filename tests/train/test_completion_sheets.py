"""`train/completion_sheets.py`: a sheet shows each prompt's truth and answers."""

import json
from types import SimpleNamespace

from PIL import Image

from medreasoner.answer import Answer, render
from medreasoner.geometry import THOUSAND
from train.completion_sheets import CELL, CompletionSheets

GOOD = render(Answer((100.0, 100.0, 500.0, 500.0), ((200.0, 200.0), (300.0, 300.0)), "There."))


def test_a_sheet_is_written_when_it_is_due_with_a_row_per_prompt(tmp_path):
    first, second = Image.new("RGB", (80, 60), "navy"), Image.new("RGB", (80, 60), "teal")
    columns = {
        "image": [first, first, second, second],
        "bbox_2d": [[8, 6, 40, 30]] * 4,
        "point_2d": [[[16, 12], [24, 18]]] * 4,
        "image_wh": [[80, 60]] * 4,
        "id": ["a", "a", "b", "b"],
        "question": ["Where?"] * 4,
    }

    def reward(completions, **columns):
        return [float(text == GOOD) for text in completions]

    watched = CompletionSheets(tmp_path, 10, THOUSAND, None).watch(reward)
    assert watched.__name__ == "reward"
    for step in (0, 0, 5, 10):
        state = SimpleNamespace(global_step=step, is_world_process_zero=True)
        scores = watched(completions=[GOOD, "no answer", GOOD, GOOD], trainer_state=state, **columns)
        assert scores == [1.0, 0.0, 1.0, 1.0]
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["step-000000.png", "step-000010.png"]
    assert Image.open(tmp_path / "step-000010.png").size == (3 * CELL, 2 * CELL)
    lines = [json.loads(line) for line in (tmp_path / "step-000010.jsonl").read_text().splitlines()]
    assert [(line["id"], line["prompt"], line["first_term"]) for line in lines] == [
        ("a", 0, 1.0), ("a", 0, 0.0), ("b", 1, 1.0), ("b", 1, 1.0)
    ]  # fmt: skip
