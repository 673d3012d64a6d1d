"""`ground`: one image and one question, from the terminal."""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from medreasoner.commands.base import FINE, OURS, Models, UsageError, argument, make_folder, option, whole

if TYPE_CHECKING:
    from medreasoner.events import Absent, Done, Event, Failed


NOT_FOUND = "The model sees nothing in this image that the question describes"


@dataclass(frozen=True, kw_only=True)
class Ground(Models):
    """Find what a question is about in one image: reasoning, box, two points and mask."""

    image: Path = argument("PNG, JPEG, TIFF, WebP, BMP, GIF, DICOM or NIfTI", Path)
    question: str = argument("what to look for, which need not be named")
    out: Path = option(
        "folder for grounding.json, mask.png, overlay.png and, for DICOM and NIfTI, the mask in that format",
        kind=Path,
        shown="DIR",
    )
    slice: int | None = option(
        "slice of a NIfTI volume, counted from 1; the middle one if left out", None, whole, "N"
    )
    axis: str | None = option("axial, coronal or sagittal: how a NIfTI volume is cut", None, shown="A")
    frame: int | None = option("frame of a file that holds several, counted from 1", None, whole, "N")
    window: str | None = option(
        'shades of a deep image: LEVEL/WIDTH, or a name such as "CT lung" or "file 2"', None, shown="W"
    )
    json: bool = option("print the JSON alone; the reasoning goes to standard error", False)

    def run(self) -> int:
        from medreasoner.events import Failed
        from medreasoner.imaging import load_image
        from medreasoner.output.files import JSON, save
        from medreasoner.output.grounding_json import Provenance
        from medreasoner.question import refuse

        loaded = load_image(self.image, self.slice, self.axis, self.frame, self.window)
        if refusal := refuse(self.question):
            raise UsageError(refusal)
        make_folder(self.out)
        model = self.open()
        talk = sys.stderr if self.json else sys.stdout
        last = think_aloud(model.stream(loaded.image, self.question, not self.no_think), talk)
        if isinstance(last, Failed):
            print(last.message, file=sys.stderr)
            return OURS
        files = save(
            last,
            loaded,
            self.out,
            Provenance.of(model.reasoner.prompt, self.question, model.revision, model.segmenter_revision),
        )
        written = (self.out / JSON).read_text(encoding="ascii")
        for note in (*loaded.notes, *last.notes, *json.loads(written)["left_out"]):
            print(note, file=sys.stderr)
        if self.json:
            sys.stdout.write(written)
        else:
            found = f"Box {', '.join(f'{v:.1f}' for v in last.grounding.box)}" if last.found else NOT_FOUND
            print(f"{found}; wrote {', '.join(map(str, files))}\n{last.notice}")
        return FINE


def think_aloud(events: "Iterable[Event]", talk: TextIO) -> "Done | Absent | Failed":
    """Write the reasoning to `talk` as it comes; returns the last event."""
    from medreasoner.events import Thinking

    last, begun = None, False
    for last in events:
        if isinstance(last, Thinking):
            talk.write(last.text)
            talk.flush()
            begun = begun or bool(last.text)
        elif begun:
            talk.write("\n")
            begun = False
    return last
