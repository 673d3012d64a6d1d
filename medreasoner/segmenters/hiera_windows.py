"""In which order the tokens of a stage of Hiera (SAM 2's image encoder) lie, so that those of a window follow
each other.
"""

from collections import Counter
from dataclasses import dataclass, replace

import torch

AT_ONCE = 2048  # tokens that go through a block together, so that what they become fits into a cache


@dataclass(frozen=True)
class Windows:
    """Windows of as many tokens each, one after the other.

    Args:
        count: how many.
        tokens, zeros: in each of them, and by how many zeros it would be filled up.
    """

    count: int
    tokens: int
    zeros: int = 0

    def __len__(self) -> int:
        """The tokens of all of them."""
        return self.count * self.tokens


class Order:
    """In which order the tokens of a stage lie.

    Args:
        side: of the stage's map, in tokens.
        window: side of a window.
        pooled: whether the next stage pools; then each 2 x 2 tokens follow each other.

    Attributes:
        places: (N,), the tokens in this order, each by its number row by row.
        parts: in the same order, the windows that go through a block together.
    """

    def __init__(self, side: int, window: int, pooled: bool) -> None:
        step = 2 if pooled else 1
        begins = range(0, side, window)
        found = [_places(side, y, x, window, step) for y in begins for x in begins]
        found.sort(key=len, reverse=True)
        self.side = side
        self.places = torch.tensor([place for places in found for place in places])
        self.back = self.places.argsort()
        counted = Counter(len(places) for places in found)
        self.parts = _parts([Windows(n, length, window**2 - length) for length, n in counted.items()])

    def of_map(self, image: torch.Tensor) -> torch.Tensor:
        """Tokens (B, N, C) in this order, of a map (B, side, side, C)."""
        return image.flatten(1, 2)[:, self.places]

    def to_map(self, tokens: torch.Tensor) -> torch.Tensor:
        """The map (B, side, side, C) of tokens (B, N, C) in this order."""
        return tokens[:, self.back].unflatten(1, (self.side, self.side))

    def after_pooling(self, pooled: "Order") -> torch.Tensor:
        """(N / 4,): where the tokens of `pooled`, in its order, lie among those of this order, pooled."""
        y, x = self.places[::4] // self.side // 2, self.places[::4] % self.side // 2
        return (y * pooled.side + x).argsort()[pooled.places]


def _parts(windows: list[Windows]) -> list[list[Windows]]:
    """The same windows, of at most `AT_ONCE` tokens in a part if a window has not more itself."""
    parts: list[list[Windows]] = [[]]
    for each in windows:
        left = each.count
        while left:
            room = AT_ONCE - sum(map(len, parts[-1]))
            if parts[-1] and room < each.tokens:
                parts.append([])
                continue
            count = min(left, max(1, room // each.tokens))
            parts[-1].append(replace(each, count=count))
            left -= count
    return parts


def _places(side: int, y: int, x: int, window: int, step: int) -> list[int]:
    """The tokens of the window that begins at (y, x), row by row, `step` x `step` of them at a time."""
    return [
        (top + down) * side + left + across
        for top in range(y, min(y + window, side), step)
        for left in range(x, min(x + window, side), step)
        for down in range(step)
        for across in range(step)
    ]
