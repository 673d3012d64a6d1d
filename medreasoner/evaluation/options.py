"""How a model is evaluated."""

from dataclasses import dataclass

from medreasoner.geometry import Frame


@dataclass(frozen=True)
class Options:
    """How answers are made and read.

    Args:
        think: False asks for the answer alone.
        frame: reads the model's numbers in this frame instead of its own (`families.UPSTREAM_RAW` for the
            published scoring).
        prompts: what the segmenter sees: "both", "box" or "points".
        batch: questions answered together, by reasoners that can; 1 streams one after the other.
    """

    think: bool = True
    frame: Frame | None = None
    prompts: str = "both"
    batch: int = 1
