"""`demo`: serve the page in a browser."""

from dataclasses import dataclass, replace

from medreasoner.commands.base import FINE, ModelOptions, UsageError, option, say, whole


@dataclass(frozen=True, kw_only=True)
class Demo(ModelOptions):
    """Serve the page where one asks questions of images in a browser. Needs the extra `page`: pip install
    'medreasoner[page]'."""

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

        model = self.open()
        second = replace(self, model=self.compare, revision=None).open() if self.compare else None
        page = Page(model, load_examples(), load_recordings(), second)
        try:
            launch(page, self.port, tell=say)
        except PortTaken as error:
            raise UsageError(str(error)) from error
        page.demo.block_thread()
        return FINE
