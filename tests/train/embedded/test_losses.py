"""`train/embedded/losses.py`: near numbers cost less than far ones, and the box head learns boxes."""

import math

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from medreasoner.manifest import EMBEDDED_FOLDER
from train.embedded.losses import (
    DenseHeads,
    Vocabulary,
    completion_losses,
    coordinate_sigma,
    soft_targets,
    word_weights,
)


def test_near_numbers_cost_less_than_far_ones():
    numbers = torch.arange(256) + 10
    vocabulary = Vocabulary(numbers, image=1, weights=torch.ones(300))
    labels, places = numbers[torch.tensor([100] * 8)], torch.arange(8)
    box = torch.tensor([[0.2, 0.2, 0.6, 0.6]] * 8)

    def cost(guess: int) -> float:
        logits = torch.zeros(8, 300)
        logits[:, numbers[guess]] = 9.0
        return float(completion_losses(logits, labels, places, box, vocabulary, 0.06)[1])

    assert cost(100) < cost(104) < cost(130)


def test_numbers_in_the_reasoning_are_ordinary_words():
    numbers = torch.arange(256) + 10
    vocabulary = Vocabulary(numbers, image=1, weights=torch.ones(300))
    labels = numbers[torch.tensor([12, 100])]
    logits = torch.zeros(2, 300)
    logits[0, numbers[12]] = 50.0
    text, _ = completion_losses(
        logits, labels, torch.tensor([-1, 0]), torch.tensor([[0.0, 0, 1, 1]] * 2), vocabulary, 0.06
    )
    assert float(text) < 1e-3


def test_a_word_that_decides_weighs_at_least_as_much_as_is_said():
    """Of two words the first is guessed wrong: with a weight of 3 it is three quarters of the loss."""
    vocabulary = Vocabulary(torch.arange(4), image=5, weights=torch.tensor([1.0] * 8 + [4.0, 1.0]))
    logits = torch.zeros(2, 10)
    logits[1, 7] = 50.0
    nowhere, box = torch.tensor([-1, -1]), torch.tensor([[0.0, 0, 1, 1]] * 2)

    def loss(first: int, *weights: float) -> float:
        given = [torch.tensor(weights)] if weights else []
        labels = torch.tensor([first, 7])
        return float(completion_losses(logits, labels, nowhere, box, vocabulary, 0.06, *given)[0])

    wrong = math.log(10)
    assert loss(6) == pytest.approx(wrong / 2, abs=1e-3)
    assert loss(6, 3.0, 1.0) == pytest.approx(wrong * 3 / 4, abs=1e-3)
    assert loss(8, 3.0, 1.0) == pytest.approx(wrong * 4 / 5, abs=1e-3)  # its word weighs more already


def test_soft_targets_are_distributions_centred_on_the_value():
    targets = soft_targets(torch.tensor([0, 128, 255]), torch.tensor([3.0, 3.0, 3.0]), 256)
    assert torch.allclose(targets.sum(1), torch.ones(3)) and targets.argmax(1).tolist() == [0, 128, 255]


def test_the_spread_is_in_units_of_the_object():
    sigma = coordinate_sigma(torch.tensor([[0.0, 0.0, 1.0, 0.5], [0.0, 0.0, 0.01, 0.01]]), 256, 0.06)
    assert (
        sigma[0, 0] == pytest.approx(15.3)
        and sigma[0, 1] == pytest.approx(7.65)
        and sigma[0, 4] == pytest.approx(30.6)
    )
    assert (sigma[1] == 1.2).all()


@pytest.mark.parametrize(
    ("found", "truth", "giou"),
    [
        ((0.2, 0.2, 0.6, 0.6), (0.2, 0.2, 0.6, 0.6), 1.0),
        ((0.0, 0.0, 0.4, 0.4), (0.2, 0.2, 0.6, 0.6), 0.04 / 0.28 - 0.08 / 0.36),
        ((0.3, 0.1, 0.4, 0.2), (0.1, 0.1, 0.2, 0.2), -0.01 / 0.03),
        ((0.8, 0.1, 0.9, 0.2), (0.1, 0.1, 0.2, 0.2), -0.06 / 0.08),
    ],
)
def test_the_box_loss_is_l1_and_generalised_iou(found, truth, giou):
    heads = DenseHeads(2, 3, 0, 0)
    x1, y1, x2, y2 = found
    torch.nn.init.zeros_(heads.box.weight)
    heads.box.bias.data = torch.tensor([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]).logit()
    loss = heads.box_loss(torch.zeros(1, 2), torch.tensor([truth]))
    distance = np.abs(np.subtract(found, truth)).mean()
    assert float(loss) == pytest.approx(2 * distance + 1 - giou, abs=1e-3)


def test_a_question_is_taught_the_category_it_asks_for():
    """The state that the category's own weights point along costs least."""
    heads, asked = DenseHeads(16, 5, 0, 0), torch.tensor([3])
    right, wrong = (heads.kind.weight[number : number + 1] * 100 for number in (3, 1))
    assert heads.asked_loss(right, asked) < 0.1 < heads.asked_loss(wrong, asked)


def test_only_whole_words_and_numbers_of_facts_weigh_more():
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED_FOLDER)
    weights = word_weights(tokenizer, len(tokenizer), ["head of the left kidney", "L3", "mid-height"], 5.0)
    heavier = {tokenizer.decode([token]) for token in (weights == 5.0).nonzero()[:, 0].tolist()}
    assert heavier == {" head", " left", " kidney", "3"}
    assert (weights == 1.0).sum() == len(tokenizer) - len(heavier)
