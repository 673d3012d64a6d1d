"""Several conversations about one picture as one sequence: the picture once, then each conversation's words, which see the picture and
themselves only.

Is: the batch of the embedded CRM's SFT (`train/embedded/sft.py`). What a model of causal attention computes of a conversation is the same as
if it stood alone (a test), and the picture's tokens, two thirds of it, are computed once instead of once a conversation.
Is not: packing of unrelated conversations, which libraries do: here the prefix is shared.
"""

import itertools
from dataclasses import dataclass

import torch

from medreasoner.prompts import messages

PREFIX, PAD = -1, -2


@dataclass(frozen=True)
class Spoken:
    """One conversation's tokens after the picture: `ids`, how many of the first are the question's, and for each its place among the
    answer's coordinates (0..7: x1 y1 x2 y2, then the points) or -1."""

    ids: list[int]
    asked: int
    places: list[int]


class Branches:
    """Collator of `train/embedded/conversations.py` rows.

    Returns: `input_ids`, `position_ids`, `labels` (-100 where nothing is learnt), `branch` (number of the conversation in the batch, PREFIX
    or PAD), `places` of the labels' coordinates, all (B, L); `attention_mask` (B, 1, L, L) bool; `pixel_values`; per conversation, in
    order: `row`, `asked` and `written` (the columns whose states have read the question, and "<answer>"), `box01` (N, 4), `cover` (N, 256);
    `kinds` (B, 256).
    """

    def __init__(self, processor, numbers: torch.Tensor):
        self.processor, self.tok = processor, processor.tokenizer
        self.numbers, self.answer = set(numbers.tolist()), self.tok.convert_tokens_to_ids("<answer>")

    def __call__(self, examples: list[dict]) -> dict[str, torch.Tensor]:
        sequences = [self._sequence(example["turns"]) for example in examples]
        length = max(len(ids) for ids, *_ in sequences)
        fills = self.tok.pad_token_id, 0, -100, PAD, -1
        padded = [
            [row + [fill] * (length - len(row)) for row, fill in zip(one, fills, strict=True)]
            for one in sequences
        ]
        ids, positions, labels, branch, places = (
            torch.tensor(column) for column in zip(*padded, strict=True)
        )
        counts = torch.tensor([len(example["turns"]) for example in examples])
        branch = torch.where(branch >= 0, branch + (counts.cumsum(0) - counts)[:, None], branch)
        turns = [turn for example in examples for turn in example["turns"]]
        images = [example["image"] for example in examples]
        return {
            "input_ids": ids,
            "position_ids": positions,
            "labels": labels,
            "branch": branch,
            "places": places,
            "attention_mask": visible(branch),
            "pixel_values": self.processor.image_processor(images, return_tensors="pt").pixel_values,
            "box01": torch.tensor([turn["box01"] for turn in turns]),
            "cover": torch.tensor([turn["cover"] for turn in turns]),
            "kinds": torch.tensor([example["kinds"] for example in examples]),
        } | self._read(ids, labels, branch, len(turns))

    def _sequence(self, turns: list[dict]) -> tuple[list[int], ...]:
        """(ids, positions, labels, branches, places) of one picture and its conversations."""
        head, spoken = None, []
        for turn in turns:
            head, one = self._spoken(turn)
            spoken.append(one)
        ids, branch = list(head), [PREFIX] * len(head)
        positions, labels, places = list(range(len(head))), [-100] * len(head), [-1] * len(head)
        for number, one in enumerate(spoken):
            ids += one.ids
            positions += range(len(head), len(head) + len(one.ids))
            labels += [-100] * one.asked + one.ids[one.asked :]
            branch += [number] * len(one.ids)
            places += one.places
        return ids, positions, labels, branch, places

    def _spoken(self, turn: dict) -> tuple[list[int], Spoken]:
        """(tokens up to the end of the picture, the rest): as the chat template writes it."""
        chat = messages(turn["prompt"], turn["system"])
        asked = self.processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        whole = self.processor.apply_chat_template(
            [*chat, {"role": "assistant", "content": [{"type": "text", "text": turn["completion"]}]}],
            tokenize=False,
        )
        head, tail = asked.split(self.processor.image_token)
        size, patch = self.processor.image_processor.size, self.processor.patch_size
        picture = [self.processor.image_token_id] * (size["height"] // patch * (size["width"] // patch))
        question, completion = self._ids(tail), self._ids(whole.removeprefix(asked))
        return self._ids(head) + picture, Spoken(
            question + completion, len(question), [-1] * len(question) + self._places(completion)
        )

    def _ids(self, text: str) -> list[int]:
        return self.tok(text, add_special_tokens=False).input_ids

    def _places(self, ids: list[int]) -> list[int]:
        begun = ids.index(self.answer)
        order = itertools.count()
        return [
            min(next(order), 7) if n > begun and token in self.numbers else -1 for n, token in enumerate(ids)
        ]

    def _read(
        self, ids: torch.Tensor, labels: torch.Tensor, branch: torch.Tensor, count: int
    ) -> dict[str, torch.Tensor]:
        row, asked, written = (torch.zeros(count, dtype=torch.long) for _ in range(3))
        for number in range(count):
            rows, columns = (branch == number).nonzero(as_tuple=True)
            learnt = columns[labels[rows, columns] != -100]
            row[number], asked[number] = rows[0], learnt[0] - 1
            written[number] = columns[(ids[rows, columns] == self.answer).nonzero()[0, 0]]
        return {"row": row, "asked": asked, "written": written}


def visible(branch: torch.Tensor) -> torch.Tensor:
    """(B, 1, L, L) bool, from `branch` (B, L): each token sees what comes before it in its own conversation, and the picture."""
    mine, theirs = branch[:, :, None], branch[:, None, :]
    before = torch.ones(branch.shape[1], branch.shape[1], dtype=torch.bool).tril()
    return (before & ((mine == theirs) | (theirs == PREFIX)))[:, None]
