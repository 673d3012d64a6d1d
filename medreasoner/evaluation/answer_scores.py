"""The scores of one answer as values, and their form in JSON; `scoring.py` measures them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class Scores:
    """An answer held against the truth. A failed answer scores 0, its `hd95` 1.

    Args:
        box_iou, point_dice, points_in_mask, mask_dice, mask_iou, nsd: 0..1.
        hd95: in shares of the image's diagonal, 0..1.
        box_iou_published, pdice_published (0..2), mask_dice_published: by the published system's formulas.
        overlap: pixels of the (intersection, union) of drawn and true mask.
        fits_best: the box overlaps the asked target more than any other of the image; None where there is no
            other.
    """

    box_iou: float | None = None
    box_iou_published: float | None = None
    fits_best: bool | None = None
    pdice_published: float | None = None
    point_dice: float | None = None
    points_in_mask: float | None = None
    mask_dice: float | None = None
    mask_dice_published: float | None = None
    mask_iou: float | None = None
    overlap: tuple[int, int] | None = None
    hd95: float | None = None
    nsd: float | None = None

    def given(self) -> dict[str, object]:
        """The scores that are not None."""
        values = {name: getattr(self, name) for name in SCORES}
        return {name: value for name, value in values.items() if value is not None}

    @staticmethod
    def from_json(values: Mapping[str, object]) -> "Scores":
        return Scores(**{name: as_tuple(values[name]) for name in SCORES if name in values})


SCORES = tuple(f.name for f in fields(Scores))


def as_tuple(value: object) -> object:
    """JSON's lists as tuples, at any depth."""
    return tuple(map(as_tuple, value)) if isinstance(value, list) else value
