"""What the review page shows and what each of its keys does, as plain values without Gradio.

Every method returns the view to show next: a dict that `static/review.js` draws. What cannot be done changes
nothing and comes back as the same sample with `problem` set. Decisions are kept by `data/publish/reviews.py`.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medreasoner.data.build import checks as check
from medreasoner.data.build.writers.base import Words
from medreasoner.data.category import Category
from medreasoner.data.publish.agreement import agreement
from medreasoner.data.publish.reviews import EDIT, REASONS, REJECT, VERDICTS, Ledger, ledgers
from medreasoner.data.sample import Sample, SampleError
from medreasoner.data.taxonomy import categories, find
from medreasoner.imaging import ImageError
from medreasoner.output.contours import svg_path
from medreasoner.output.data_url import image_data_url

SHOWN = 1600  # longest side sent to the browser, pixels; coordinates stay those of the image
OF_GEOMETRY = (check.LOOSE, check.OUTSIDE)  # not the words' fault, and nothing an edit of words could mend
IN_WORDS = {
    check.LEAK: "the question gives the target away",
    check.AGAIN: "another question about this image says the same",
}


class ReviewSession:
    """One reviewer judging one set.

    Args:
        folder: of the set, with `reviews/` in it. samples: all of them, at least one.
    """

    def __init__(self, folder: Path, samples: Sequence[Sample], reviewer: str) -> None:
        self.folder = folder
        self.samples = list(samples)
        self.ledger = Ledger(folder, reviewer)
        self._views = itertools.count()
        self._place = {sample.id: place for place, sample in enumerate(self.samples)}
        self._of_image = defaultdict(list)  # image -> its samples
        for sample in self.samples:
            self._of_image[sample.image].append(sample)

    def begin(self) -> dict:
        """The first sample without a decision; the first of all if there is none."""
        return self._view(self._next(-1, 1, undecided=True))

    def decide(
        self,
        id: str,
        decision: str,
        undecided: bool,
        *,
        question: str = "",
        think: str = "",
        reason: str = "",
    ) -> dict:
        """Write a decision to the disk, then show the next sample. KeyError for an unknown id."""
        place = self._place[id]
        sample = self.samples[place]
        try:
            if decision not in VERDICTS or (decision == REJECT and reason not in REASONS):
                raise ValueError("there is no such decision")
            if decision == EDIT and (wrong := self.wrong_words(sample, question, think)):
                raise ValueError(f"{wrong}; the text is still here, change it or reject the sample")
            self.ledger.record(sample, decision, question=question, think=think, reason=reason)
        except (ValueError, OSError) as error:
            return self._view(place, f"Not saved: {error}.")
        return self._view(self._next(place, 1, undecided))

    def go(self, id: str, step: int, undecided: bool) -> dict:
        """The next (1) or previous (-1) sample, of those without a decision if `undecided`.

        Errors: KeyError for an unknown id.
        """
        return self._view(self._next(self._place[id], step, undecided))

    def undo(self, id: str) -> dict:
        """Take back the latest decision and show its sample. KeyError for an unknown id."""
        try:
            sample = self.ledger.undo({sample.id: sample for sample in self.samples})
        except OSError as error:
            return self._view(self._place[id], f"Not taken back: {error}.")
        if sample is None:
            return self._view(self._place[id], "There is no decision to take back.")
        return self._view(self._place[sample.id])

    def wrong_words(self, sample: Sample, question: str, think: str) -> str:
        """What the automatic checks find wrong with these words for `sample`; "" for nothing.

        Errors: ImageError, SampleError.
        """
        others = {
            check.plain(other.question) for other in self._of_image[sample.image] if other is not sample
        }
        ignored = OF_GEOMETRY if sample.think else (*OF_GEOMETRY, check.EMPTY)  # a set may lack reasoning
        words = Words(question, think)
        if sample.absent:
            problems = check.problems_of_absence(words, others)
        else:
            problems = _problems_of_place(sample, words, others)
        sentences = [
            f"{IN_WORDS.get(problem.reason, problem.reason)} ({problem.detail})"
            for problem in problems
            if problem.reason not in ignored
        ]
        return "; ".join(dict.fromkeys(sentences))

    def _next(self, place: int, step: int, undecided: bool) -> int:
        """Where `step` leads from `place`, around the end; `undecided`: to one without a decision."""
        count = len(self.samples)
        around = [(place + step * n) % count for n in range(1, count + 1)]
        if undecided:
            return next((p for p in around if self.ledger.verdict(self.samples[p]) is None), max(place, 0))
        return around[0]

    def _view(self, place: int, problem: str = "") -> dict:
        sample = self.samples[place]
        verdict = self.ledger.verdict(sample)
        edited = verdict is not None and verdict.decision == EDIT
        verdicts = (self.ledger.verdict(each) for each in self.samples)
        tally = Counter(each.decision for each in verdicts if each)
        try:
            picture = _picture(sample)
            remark = self.wrong_words(sample, sample.question, sample.think)
        except (ImageError, SampleError) as error:
            picture, remark = None, str(error)
        absent = "nothing to be marked" if sample.absent else ""
        facts = (sample.modality, sample.category, sample.supercategory, absent, sample.id)
        return {
            "id": sample.id,
            "view": next(self._views),  # no two are equal, so that the browser notices each
            "reviewer": self.ledger.reviewer,
            "number": place + 1,
            "total": len(self.samples),
            "tally": {decision: tally[decision] for decision in VERDICTS},
            "facts": [fact for fact in facts if fact],
            "question": verdict.question if edited else sample.question,
            "think": verdict.think if edited else sample.think,
            "picture": picture,
            "remark": remark,
            "decision": verdict.decision if verdict else "",
            "reason": verdict.reason if verdict else "",
            "agreements": self._agreements(),
            "problem": problem,
        }

    def _agreements(self) -> list[str]:
        """One sentence for every other reviewer who has decided samples that this one has decided too."""
        sentences = []
        for other in ledgers(self.folder):
            if other.reviewer == self.ledger.reviewer:
                continue
            value, both = agreement(self.ledger, other, self.samples)
            kappa = "not defined while both always say the same" if value is None else f"{value:.2f}"
            if both:
                sentences.append(
                    f"Agreement with {other.reviewer}, samples in common {both}: Cohen’s kappa {kappa}"
                )
        return sentences


def _problems_of_place(sample: Sample, words: Words, asked: set[str]) -> list[check.Problem]:
    """Errors: ImageError, SampleError."""
    name = sample.category.split(", ")[0]  # "lung, left of the image": a name with a place
    category = find(name, sample.modality, categories()) or Category(name, sample.supercategory)
    truth = sample.truth()
    if sample.mask is not None:
        mask = sample.load_mask()
    else:
        mask = np.zeros(sample.load_image().size[::-1], bool)
    target = {"name": sample.category, "box": truth.box, "points": truth.points}
    return check.problems(words, target, category, mask, asked)


def _picture(sample: Sample) -> dict:
    """The image as a data URL with its size, and box, points and the mask's outline in its pixels; box null,
    no points and no outline where nothing is to be marked."""
    image, truth = sample.load_image(), None if sample.absent else sample.truth()
    mask = sample.load_mask() if sample.mask is not None else None
    if mask is not None and mask.shape != (image.height, image.width):
        raise SampleError(
            f"its mask is {mask.shape[1]} x {mask.shape[0]} pixels, its image {image.width} x {image.height}"
        )
    return {
        "src": image_data_url(image, longest=SHOWN, compress_level=1),
        "width": image.width,
        "height": image.height,
        "box": list(truth.box) if truth else None,
        "points": [list(point) for point in truth.points] if truth else [],
        "mask": "" if mask is None else svg_path(mask),
    }
