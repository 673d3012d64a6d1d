"""`train/embedded/fixed_views.py`: the same few views of an image in every row, and their maps computed once."""

import torch

from medreasoner.geometry import EMBEDDED
from medreasoner.prompts import Prompt
from tests import tiny_medreasoner
from tests.train.embedded.targets_drawn import picture, target
from train.embedded.fixed_views import FixedViewRows, LastMaps, holds, views_of
from train.embedded.views import UNCHANGED, View, shown

KIDNEYS = (
    target("kidney", (20.0, 40.0, 60.0, 70.0), "right", "left"),
    target("kidney", (140.0, 40.0, 180.0, 70.0), "left", "right"),
)
SMALL = (target("spleen", (4.0, 4.0, 24.0, 24.0)), target("liver", (170.0, 70.0, 196.0, 96.0)))


class Maps:
    """Stands for `Stage3Cache`: a random map for every path."""

    def get(self, path: str) -> torch.Tensor:
        shape = (32, 32, tiny_medreasoner.WIDTHS[2])
        return torch.randn(shape, generator=torch.Generator().manual_seed(len(path)))


def test_an_image_is_shown_whole_and_in_windows_that_are_the_same_in_every_run():
    abdomen = picture(*KIDNEYS, dataset="ct_abdomen_btcv", path="a")
    views = views_of(abdomen, 3)
    assert views == views_of(abdomen, 3) and views[0] == UNCHANGED and len(views) == 3
    assert all(holds(view, each) for view in views for each in KIDNEYS)


def test_a_target_that_a_window_cuts_is_not_held():
    assert holds(View((0.0, 0.0, 0.5, 0.5)), SMALL[0]) and not holds(View((0.0, 0.0, 0.1, 0.1)), SMALL[0])


def test_rows_ask_for_what_their_view_holds():
    pictures = [picture(*SMALL, dataset="ct_abdomen_btcv", path=f"image {n}") for n in range(12)]
    prompt = Prompt(think="{question}", direct="{question}\nAnswer only.")
    series = FixedViewRows(pictures, prompt, EMBEDDED, turns=2, count=2)
    views = {each.path: views_of(each, 2) for each in pictures}
    rows = [series[n] for n in range(80)]
    assert all(row["view"] in views[row["image"]] for row in rows)
    windows = [row for row in rows if not all(holds(row["view"], each) for each in SMALL)]
    assert windows  # some show one of the two alone
    for row in windows:
        [seen] = [each for each in SMALL if holds(row["view"], each)]
        asked = [each["box01"] for each in row["conversations"] if each["present"]]
        assert all(box == row["view"].box(seen.box).tolist() for box in asked)


def test_the_maps_are_what_the_model_computes_of_the_same_views():
    model, image = tiny_medreasoner.model(), picture(*KIDNEYS, dataset="ct_abdomen_btcv", path="a")
    last = LastMaps(model.model, Maps(), [image], 2)
    for view in views_of(image, 2):
        stage_3 = shown(Maps().get("a"), view)[None]
        with torch.no_grad():
            tokens = model.model.image_tokens(stage_3)
            given = model.model.image_tokens(stage_3, last.get("a", view)[None])
        assert torch.allclose(given, tokens, atol=1e-3)  # kept as half floats
        other = model.model.image_tokens(stage_3, last.get("a", view)[None] + 1)
        assert not torch.allclose(other, tokens, atol=1e-3)
