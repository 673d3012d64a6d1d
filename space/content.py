"""What a Space runs: which models, and where each comes from."""

from dataclasses import dataclass

from medreasoner.manifest import EMBEDDED_NAME
from medreasoner.segmenters.base import MEDSAM2


@dataclass(frozen=True)
class Content:
    """What the Space runs and how its card is headed.

    Args:
        model: Hub id of a reasoning model; None for the embedded pair.
        revision: commit of the model that the Space keeps to; None for the newest at each start.
        segmenter: Hub id, or "embedded"; None for the one that fits the model.
        own_segmenter: whether the model's repository holds a segmenter of its own.
        title: of the Space.
        datasets: Hub ids, linked on the card.
        preload: whether the model's files are put into the Space when it is built; the Hub does that for
            public models only.
    """

    model: str | None = None
    segmenter: str | None = None
    own_segmenter: bool = False
    title: str = "MedReasoner"
    datasets: tuple[str, ...] = ()
    preload: bool = False
    revision: str | None = None

    @property
    def embedded(self) -> bool:
        """Whether the small weights of this project go along."""
        return self.model is None or self.segmenter == EMBEDDED_NAME

    @property
    def fetched_segmenter(self) -> str | None:
        """Hub id of a segmenter that is downloaded by itself; it may need the sam2 package."""
        if self.segmenter is not None:
            return None if self.segmenter == EMBEDDED_NAME else self.segmenter
        return None if self.model is None or self.own_segmenter else MEDSAM2

    @property
    def models(self) -> list[str]:
        """Hub ids of what is downloaded when the page starts."""
        return [name for name in (self.model, self.fetched_segmenter) if name is not None]

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables with which `app.py` opens these models."""
        named = {
            "MEDREASONER_MODEL": self.model,
            "MEDREASONER_REVISION": self.revision,
            "MEDREASONER_SEGMENTER": self.segmenter,
        }
        return {key: value for key, value in named.items() if value is not None}
