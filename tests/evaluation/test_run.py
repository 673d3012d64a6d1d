"""Evaluation: scores, resuming, failures, and controls that find out a model that does not look or does not listen.

Images here hold a red and a green rectangle, questions ask for one of them, and small reasoners read both through the real pipeline.

    python -m pytest tests/evaluation/test_run.py
"""

import json
import random
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medreasoner.answer import Answer, parse, render
from medreasoner.data.digest import Named, digest
from medreasoner.data.load import DataError
from medreasoner.data.sample import Sample
from medreasoner.evaluation.controls import (
    Prior,
    centre_box,
    derange,
    kind,
    prior,
    shuffled_questions,
    swapped_images,
    whole_box,
)
from medreasoner.evaluation.evaluator import SavedAnswers, Stages, fingerprint, prompt_hash
from medreasoner.evaluation.records import Shard
from medreasoner.evaluation.run import evaluate
from medreasoner.geometry import THOUSAND, Grounding, mask_to_box, mask_to_points
from medreasoner.prompts import Prompt
from medreasoner.reasoners.base import Completion, EncodedImage, ReasonerError
from medreasoner.reasoners.dialects import translate
from medreasoner.reasoners.families import UPSTREAM_RAW
from medreasoner.segmenters.base import SegmenterError, SegmenterPrompt

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


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> list[Sample]:
    place = tmp_path_factory.mktemp("set")
    listed = [sample for number in range(8) for sample in write(place, number)]
    return random.Random(1).sample(listed, len(listed))


@pytest.fixture(scope="module")
def train(tmp_path_factory) -> list[Sample]:
    place = tmp_path_factory.mktemp("train")
    return [sample for number in range(100, 112) for sample in write(place, number, (160, 120))]


class Looker:
    """Finds the colour that the question names; counts what it does."""

    name, revision, frame, prompt, paired_segmenter = "looker", None, THOUSAND, Prompt(), None

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


class Deaf(Looker):
    """Always finds the red one."""

    name = "deaf"

    def colour(self, question: str) -> str:
        return "red"


class Blind(Looker):
    """Knows only where such things usually are."""

    name = "blind"

    def __init__(self, usual: Prior):
        super().__init__()
        self.usual = usual

    def see(self, image: Image.Image, colour: str) -> Grounding:
        x1, y1, x2, y2 = box = self.usual.box(("CT", colour), image.size)
        return Grounding(box, ((x1, y1), (x2, y2)))


class Painter:
    """A segmenter that fills the box."""

    name, revision = "painter", None
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


def records_in(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "records.jsonl").read_text().splitlines()]


def test_a_perfect_reader_scores_one_everywhere(samples, tmp_path):
    result = evaluate(samples, Looker(), Painter(), tmp_path)
    assert result["n"] == len(samples) == len(records_in(tmp_path))
    for name in ("box_iou", "acc_50", "mask_dice"):
        assert result["overall"][name] == pytest.approx(
            {"mean": 1, "low": 1, "high": 1, "n": 16, "clusters": 8}
        )
    assert result["overall"]["pdice_published"]["mean"] == pytest.approx(2, abs=1e-3), (
        "the published pDice ends at 2"
    )
    assert result["well_formed"]["mean"] == result["fits_best"]["mean"] == 1
    assert result["failures"] == {} and result["place_agrees"] is None
    assert (
        set(result["per_category"]) == {"red", "green"} and result["per_category"]["red"]["box_iou"]["n"] == 8
    )
    assert (result["model"], result["segmenter"], result["prompt"]) == (
        "looker",
        "painter",
        prompt_hash(Prompt()),
    )
    assert json.loads((tmp_path / "summary.json").read_text()) == result


def test_a_record_says_what_was_asked_answered_and_true(samples, tmp_path):
    evaluate(samples, Looker(), Painter(), tmp_path)
    record = records_in(tmp_path)[0]
    assert record["think"] == "It is bright." and record["answer_text"].endswith("</answer>")
    assert record["box"] == pytest.approx(record["truth"]["box"]) and record["points"] == [
        pytest.approx(p) for p in record["truth"]["points"]
    ]
    assert record["image_wh"] == [80, 60] and record["mask_score"] == 0.9
    assert set(record["timings_s"]) >= {"first_token", "located", "total"}


