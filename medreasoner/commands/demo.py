"""`demo`: serve the page in a browser."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medreasoner.commands.base import FINE, ModelOptions, UsageError, option, say, whole

if TYPE_CHECKING:
    from medreasoner.model import MedReasoner
    from medreasoner.page.offered_models import OfferedModels

PATHS = (".", "/", "~")  # how a name begins that can only be a folder


@dataclass(frozen=True, kw_only=True)
class Demo(ModelOptions):
    """Serve the page where one asks questions of images in a browser. Needs the extra `page`: pip install
    'medreasoner[page]'."""

    model: Sequence[str] = option(
        "reasoning model; the embedded one if left out. Given several times, visitors choose; all but the "
        "first are loaded when first asked",
        (),
        shown="ID_OR_FOLDER",
    )
    segmenter: Sequence[str] = option(
        "segmenter; the one that fits the model if left out. Given several times, visitors choose",
        (),
        shown="ID_OR_FOLDER",
    )
    compare: str | None = option(
        "a second model that visitors may ask the same question", None, shown="ID_OR_FOLDER"
    )
    port: int | None = option(
        "of the page; GRADIO_SERVER_PORT if left out, else the first free one from 7860", None, whole, "N"
    )

    def run(self) -> int:
        from medreasoner.page.examples import load_examples
        from medreasoner.page.page import Page
        from medreasoner.page.recordings import load_recordings
        from medreasoner.page.serve import PortTaken, launch

        offered = self.offered()
        compared = self._pair(self.compare, next(iter(self.segmenter), None), revision=None)
        page = Page(offered, load_examples(), load_recordings(), compared.open() if self.compare else None)
        try:
            launch(page, self.port, tell=say)
        except PortTaken as error:
            raise UsageError(str(error)) from error
        page.demo.block_thread()
        return FINE

    def offered(self) -> "OfferedModels":
        """The models that visitors may ask; the first pair is loaded. Errors: UsageError."""
        from medreasoner.page.offered_models import OfferedModels

        self._check()
        models, segmenters = self.model or [None], self.segmenter or [None]
        opened = {models[0]: self._pair(models[0], segmenters[0]).open()}

        def load(model: str | None, segmenter: str | None) -> "MedReasoner":
            """A pair, its reasoner only once. Errors: ReasonerError, SegmenterError."""
            if model not in opened:
                opened[model] = self._pair(model, segmenter).load()
                return opened[model]
            options = {"revision": self.segmenter_revision, "allow_pickle": self.allow_pickle}
            return opened[model].with_segmenter(segmenter, self.device, **options)

        return OfferedModels(opened[models[0]], models, segmenters, load)

    def _check(self) -> None:
        """Refuse what would only be found out by a visitor. Errors: UsageError."""
        for flag, names, revision in (
            ("model", self.model, self.revision),
            ("segmenter", self.segmenter, self.segmenter_revision),
        ):
            if len(set(names)) < len(names):
                raise UsageError(f"--{flag} names the same one twice: {', '.join(names)}")
            if revision and len(names) > 1:
                raise UsageError(
                    f"one revision cannot be that of several models; name one --{flag}, or folders of commits"
                )
            for name in names[1:]:
                if name.startswith(PATHS) and not Path(name).expanduser().exists():
                    raise UsageError(f"there is no folder {name!r} for --{flag}; check the name")

    def _pair(self, model: str | None, segmenter: str | None, **changed: object) -> ModelOptions:
        """The options of one pair."""
        names = ("device", "revision", "segmenter_revision", "allow_pickle", "prompt")
        options = {name: getattr(self, name) for name in names} | changed
        return ModelOptions(model=model, segmenter=segmenter, **options)
