"""A reasoner and a segmenter that fit each other, and what both say of themselves."""

from pathlib import Path

from medreasoner.reasoners.base import Reasoner, SamplingReasoner
from medreasoner.segmenters.base import Segmenter


class Pair:
    """A reasoner and a segmenter.

    Args:
        folder: where the reasoner's files lie, None for a recording or a served model.
    """

    def __init__(self, reasoner: Reasoner, segmenter: Segmenter, folder: Path | None = None) -> None:
        self.reasoner, self.segmenter, self.folder = reasoner, segmenter, folder

    @property
    def revision(self) -> str | None:
        """The commit on the Hub that the reasoner comes from, None for a local one."""
        return self.reasoner.revision

    @property
    def segmenter_revision(self) -> str | None:
        """The commit on the Hub that the segmenter comes from, None for a local one."""
        return self.segmenter.revision

    @property
    def name(self) -> str:
        """The reasoner's id or folder."""
        return self.reasoner.name

    @property
    def parts(self) -> tuple[Reasoner, Segmenter]:
        """Both models; see `weights.bytes_in_memory`."""
        return self.reasoner, self.segmenter

    @property
    def thinks_on_request(self) -> bool:
        """Whether `think` makes a difference; see `Reasoner`."""
        return self.reasoner.thinks_on_request

    @property
    def can_sample(self) -> bool:
        """Whether `samples` can be asked for: the reasoner runs here."""
        return isinstance(self.reasoner, SamplingReasoner)