def test_questions_about_one_image_encode_it_once(samples, tmp_path):
    looker = Looker()
    evaluate(samples, looker, Painter(), tmp_path)
    assert (looker.encodings, looker.questions) == (8, 16)


def test_samples_that_hold_their_pictures_as_bytes_score_the_same(samples, tmp_path):
    held = [
        replace(s, image=s.image.read_bytes(), mask=s.mask.read_bytes())
        for s in sorted(samples, key=lambda s: s.id)
    ]
    looker = Looker()
    result = evaluate(held, looker, Painter(), tmp_path)
    assert result["overall"]["mask_dice"]["mean"] == 1 and (looker.encodings, looker.questions) == (8, 16)


def test_without_a_segmenter_only_boxes_are_scored(samples, tmp_path):
    result = evaluate(samples, Looker(), None, tmp_path)
    assert result["overall"]["mask_dice"] is None and result["overall"]["box_iou"]["mean"] == pytest.approx(1)
    assert result["segmenter"] == "none"


def test_failed_answers_count_zero_and_are_told_by_reason(samples, tmp_path):
    class Mute(Looker):
        def stream(self, encoded, question, think=True, stop=None):
            if "green" in question:
                yield "<think>It is green.</think>I would rather not say."
            else:
                yield from super().stream(encoded, question, think, stop)

    result = evaluate(samples, Mute(), Painter(), tmp_path)
    assert result["failures"] == {"no answer block": 8}
    assert (
        result["overall"]["box_iou"]["mean"] == result["overall"]["mask_dice"]["mean"] == pytest.approx(0.5)
    )
    assert result["well_formed"]["mean"] == result["fits_best"]["mean"] == 0.5
    assert result["per_category"]["green"]["box_iou"] == {
        "mean": 0,
        "low": 0,
        "high": 0,
        "n": 8,
        "clusters": 8,
    }
    failed = next(record for record in records_in(tmp_path) if record["failure"])
    assert (
        failed["box"] is None
        and failed["think"] == "It is green."
        and "without giving an answer" in failed["message"]
    )


def test_a_mask_that_fails_leaves_the_box_its_score(samples, tmp_path):
    class Broken(Painter):
        def segment(self, encoded, prompt):
            raise SegmenterError("Out of ink.")

    result = evaluate(samples, Looker(), Broken(), tmp_path)
    assert result["failures"] == {"segmenter": 16}
    assert (
        result["overall"]["box_iou"]["mean"] == pytest.approx(1)
        and result["overall"]["mask_dice"]["mean"] == 0
    )


def test_claims_about_the_place_are_held_against_the_box(samples, tmp_path):
    class Talker(Looker):
        def thought(self, encoded, found):
            return "I see it in the upper left of the image."

    result = evaluate(samples, Talker(), None, tmp_path)
    agreed = [record["place_agrees"] for record in records_in(tmp_path)]
    assert set(agreed) == {True, False}
    assert result["place_agrees"]["mean"] == sum(agreed) / 16


def test_a_killed_run_goes_on_where_it_was(samples, tmp_path):
    class Killed(Looker):
        def stream(self, encoded, question, think=True, stop=None):
            if self.questions == 5:
                raise KeyboardInterrupt
            yield from super().stream(encoded, question, think, stop)

    with pytest.raises(KeyboardInterrupt):
        evaluate(samples, Killed(), Painter(), tmp_path)
    file = tmp_path / "records.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    assert len(lines) == 5
    file.write_bytes(b"".join(lines[:4]) + lines[4][:50])  # as if the fifth had been cut short
    second = Looker()
    result = evaluate(samples, second, Painter(), tmp_path)
    assert second.questions == 12, "the four whole records were kept, the half one was dropped"
    assert (
        file.read_bytes().startswith(b"".join(lines[:4])) and len(records_in(tmp_path)) == 16 == result["n"]
    )
    third = Looker()
    again = evaluate(samples, third, Painter(), tmp_path)
    assert third.questions == third.encodings == 0 and again == result


