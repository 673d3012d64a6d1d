"""The order of tokens in which those of a window follow each other."""

import pytest
import torch

from medreasoner.segmenters.hiera_windows import Order, Windows

SIDE, WINDOW = (
    32,
    14,
)  # SAM 2's third stage at 512 pixels: two whole windows and a rest of four in each direction


def where(order: Order, begin: int, length: int) -> tuple[list[int], list[int]]:
    """Rows and columns, each once, of tokens that follow each other."""
    places = order.places[begin : begin + length]
    return sorted({int(p) // order.side for p in places}), sorted({int(p) % order.side for p in places})


@pytest.mark.parametrize("pooled", [True, False])
def test_every_token_lies_in_one_window_and_windows_say_what_would_fill_them_up(pooled):
    order = Order(SIDE, WINDOW, pooled)
    assert order.parts == [[Windows(4, 196, 0), Windows(4, 56, 140), Windows(1, 16, 180)]]
    assert sorted(order.places.tolist()) == list(range(SIDE * SIDE))
    assert where(order, 196, 196) == (list(range(14)), list(range(14, 28)))
    assert where(order, 784, 56) == (list(range(14)), list(range(28, 32)))
    assert where(order, 1008, 16) == (list(range(28, 32)), list(range(28, 32)))


def test_where_the_next_stage_pools_two_by_two_tokens_follow_each_other():
    order = Order(SIDE, WINDOW, True)
    for begin in range(0, SIDE * SIDE, 4):
        rows, columns = where(order, begin, 4)
        assert rows[0] % 2 == columns[0] % 2 == 0
        assert (rows, columns) == ([rows[0], rows[0] + 1], [columns[0], columns[0] + 1])


def test_a_map_comes_back_from_its_tokens():
    image = torch.randn(2, SIDE, SIDE, 3, generator=torch.Generator().manual_seed(0))
    order = Order(SIDE, WINDOW, True)
    assert torch.equal(order.of_map(image)[:, 0], image[:, 0, 0])
    assert torch.equal(order.to_map(order.of_map(image)), image)


def test_pooled_tokens_are_brought_into_the_order_of_the_next_stage():
    order, after = Order(SIDE, WINDOW, True), Order(SIDE // 2, 7, False)
    image = torch.arange(SIDE * SIDE).view(1, SIDE, SIDE, 1)
    pooled = order.of_map(image).unflatten(1, (-1, 4)).amax(2)
    found = after.to_map(pooled[:, order.after_pooling(after)])
    assert torch.equal(found, image[:, 1::2, 1::2])  # the greatest of each four is the last
