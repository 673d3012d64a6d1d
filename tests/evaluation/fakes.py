"""Images with a red and a green rectangle, small reasoners that are asked for one of them, and a segmenter
that fills the box."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from medreasoner.answer import Answer, render
from medreasoner.data.sample import Sample
from medreasoner.evaluation.controls import Prior, centre_box
from medreasoner.evaluation.record import Record
from medreasoner.geometry import THOUSAND, Grounding, mask_to_box, mask_to_points
from medreasoner.prompts import Prompt
from medreasoner.reasoners.base import Completion, EncodedImage, PairedSegmenter
from medreasoner.segmenters.base import SegmenterPrompt

COLOURS = ("red", "green")


def write(place: Path, number: int, size: tuple[int, int] = (80, 60)) -> list[Sample]:
    """One image of a case of its own, and a sample for each of its two rectangles."""
    rng = np.random.default_rng(number)
    width, height = size
    pixels = np.full((height, width, 3), 20, np.uint8)
    boxes = {}
    for channel, colour in enumerate(COLOURS):
        x, y = int(rng.integers(0, width // 2 - 20)) + channel * width // 2, int(rng.integers(0, height - 20))
        boxes[colour] = (x, y, x + int(rng.integers(8, 20)), y + int(rng.integers(8, 20)))
        x1, y1, x2, y2 = boxes[colour]
        pixels[y1:y2, x1:x2, channel] = 250
    image = place / f"{number}.png"
    Image.fromarray(pixels).save(image)
    samples = []
    for channel, colour in enumerate(COLOURS):
        mask = pixels[..., channel] == 250
        path = place / f"{number}_{colour}.png"
        Image.fromarray(mask.astype(np.uint8) * 255).save(path)
        other = tuple(float(v) for v in boxes[COLOURS[1 - channel]])
        samples.append(
            Sample(
                f"{number}-{colour}",
                image,
                path,
                f"Which part is {colour}?",
                "CT",
                colour,
                f"case {number}",
                others=(other,),
            )
        )
    return samples


class ColourFinder:
    """Finds the colour that the question names; counts what it does."""

    name, frame, prompt = "finder", THOUSAND, Prompt()
    revision = paired_segmenter = calibration = None
    thinks_on_request = True

    def __init__(self):
        self.encodings, self.questions = 0, 0

    def encode(self, image: Image.Image) -> EncodedImage:
        self.encodings += 1
        return EncodedImage(image, image.size)

    def colour(self, question: str) -> str:
        return re.search("red|green", question).group()

    def see(self, image: Image.Image, colour: str) -> Grounding:
        mask = np.asarray(image)[..., COLOURS.index(colour)] == 250
        if not mask.any():  # nothing to be seen: the middle is as good as any place
            return Grounding(centre_box(image.size), ((30, 20), (40, 30)))
        return Grounding(mask_to_box(mask), mask_to_points(mask))

    def stream(self, encoded, question, think=True, stop=None) -> Iterator[str]:
        self.questions += 1
        found = self.see(encoded.image, self.colour(question))
        sx, sy = 1000 / encoded.image.width, 1000 / encoded.image.height
        x1, y1, x2, y2 = found.box
        points = tuple((x * sx, y * sy) for x, y in found.points)
        yield from re.findall(
            ".{1,7}",
            render(Answer((x1 * sx, y1 * sy, x2 * sx, y2 * sy), points, think=self.thought(encoded, found))),
        )

    def thought(self, encoded: EncodedImage, found: Grounding) -> str:
        return "It is bright."


class Deaf(ColourFinder):
    """Always finds the red one."""

    name = "deaf"

    def colour(self, question: str) -> str:
        return "red"


class Blind(ColourFinder):
    """Knows only where such things usually are."""

    name = "blind"

    def __init__(self, usual: Prior):
        super().__init__()
        self.usual = usual

    def see(self, image: Image.Image, colour: str) -> Grounding:
        x1, y1, x2, y2 = box = self.usual.box(("CT", colour), image.size)
        return Grounding(box, ((x1, y1), (x2, y2)))


class BoxFiller:
    """A segmenter that fills the box."""

    name, revision = "filler", None
    draws_from = ("both", "box", "points")

    def encode(self, image: Image.Image, features: object = None) -> tuple[int, int]:
        return image.size

    def segment(self, encoded: tuple[int, int], prompt: SegmenterPrompt) -> tuple[np.ndarray, float]:
        mask = np.zeros(encoded[::-1], bool)
        x1, y1, x2, y2 = (
            round(v) for v in prompt.box or (*prompt.points[0], *(v + 1 for v in prompt.points[1]))
        )
        mask[y1:y2, x1:x2] = True
        return mask, 0.9


class Clerk(ColourFinder):
    """Answers many at once; request number `lost` never comes back."""

    def __init__(self, lost: int | None = None):
        super().__init__()
        self.batches, self.lost = [], lost

    def answer_batch(self, encoded, questions, think=True, at_once=1) -> Iterator[Completion]:
        self.batches.append(len(encoded))
        for image, question in zip(encoded, questions, strict=True):
            lost = self.questions == self.lost
            text = "".join(self.stream(image, question, think))
            yield Completion(
                "" if lost else text, 0.5, None, 900, 60, "the server answered 500" if lost else None
            )


class Encoder(Clerk):
    """Shares its encoding of an image with the segmenter, as the embedded model does."""

    paired_segmenter = PairedSegmenter(tower=object(), segmenter="segmenter")

    def encode(self, image: Image.Image) -> EncodedImage:
        return replace(super().encode(image), features="maps", inputs={"tokens": "of the image"})


class Adopter(BoxFiller):
    """Takes over the reasoner's encoding, and counts the images that it had to encode itself."""

    def __init__(self):
        self.adopted, self.encoded = 0, 0

    def encode(self, image: Image.Image, features: object = None) -> tuple[int, int]:
        self.adopted, self.encoded = self.adopted + (features == "maps"), self.encoded + (features is None)
        return image.size


def records_in(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "records.jsonl").read_text().splitlines()]


TRUTH = Grounding((0.0, 0.0, 10.0, 10.0), ((2.0, 2.0), (8.0, 8.0)))


def record(number: int, **values: object) -> Record:
    """Of an answer that overlaps its target by half; `values` change fields."""
    given = {"truth": TRUTH, "found": True, "box": TRUTH.box, "box_iou": 0.5, "well_formed": True}
    return Record(id=str(number), question="?", case=f"case {number}", **given | values)