def test_a_sample_whose_truth_was_mended_is_answered_anew(samples, tmp_path):
    stated = [replace(sample, box=sample.truth().box) for sample in samples]
    evaluate(stated, Looker(), None, tmp_path)
    mended = [replace(stated[0], box=(0.0, 0.0, 80.0, 60.0)), *stated[1:]]
    looker = Looker()
    assert (
        evaluate(mended, looker, None, tmp_path)["overall"]["box_iou"]["mean"] < 1 and looker.questions == 1
    )
    again = Looker()
    assert evaluate(mended, again, None, tmp_path)["overall"]["box_iou"]["mean"] < 1 and again.questions == 0


def test_records_of_another_model_or_prompt_are_not_continued(samples, tmp_path):
    evaluate(samples, Looker(), None, tmp_path)
    with pytest.raises(DataError, match="was made by.*looker.*now it is.*deaf"):
        evaluate(samples, Deaf(), None, tmp_path)
    with pytest.raises(DataError, match="was made by"):
        evaluate(samples, Looker(), None, tmp_path, think=False)


def test_a_retrained_model_in_the_same_folder_has_another_fingerprint(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"old")
    before = fingerprint(str(tmp_path))
    assert before == fingerprint(str(tmp_path)) and fingerprint("some/hub-id") == ""
    (tmp_path / "model.safetensors").write_bytes(b"newer")
    assert fingerprint(str(tmp_path)) != before


def test_a_damaged_record_is_named(samples, tmp_path):
    (tmp_path / "records.jsonl").write_text("{\n")
    with pytest.raises(DataError, match="records.jsonl, line 1 is not JSON"):
        evaluate(samples, Looker(), None, tmp_path)


