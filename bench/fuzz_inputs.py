"""What hostile inputs are made of: pieces of answers, odd numbers, and damage to whole files."""

import math
import random

PIECES = (
    *(
        "<think>",
        "</think>",
        "<answer>",
        "</answer>",
        "{",
        "}",
        "[",
        "]",
        '"bbox"',
        '"points_1"',
        '"points_2"',
        ":",
    ),
    *(
        ",",
        "'",
        "```json",
        "null",
        "NaN",
        "1e999",
        "-1",
        "300",
        "0.5",
        "９",
        "x ",
        "y from ",
        " to ",
        "\0",
        "\ud800",
    ),
    *(
        '{"bbox": [1, 2, 30, 40], "points_1": [3, 4], "points_2": [5, 6]}',
        "[[1,2,3,4]]",
        "(1,2),(3,4)",
        "<box>",
    ),
    *("in the upper left", "\n", "  ", "word", "bbox_2d", "9" * 400, "true", "🫀"),
)
NUMBERS = (0, -1, 1, 5.5, 1e308, -1e308, math.inf, math.nan, 10**400, True, None, "7", "x", [], {}, 2**63)


def words(rng: random.Random) -> str:
    """A text of the pieces that answers are made of."""
    return "".join(rng.choice(PIECES) for _ in range(rng.randrange(40)))


def damaged(data: bytes, rng: random.Random) -> bytes:
    """`data` with bytes changed, cut out, doubled or set to extremes."""
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at, length = rng.randrange(len(made) + 1), rng.choice((1, 1, 2, 4, 8, 64))
        if rng.random() < 0.5:
            at = min(at, rng.randrange(400))  # most headers lie at the beginning
        change = rng.randrange(5)
        if change == 0:
            made[at : at + length] = rng.randbytes(length)
        elif change == 1:
            made[at : at + length] = rng.choice((b"\0", b"\xff", b"\x7f")) * length
        elif change == 2:
            del made[at : at + length]
        elif change == 3:
            made[at:at] = made[at : at + length]
        else:
            made = made[: rng.randrange(len(made) + 1)]
    return bytes(made)
