"""The controls of an evaluation, scored on the same samples: baselines without a model, and the model on
shuffled questions or swapped images."""

from collections.abc import Sequence
from dataclasses import replace

from medreasoner.data.sample import Sample
from medreasoner.evaluation import aggregate, controls
from medreasoner.evaluation.answer_scores import Scores
from medreasoner.evaluation.columns import BY_KEY, Column, columns
from medreasoner.evaluation.controls import Prior, kind
from medreasoner.evaluation.evaluator import Evaluator
from medreasoner.evaluation.record import Record
from medreasoner.evaluation.scoring import fits_best
from medreasoner.evaluation.summary import Control
from medreasoner.geometry import Box
from medreasoner.metrics import Interval, box_iou, paired

BOX_COLUMNS = columns(keys=("box_iou", "acc_50", "fits_best"))
MASK_COLUMNS = columns(keys=("mask_dice", "mask_giou", "mask_ciou", "hd95", "nsd"))


def score_controls(
    evaluator: Evaluator, samples: Sequence[Sample], records: Sequence[Record], prior: Prior, seed: int
) -> dict[str, Control]:
    """By name, see `columns.CONTROLS`. Those that need the model itself are left out where saved answers are
    scored.

    Args:
        samples, records: belong together one by one and have a target each. prior: of the training set.
    """
    found = {
        name: _control(records, _boxed(samples, records, boxes), seed)
        for name, boxes in _fixed_boxes(samples, records, prior, seed).items()
    }
    lacking = sorted({" ".join(kind(sample)) for sample in samples if kind(sample) not in prior.boxes})
    found["prior"] = replace(found["prior"], kinds_not_in_training=tuple(lacking))
    if not evaluator.saved:
        answered = _ask_controls(evaluator, samples, records, seed)
        found |= {name: _control(records, answers, seed) for name, answers in answered.items()}
    for name in dict.fromkeys(name for record in records for name in record.drawn):
        found[name] = _with_masks(found.get(name, Control(row={})), records, name, seed)
    return found


def _fixed_boxes(
    samples: Sequence[Sample], records: Sequence[Record], prior: Prior, seed: int
) -> dict[str, list[Box]]:
    """The boxes of readers that need no model, in pixels of each image."""
    pairs = [(sample, record.image_wh) for sample, record in zip(samples, records, strict=True)]
    return {
        "prior": [prior.box(kind(sample), size) for sample, size in pairs],
        "centre_box": [controls.centre_box(size) for _, size in pairs],
        "whole_image": [controls.whole_box(size) for _, size in pairs],
        "random_box": [controls.random_box(size, f"{sample.id} {seed}") for sample, size in pairs],
    }


def _boxed(samples: Sequence[Sample], records: Sequence[Record], boxes: Sequence[Box]) -> list[Record]:
    """Records of `boxes` given as answers."""
    answers = []
    for sample, record, box in zip(samples, records, boxes, strict=True):
        truth = record.truth.box
        scores = Scores(box_iou=box_iou(box, truth), fits_best=fits_best(box, truth, sample.others))
        answers.append(record.scored(scores))
    return answers


def _ask_controls(
    evaluator: Evaluator, samples: Sequence[Sample], records: Sequence[Record], seed: int
) -> dict[str, list[Record]]:
    """The model's answers to the wrong questions, to the wrong images, and with or without reasoning."""
    truths, sizes = [record.truth for record in records], [record.image_wh for record in records]
    other_samples = {
        "question_shuffled": controls.shuffled_questions(samples, seed),
        "image_swapped": controls.swapped_images(samples, truths, sizes, seed),
        "image_blanked": controls.blanked_images(samples, truths, sizes),
    }
    answered = {
        name: evaluator.answer(others, f"{name}.jsonl", masks=False).records
        for name, others in other_samples.items()
    }
    think = not evaluator.run.think
    name = "reasoning" if think else "direct"
    answered[name] = evaluator.answer(samples, f"{name}.jsonl", masks=False, think=think).records
    return answered


def _control(records: Sequence[Record], answers: Sequence[Record], seed: int) -> Control:
    difference = None
    if len(answers) == len(records):  # not where requests failed
        difference = _difference(records, answers, BY_KEY["box_iou"], seed)
    return Control(row=aggregate.row(answers, BOX_COLUMNS, seed), model_minus_this=difference)


def _with_masks(control: Control, records: Sequence[Record], name: str, seed: int) -> Control:
    """The control with the masks that the segmenter draws from its boxes, see `fixed_prompts.py`."""
    having = [record for record in records if name in record.drawn]
    drawn = [record.scored(record.drawn[name]) for record in having]
    return replace(
        control,
        row={**control.row, **aggregate.row(drawn, MASK_COLUMNS, seed)},
        model_minus_this_mask=_difference(having, drawn, BY_KEY["mask_dice"], seed),
    )


def _difference(records: Sequence[Record], answers: Sequence[Record], column: Column, seed: int) -> Interval:
    """The column of `records` minus that of `answers`, sample by sample."""
    values = ([column.value(record) for record in listed] for listed in (records, answers))
    return paired(*values, [record.case for record in records], seed)
