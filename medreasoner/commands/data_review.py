"""`data review`: judge the samples of a set by hand."""

import getpass
from dataclasses import dataclass
from pathlib import Path

from medreasoner.commands.base import FINE, UsageError, argument, option, say, whole


@dataclass(frozen=True, kw_only=True)
class Review:
    """Judge samples one by one in the browser: accept (A), edit (E), reject (R), undo (U). Every decision is
    on the disk before the next sample shows, in FOLDER/reviews/NAME.jsonl; started again, it goes on at the
    first one that is not decided.
    """

    folder: Path = argument("folder with samples.jsonl", Path)
    reviewer: str = option("who judges; the login name if left out", "", shown="NAME")
    split: str | None = option("only the samples of this split", None, shown="S")
    port: int | None = option("of the page; a free one from 7860 on if left out", None, whole, "N")

    def run(self) -> int:
        from medreasoner.data.load import load

        if not (self.folder / "samples.jsonl").is_file():
            raise UsageError(
                f"expected a folder with samples.jsonl, got {self.folder}; "
                "`python -m medreasoner data build` makes one"
            )
        loaded = load(self.folder, self.split)
        samples = list(loaded)
        for skipped in loaded.skipped:
            say(f"skipped {skipped}")
        from medreasoner.review.page import ReviewPage, launch
        from medreasoner.review.session import ReviewSession

        session = ReviewSession(self.folder, samples, self.reviewer or getpass.getuser())
        page = ReviewPage(session)
        try:
            address = launch(page, self.port)
        except OSError as error:
            raise UsageError(f"the page cannot be served ({error}); choose another --port") from error
        say(
            f"{len(samples)} samples, decisions in {session.ledger.path}. "
            "Ctrl-C ends the review; nothing is left to save."
        )
        print(address, flush=True)
        page.demo.block_thread()
        return FINE
