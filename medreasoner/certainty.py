"""What a model's own token probabilities say of one answer: raw figures, none of them a confidence.

`confidence.py` makes a calibrated confidence of them; `reasoners/token_probabilities.py` reads them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Certainty:
    """Each is None where it is not known: a recording, a server, or an answer in another dialect than the
    project's format.

    Args:
        coordinate_probability: 0..1, the geometric mean, over the eight numbers of the answer as the model
            wrote them (box, then points), of the probability it gave each number: the product over the
            number's tokens, each given all text before it and before any temperature. It says how narrow the
            distribution is, not how often it is right: a large target has wider distributions and is found
            more often.
        coordinate_spread: (4,) for each coordinate of the box as the model wrote it, the standard deviation
            of the number's distribution over the box's side along its axis, 0 and up.
        presence: 0..1, the probability of a place rather than of an absence, at the token that decides.
    """

    coordinate_probability: float | None = None
    coordinate_spread: tuple[float, float, float, float] | None = None
    presence: float | None = None


UNKNOWN = Certainty()


class Closing(str):
    """The piece of a stream that closes an answer, from a reasoner that sees its tokens' probabilities: a
    string with the `certainty` of the answer."""

    certainty: Certainty

    def __new__(cls, text: str, certainty: Certainty) -> "Closing":
        piece = super().__new__(cls, text)
        piece.certainty = certainty
        return piece
