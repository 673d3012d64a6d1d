"""One set of answers scored with three segmenters, beside encoding each image anew for each segmenter and
each kind of mask."""

from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from bench.peers.answers import pair
from bench.peers.pairs import Way
from medreasoner.data.load import load
from medreasoner.evaluation.controls import centre_box, whole_box
from medreasoner.evaluation.run import evaluate
from medreasoner.evaluation.saved_answers import SavedAnswers
from medreasoner.segmenters.base import Segmenter, SegmenterPrompt
from medreasoner.segmenters.sam2_package import PackageSegmenter, build

EXAMPLES = Path(__file__).parents[2] / "medreasoner" / "examples"
SAMPLES = 3


def segmenters() -> list[Segmenter]:
    """The embedded one, and SAM 2 and SAM 2.1 hiera-tiny of the `sam2` package with random weights."""
    torch.manual_seed(0)
    return [pair().segmenter, *(PackageSegmenter(build(version), version) for version in ("2", "2.1"))]


def three_segmenters() -> tuple[Way, Way]:
    """`evaluate` on saved answers draws five masks a sample (from the answer, and from four places that need
    no model) and scores them; the other way draws the same five, and scores none."""
    folder = TemporaryDirectory()  # lives as long as `ours`
    samples, drawing = list(load(str(EXAMPLES)))[:SAMPLES], segmenters()
    evaluate(samples, pair().reasoner, None, Path(folder.name))
    saved = SavedAnswers.read(Path(folder.name))
    boxes = {record.id: record.box for record in saved.records.values()}

    def ours() -> None:
        for segmenter in drawing:
            with TemporaryDirectory() as out:
                evaluate(samples, saved, segmenter, Path(out))

    def encoded_each_time() -> None:
        for segmenter in drawing:
            for sample in samples:
                image, truth = sample.load_image(), sample.truth()
                places = (truth.box, whole_box(image.size), centre_box(image.size))
                prompts = [SegmenterPrompt.of(truth), *map(SegmenterPrompt, places)]
                if boxes[sample.id] is not None:
                    prompts.append(SegmenterPrompt(boxes[sample.id]))
                for prompt in prompts:
                    segmenter.segment(segmenter.encode(image), prompt)

    return ours, encoded_each_time
