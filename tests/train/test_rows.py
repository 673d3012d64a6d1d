"""`train/rows.py`: GRPO's rows hold the resized image and the truth in pixels of the original."""

from medreasoner.data.load import load
from tests import tiny
from tests.train.sets import make_set
from train.model_spec import open_model_spec
from train.rows import draw, prompt_rows


def test_a_row_has_the_models_image_and_the_originals_truth(tmp_path):
    samples = list(load(make_set(tmp_path, 2)))
    spec = open_model_spec(str(tiny.qwen2_5_vl(tmp_path / "model", square=112)))
    rows = prompt_rows(samples, spec, wordings=2, direct_share=0.5)
    assert len(rows) == 4 and {row["id"] for row in rows} == {"s0", "s1"}
    for row in rows:
        sample = samples[int(row["id"][1:])]
        assert (
            row["image"].size == (112, 112) and row["image_wh"] == [80, 60] and row["mask"].size == (80, 60)
        )
        assert row["bbox_2d"] == list(sample.truth().box)
        assert row["prompt"][-1]["content"] == spec.prompt.text(sample.question, row["think"])


def test_rows_are_drawn_alike_for_a_seed_and_directly_as_often_as_asked(tmp_path):
    samples = list(load(make_set(tmp_path, 3)))
    drawn = draw(samples, 100, 0.25, seed=1)
    assert drawn == draw(samples, 100, 0.25, seed=1) != draw(samples, 100, 0.25, seed=2)
    assert 0.15 < sum(not think for _, think, _ in drawn) / len(drawn) < 0.35
    assert [sum(n == i for n, _, _ in drawn) for i in range(3)] == [100] * 3
