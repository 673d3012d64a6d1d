"""`ground`: one image or volume and one question, from the terminal."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from medreasoner.commands.base import FINE, OURS, Models, UsageError, argument, make_folder, option, whole

if TYPE_CHECKING:
    from medreasoner.events import Absent, Done, Event, Failed, VolumeDone, VolumeEvent


NOT_FOUND_IN_VOLUME = "The model sees nothing in this volume that the question describes"
NOT_FOUND = "The model sees nothing in this image that the question describes"


@dataclass(frozen=True, kw_only=True)
class Ground(Models):
    """Find what a question is about in one image or volume: reasoning, box, two points and mask."""

    image: Path = argument(
        "PNG, JPEG, TIFF, WebP, BMP, GIF, HEIC, DICOM or NIfTI; with --volume also a folder", Path
    )
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
    volume: bool = option(
        "ask the whole volume, a NIfTI file or a folder of DICOM slices: the slice is found unless --slice "
        "names it, and the mask of all slices is written as one NIfTI or DICOM-SEG file",
        False,
    )
    json: bool = option("print the JSON alone; the reasoning goes to standard error", False)

    def run(self) -> int:
        return self.run_volume() if self.volume else self.run_image()

    def run_image(self) -> int:
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
            if last.confidence is not None:
                found += f", confidence {last.confidence:.2f}"
            print(f"{found}; wrote {', '.join(map(str, files))}\n{last.notice}")
        return FINE

    def run_volume(self) -> int:
        from medreasoner.events import Failed
        from medreasoner.imaging import load_volume
        from medreasoner.output.files import JSON
        from medreasoner.output.volume_files import save_volume
        from medreasoner.question import refuse

        opened = load_volume(self.image, self.axis, self.frame, self.window)
        if self.slice is not None:
            opened.slice(self.slice)  # whether there is such a slice is said before models are loaded
        if refusal := refuse(self.question):
            raise UsageError(refusal)
        make_folder(self.out)
        model = self.open()
        talk = sys.stderr if self.json else sys.stdout
        events = model.stream_volume(opened, self.question, self.slice, not self.no_think)
        last = think_aloud(told(events), talk)
        if isinstance(last, Failed):
            print(last.message, file=sys.stderr)
            return OURS
        files = save_volume(last, opened, self.out, model.provenance(self.question))
        written = (self.out / JSON).read_text(encoding="ascii")
        for note in (*last.notes, *json.loads(written)["left_out"]):
            print(note, file=sys.stderr)
        if self.json:
            sys.stdout.write(written)
        else:
            summary = volume_summary(last) if last.found else NOT_FOUND_IN_VOLUME
            print(f"{summary}; wrote {', '.join(map(str, files))}\n{last.notice}")
        return FINE


def told(events: "Iterable[VolumeEvent]") -> "Iterator[VolumeEvent]":
    """The events of a run over a volume, with a line on standard error for each step of the way."""
    from medreasoner.events import Chosen, Propagated, Scanned

    for event in events:
        if isinstance(event, Scanned):
            seen = {True: "sees it", False: "does not see it", None: "gives no answer"}[event.found]
            print(f"Looked at slice {event.slice} ({event.seen} of {event.planned}): {seen}", file=sys.stderr)
        elif isinstance(event, Chosen):
            print(f"Asking slice {event.slice} of {event.slices}", file=sys.stderr)
        elif isinstance(event, Propagated):
            print(f"Outlined slice {event.slice}", file=sys.stderr)
        yield event


def volume_summary(done: "VolumeDone") -> str:
    """What was found, in one line."""
    first, last = done.slices
    size = (
        "" if done.volume_ml is None else f", {done.volume_ml:.2f} ml, long axis {done.long_axis_mm:.1f} mm"
    )
    return f"Slices {first} to {last} (asked: {done.slice}){size}"


def think_aloud(
    events: "Iterable[Event | VolumeEvent]", talk: TextIO
) -> "Done | VolumeDone | Absent | Failed":
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
