"""`data draw`: pictures that are no medical image, as a source for `data build`."""

from dataclasses import dataclass
from pathlib import Path

from medreasoner.commands.base import FINE, argument, make_folder, option, whole


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Draw pictures that are no medical image (charts, pages of text, cartoons, patterns), so that a model
    can learn, and be measured, to mark nothing in them.
    """

    folder: Path = argument("folder for the pictures and their manifest.jsonl; `data build` reads it", Path)
    number: int = option("pictures of each kind; one in four is for validation", 20, whole, "N")
    seed: int = option("of the pictures", 0, whole, "N")

    def run(self) -> int:
        from medreasoner.data.build.not_medical import draw_source

        make_folder(self.folder)
        print(f"{draw_source(self.folder, self.number, self.seed)} pictures in {self.folder}")
        return FINE