def test_samples_whose_files_cannot_be_used_are_named_and_not_counted(samples, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    Image.new("L", (5, 5)).save(tmp_path / "small.png")
    bad = [
        replace(samples[0], id="bad-image", image=tmp_path / "broken.png"),
        replace(samples[1], id="bad-mask", mask=tmp_path / "small.png"),
    ]
    result = evaluate(
        [*samples[2:], *bad],
        Looker(),
        Painter(),
        tmp_path / "out",
        skipped=["samples.jsonl, row 9: not JSON"],
    )
    assert result["n"] == 14 and result["overall"]["box_iou"]["mean"] == pytest.approx(1)
    assert sorted(reason.split(":")[0] for reason in result["unusable"]) == ["bad-image", "bad-mask"]
    assert any("5 x 5 pixels, the image 80 x 60" in reason for reason in result["unusable"])
    assert result["skipped_rows"] == ["samples.jsonl, row 9: not JSON"]
    with pytest.raises(DataError, match="none of the 2 samples can be used; the first: bad-"):
        evaluate(bad, Looker(), Painter(), tmp_path / "none")


# --- the two stages ---


class Clerk(Looker):
    """Answers many at once; request number `lost` never comes back."""

    def __init__(self, lost: int | None = None):
        super().__init__()
        self.batches, self.lost = [], lost

    def answer_batch(self, encoded, questions, think=True, at_once=1) -> Iterator[Completion]:
        self.batches.append(len(encoded))
        for encoded, question in zip(encoded, questions, strict=True):
            lost = self.questions == self.lost
            text = "".join(self.stream(encoded, question, think))
            yield Completion(
                "" if lost else text, 0.5, None, 900, 60, "the server answered 500" if lost else None
            )


def test_many_at_once_score_as_one_after_the_other(samples, tmp_path):
    clerk = Clerk()
    together = evaluate(samples, clerk, Painter(), tmp_path / "a", stages=Stages(at_once=1000))
    alone = evaluate(samples, Looker(), Painter(), tmp_path / "b")
    assert clerk.batches == [16]
    for key in ("overall", "per_category", "per_size", "failures"):
        assert together[key] == alone[key]
    cost = together["cost"]
    assert (cost["seconds_per_answer"], cost["counted"], cost["tokens_in"], cost["tokens_out"]) == (
        0.5,
        16,
        14400,
        960,
    )
    assert (
        cost["wall_s"] == sum(r["wall_s"] for r in records_in(tmp_path / "a"))
        and cost["samples_per_s"] == 16 / cost["wall_s"]
    )
    assert together["median_timings_s"] == {}, "the times of a replay are nobody's"


class Encoder(Clerk):
    """Shares its encoding of an image with the segmenter, as the embedded model does."""

    def encode(self, image: Image.Image) -> EncodedImage:
        return replace(super().encode(image), features="maps", inputs={"tokens": "of the image"})


class Adopter(Painter):
    """Takes over the reasoner's encoding, and counts the images that it had to encode itself."""

    def __init__(self):
        self.adopted, self.encoded = 0, 0

    def encode(self, image: Image.Image, features: object = None) -> tuple[int, int]:
        self.adopted, self.encoded = self.adopted + (features == "maps"), self.encoded + (features is None)
        return image.size


@pytest.mark.parametrize("at_once", [1, 4])
def test_all_passes_and_controls_together_encode_each_image_once(samples, train, tmp_path, at_once):
    encoder, adopter = Encoder(), Adopter()
    result = evaluate(samples, encoder, adopter, tmp_path, train=train, stages=Stages(at_once=at_once))
    assert {"question_shuffled", "image_swapped", "image_blanked", "direct", "oracle", "oracle_box"} <= set(
        result["controls"]
    )
    assert (encoder.questions, encoder.encodings) == (16 * 5, 8 + 1), "eight images and one grey square"
    assert (adopter.adopted, adopter.encoded) == (8, 0)


def test_an_image_that_the_model_cannot_take_in_fails_alone_in_a_batch_too(samples, tmp_path):
    class Picky(Clerk):
        def encode(self, image):
            if self.encodings == 3:
                self.encodings += 1
                raise ReasonerError("this image is too long")
            return super().encode(image)

    result = evaluate(samples, Picky(), Painter(), tmp_path, stages=Stages(at_once=4))
    assert result["failures"] == {"model": 1} and result["n"] == 16
    assert result["overall"]["box_iou"]["mean"] == pytest.approx(15 / 16)
    assert {r["message"] for r in records_in(tmp_path) if r["failure"]} == {"this image is too long."}


def test_the_summary_says_on_what_data_it_was_taken(samples, tmp_path):
    whole = Named("Rectangles v1", {"test": {"samples": 16, "sha256": digest(samples)}})
    first = evaluate(samples, Looker(), None, tmp_path / "a", data="here", named=whole)
    assert (first["set"], first["data_sha256"], first["data"]) == (
        "Rectangles v1, test",
        digest(samples),
        "here",
    )
    part = evaluate(samples[:4], Looker(), None, tmp_path / "b", named=whole)
    assert (
        part["set"] == "Rectangles v1, a part or a changed copy: 4 samples"
        and part["data_sha256"] != first["data_sha256"]
    )
    assert evaluate(samples[:4], Looker(), None, tmp_path / "c")["set"] is None


def test_a_request_that_failed_is_in_no_mean_and_is_made_again(samples, tmp_path):
    first = evaluate(samples, Clerk(lost=3), None, tmp_path, stages=Stages(at_once=2))
    assert (
        first["n"] == 15
        and first["overall"]["box_iou"]["mean"] == pytest.approx(1)
        and first["failures"] == {}
    )
    assert (
        len(first["unanswered"]) == 1
        and "the server answered 500" in first["unanswered"][0]
        and first["unusable"] == []
    )
    again = Clerk()
    second = evaluate(samples, again, None, tmp_path, stages=Stages(at_once=2))
    assert again.questions == 1 and second["n"] == 16 and second["unanswered"] == []


def test_another_runs_answers_are_drawn_by_another_segmenter_and_left_as_they_are(samples, tmp_path):
    evaluate(samples, Looker(), None, tmp_path / "asked")
    before = (tmp_path / "asked" / "records.jsonl").read_bytes()

    class Emptier(Painter):
        name = "emptier"

        def segment(self, encoded, prompt):
            return np.zeros(encoded[::-1], bool), 0.1

    answers = SavedAnswers.read(tmp_path / "asked")
    good = evaluate(samples, answers, Painter(), tmp_path / "painter")
    bad = evaluate(samples, answers, Emptier(), tmp_path / "emptier")
    assert good["overall"]["mask_dice"]["mean"] == 1 and bad["overall"]["mask_dice"]["mean"] == 0
    assert (
        good["overall"]["box_iou"] == bad["overall"]["box_iou"]
        and good["model"] == "looker"
        and good["segmenter"] == "painter"
    )
    assert (tmp_path / "asked" / "records.jsonl").read_bytes() == before


def test_answers_that_are_not_there_are_named(samples, train, tmp_path):
    with pytest.raises(DataError, match="holds no records.jsonl with answers"):
        SavedAnswers.read(tmp_path)
    evaluate(samples[:4], Looker(), None, tmp_path / "asked")
    result = evaluate(
        samples, SavedAnswers.read(tmp_path / "asked"), Painter(), tmp_path / "out", train=train
    )
    assert result["n"] == 4 and len(result["unanswered"]) == 12
    assert {"prior", "random_box", "oracle"} <= set(result["controls"]) and "image_swapped" not in result[
        "controls"
    ]


def test_failures_of_the_model_are_told_again_as_such(samples, tmp_path):
    class Dying(Looker):
        def stream(self, encoded, question, think=True, stop=None):
            yield "<think>It"
            raise ReasonerError("out of memory")

    live = evaluate(samples, Dying(), Painter(), tmp_path / "a")
    again = evaluate(samples, SavedAnswers.read(tmp_path / "a"), Painter(), tmp_path / "b")
    assert live["failures"] == again["failures"] == {"model": 16}


@pytest.mark.parametrize(
    ("prompts", "box", "points"), [("both", True, 2), ("box", True, 0), ("points", False, 2)]
)
def test_the_segmenter_sees_what_it_is_allowed_to(samples, tmp_path, prompts, box, points):
    seen = []

    class Watcher(Painter):
        draws_from = (prompts,)

        def segment(self, encoded, prompt):
            seen.append((prompt.box is not None, len(prompt.points)))
            return super().segment(encoded, prompt)

    result = evaluate(samples, Looker(), Watcher(), tmp_path, stages=Stages(prompts=prompts))
    assert (
        set(seen) == {(box, points)}
        and result["prompts"] == prompts
        and result["overall"]["box_iou"]["mean"] == pytest.approx(1)
    )


def test_the_published_scoring_reads_the_same_answers_without_conversion(samples, tmp_path):
    evaluate(samples, Looker(), None, tmp_path / "fair")
    answers = SavedAnswers.read(tmp_path / "fair")
    raw = evaluate(samples, answers, None, tmp_path / "raw", stages=Stages(frame=UPSTREAM_RAW))
    assert raw["frame"] == "upstream-raw" and raw["writes"] == "0..1000"
    assert raw["overall"]["box_iou"]["mean"] < 0.7
    back = evaluate(samples, SavedAnswers.read(tmp_path / "raw"), None, tmp_path / "back")
    assert back["frame"] == "0..1000" and back["overall"]["box_iou"]["mean"] == pytest.approx(1)
    live = evaluate(samples, Looker(), None, tmp_path / "live", stages=Stages(frame=UPSTREAM_RAW))
    assert live["overall"] == raw["overall"]


def test_refusals_are_told_from_answers_that_cannot_be_read(samples, tmp_path):
    class Shy(Looker):
        def stream(self, encoded, question, think=True, stop=None):
            yield (
                "I'm sorry, but I can't help with medical images."
                if "red" in question
                else "It is over there."
            )

    assert evaluate(samples, Shy(), None, tmp_path)["failures"] == {"refusal": 8, "no answer block": 8}


def test_points_that_a_dialect_does_not_have_are_not_scored(samples, tmp_path):
    class Boxer(Clerk):
        def answer_batch(self, encoded, questions, think=True, at_once=1):
            for said in super().answer_batch(encoded, questions, think, at_once):
                yield replace(
                    said, text=translate(f"[{', '.join(map(str, parse(said.text).answer.bbox))}]", ("list",))
                )

    result = evaluate(samples, Boxer(), Painter(), tmp_path, stages=Stages(at_once=2))
    assert result["overall"]["pdice_published"] is None and result["overall"]["points_in_mask"] is None
    assert result["overall"]["box_iou"]["mean"] == pytest.approx(1, abs=1e-6)


def test_an_image_without_its_target_counts_for_presence_alone(samples, tmp_path):
    Image.new("L", (80, 60)).save(tmp_path / "empty.png")
    absent = [
        replace(sample, id=f"{sample.id} absent", mask=tmp_path / "empty.png") for sample in samples[:6]
    ]

    class Careful(Looker):
        """Does not find what it was asked for the first time."""

        def stream(self, encoded, question, think=True, stop=None):
            if self.questions < 3:
                self.questions += 1
                yield "It is not in this image."
            else:
                yield from super().stream(encoded, question, think, stop)

    result = evaluate(absent, Careful(), None, tmp_path / "absent")
    assert result["overall"]["box_iou"] is None and result["presence"]["specificity"]["mean"] == 0.5
    mixed = evaluate([*samples, *absent], Looker(), Painter(), tmp_path / "mixed")
    assert mixed["overall"]["box_iou"]["n"] == 16 and mixed["overall"]["mask_dice"]["mean"] == 1
    assert mixed["presence"]["sensitivity"]["mean"] == 1 and mixed["presence"]["specificity"]["mean"] == 0
    assert evaluate(samples, Looker(), None, tmp_path / "present")["presence"] is None


# --- many processes ---


def test_processes_share_the_work_and_end_with_one_summary(samples, train, tmp_path):
    whole = evaluate(samples, Looker(), Painter(), tmp_path / "whole", train=train)
    lookers = [Looker() for _ in range(3)]

    def process(rank: int) -> dict:
        return evaluate(
            samples, lookers[rank], Painter(), tmp_path / "parts", train=train, shard=Shard(rank, 3)
        )

    with ThreadPoolExecutor(3) as processes:
        results = list(processes.map(process, range(3)))
    drop = ("cost", "median_timings_s")  # times
    for result in results:
        assert {k: v for k, v in result.items() if k not in drop} == {
            k: v for k, v in whole.items() if k not in drop
        }
    assert sum(looker.questions for looker in lookers) == 16 * 5, "samples and four controls, nothing twice"
    assert [record["id"] for record in records_in(tmp_path / "parts")] == [
        record["id"] for record in records_in(tmp_path / "whole")
    ]
    assert json.loads((tmp_path / "parts" / "summary.json").read_text()) == results[0]
    alone = Looker()
    assert evaluate(samples, alone, Painter(), tmp_path / "parts")["n"] == 16 and alone.questions == 0, (
        "one goes on where three were"
    )


def test_a_sample_that_cannot_be_used_holds_no_process_up(samples, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    listed = [*samples, replace(samples[0], id="bad", image=tmp_path / "broken.png")]
    with ThreadPoolExecutor(2) as processes:
        results = list(
            processes.map(
                lambda rank: evaluate(listed, Looker(), None, tmp_path / "out", shard=Shard(rank, 2)),
                range(2),
            )
        )
    assert [(result["n"], len(result["unusable"])) for result in results] == [(16, 1), (16, 1)]


def test_processes_ask_again_what_got_no_answer_the_last_time(samples, tmp_path):
    def process(rank: int, of: int, lost: int | None) -> tuple[int, int]:
        result = evaluate(
            samples, Clerk(lost), None, tmp_path, stages=Stages(at_once=2), shard=Shard(rank, of)
        )
        return result["n"], len(result["unanswered"])

    def all_of(of: int, lost: int | None) -> list[tuple[int, int]]:
        with ThreadPoolExecutor(of) as processes:
            return list(processes.map(lambda rank: process(rank, of, lost), range(of)))

    assert all_of(2, lost=3) == [(14, 2)] * 2
    assert all_of(3, lost=0) == [(14, 2)] * 3, "the two are asked again, and lost again"
    assert all_of(2, lost=None) == [(16, 0)] * 2


def test_the_launchers_variables_say_which_part_is_ours(monkeypatch):
    assert Shard.from_environment() == Shard(0, 1)
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert Shard.from_environment() == Shard(2, 4)
    assert [part for rank in range(3) for part in Shard(rank, 3).part("abcdefgh")] == list("abcdefgh")


# --- controls ---


def test_controls_show_that_a_good_model_looks_and_listens(samples, train, tmp_path):
    rows = evaluate(samples, Looker(), Painter(), tmp_path, train=train)["controls"]
    assert rows["oracle"]["mask_dice"]["mean"] == 1 and rows["oracle"]["model_minus_this_mask"][
        "mean"
    ] == pytest.approx(0)
    for name in (
        "prior",
        "centre_box",
        "whole_image",
        "random_box",
        "question_shuffled",
        "image_swapped",
        "image_blanked",
    ):
        assert rows[name]["box_iou"]["mean"] < 0.5 and rows[name]["model_minus_this"]["low"] > 0.3, name
    assert rows["oracle"]["mask_ciou"]["mean"] == 1
    assert (
        rows["whole_image"]["mask_dice"]["mean"] < 0.5
        and rows["whole_image"]["model_minus_this_mask"]["low"] > 0.5
    )
    assert rows["question_shuffled"]["fits_best"]["mean"] == 0, (
        "each question is answered rightly, so it never fits the one that was meant"
    )
    assert rows["prior"]["kinds_not_in_training"] == []


def test_answering_without_reasoning_and_the_box_alone_are_rows_too(samples, train, tmp_path):
    class Thinker(Looker):
        """Sees nothing where it may not think."""

        def stream(self, encoded, question, think=True, stop=None):
            yield from super().stream(
                encoded if think else replace(encoded, image=Image.new("RGB", encoded.image.size)),
                question,
                think,
                stop,
            )

    rows = evaluate(samples, Thinker(), Painter(), tmp_path, train=train)["controls"]
    assert rows["direct"]["model_minus_this"]["low"] > 0.5
    assert rows["oracle_box"]["mask_dice"]["mean"] == 1 and "reasoning" not in rows
    rows = evaluate(samples, Looker(), Painter(), tmp_path / "direct", think=False, train=train)["controls"]
    assert rows["reasoning"]["model_minus_this"]["mean"] == 0 and "direct" not in rows


def test_controls_find_out_a_model_that_does_not_look(samples, train, tmp_path):
    result = evaluate(samples, Blind(prior(train)), None, tmp_path, train=train)
    rows = result["controls"]
    assert rows["prior"]["model_minus_this"] == pytest.approx(
        {"mean": 0, "low": 0, "high": 0, "n": 16, "clusters": 8}
    )
    assert rows["image_swapped"]["model_minus_this"]["mean"] == pytest.approx(0), (
        "another image changes nothing"
    )
    assert "oracle" not in rows


def test_controls_find_out_a_model_that_does_not_listen(samples, train, tmp_path):
    rows = evaluate(samples, Deaf(), None, tmp_path, train=train)["controls"]
    assert rows["question_shuffled"]["model_minus_this"]["mean"] == pytest.approx(0), (
        "another question changes nothing"
    )
    assert rows["image_swapped"]["model_minus_this"]["low"] > 0


def test_controls_are_resumed_too(samples, train, tmp_path):
    first = evaluate(samples, Looker(), Painter(), tmp_path, train=train)
    second = Looker()
    assert evaluate(samples, second, Painter(), tmp_path, train=train) == first and second.questions == 0
    third = Looker()
    evaluate(samples, third, Painter(), tmp_path, train=train, seed=1)
    assert third.questions > 0, "another seed swaps other images"


def test_a_prior_learnt_from_the_evaluated_samples_is_refused_before_anything_runs(samples, train, tmp_path):
    looker = Looker()
    with pytest.raises(DataError, match="the training samples hold.*--train"):
        evaluate(samples, looker, None, tmp_path, train=[*train, samples[3]])
    assert looker.encodings == 0


def test_the_prior_is_the_mean_box_in_shares_of_the_sides(train):
    learnt = prior(train)
    reds = [sample.truth().box for sample in train if sample.category == "red"]
    assert learnt.box(("CT", "red"), (160, 120)) == pytest.approx(tuple(np.mean(reds, axis=0)))
    assert learnt.box(("CT", "red"), (16, 12)) == pytest.approx(tuple(np.mean(reds, axis=0) / 10))
    everything = [sample.truth().box for sample in train]
    assert learnt.box(("MRI", "unheard of"), (160, 120)) == pytest.approx(tuple(np.mean(everything, axis=0)))


def test_fixed_boxes():
    assert centre_box((80, 60)) == (20, 15, 60, 45) and whole_box((80, 60)) == (0, 0, 80, 60)


@pytest.mark.parametrize("groups", ["aabb", "aaabbc", "abcdefg", "aaaab", "aaaa", "ab" * 20])
def test_deranging_is_a_permutation_that_leaves_the_group_where_it_can(groups):
    for seed in range(20):
        target = derange(groups, random.Random(seed))
        assert sorted(target) == list(range(len(groups)))
        assert all(place != index for index, place in enumerate(target))
        inside = sum(groups[place] == groups[index] for index, place in enumerate(target))
        assert inside == max(0, 2 * max(groups.count(g) for g in groups) - len(groups))


def test_deranging_needs_two():
    with pytest.raises(DataError, match="two samples or more, got 1"):
        derange("a", random.Random(0))


def test_shuffled_questions_are_the_same_questions_asked_of_others(samples):
    shuffled = shuffled_questions(samples, seed=3)
    assert sorted(s.question for s in shuffled) == sorted(s.question for s in samples)
    for before, after in zip(samples, shuffled, strict=True):
        assert before.category not in after.question and replace(after, question=before.question) == before
    assert shuffled_questions(samples, seed=3) == shuffled


def test_another_seed_deranges_otherwise():
    assert (
        derange("ab" * 20, random.Random(1))
        == derange("ab" * 20, random.Random(1))
        != derange("ab" * 20, random.Random(2))
    )


def test_swapped_images_are_of_another_case_and_carry_the_truth_along(samples):
    truths, sizes = [sample.truth() for sample in samples], [(80, 60)] * len(samples)
    swapped = swapped_images(samples, truths, sizes)
    for before, after, truth in zip(samples, swapped, truths, strict=True):
        assert after.image != before.image and after.question == before.question and after.box == truth.box
    wide = swapped_images(samples[:2], truths[:2], [(80, 60), (160, 30)])
    x1, y1, x2, y2 = truths[0].box
    assert wide[0].image == samples[1].image and wide[0].box == (x1 * 2, y1 / 2, x2 * 2, y2 / 2)


def test_images_are_swapped_within_a_kind_where_it_has_two_cases():
    def sample(number: int, category: str, modality: str, case: str) -> Sample:
        return Sample(str(number), f"{number}.png".encode(), None, "?", modality, category, case)

    listed = [
        *(sample(i, "liver", "CT", f"case {i}") for i in range(4)),
        sample(4, "spleen", "CT", "case 4"),
        *(sample(5 + i, "naevus", "Dermoscopy", "case 5") for i in range(30)),
    ]
    truth = Grounding((1, 2, 3, 4), ((1, 2), (3, 4)))
    swapped = swapped_images(listed, [truth] * 35, [(50, 50)] * 35)
    source = {s.image: s for s in listed}
    partners = [source[s.image] for s in swapped]
    assert all(kind(partner) == kind(s) for s, partner in zip(listed[:4], partners[:4], strict=True))
    assert partners[4].modality == "CT"
    assert all(partner.case != s.case for s, partner in zip(listed, partners, strict=True))
    with pytest.raises(DataError, match="two cases or more; all 30 are of 'case 5'"):
        swapped_images(listed[5:], [truth] * 30, [(50, 50)] * 30)
