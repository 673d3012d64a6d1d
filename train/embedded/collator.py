"""Batches of the embedded VLM's SFT: several conversations about one image share its image tokens in one
sequence.

Each conversation attends to the image and to itself only, so that the model computes the same as if it stood
alone (a test), while the image, two thirds of a sequence, is computed once. This is not packing of unrelated
sequences, which libraries do: here the prefix is shared.
"""

import itertools
from dataclasses import dataclass

import torch
from transformers import ProcessorMixin

from medreasoner.prompts import messages
from train.embedded.conversations import IMAGE_SIDES
from train.embedded.fixed_views import LastMaps
from train.embedded.stage_3_cache import Stage3Cache
from train.embedded.token_masks import IGNORED, PAD, PREFIX, attention_mask, decisions, questions_of
from train.embedded.views import shown


@dataclass(frozen=True)
class ConversationTokens:
    """Tokens of one conversation after the image.

    Args:
        ids: of question and completion.
        question_length: how many of `ids` are the question's.
        coordinates: for each token its index among the coordinates of the answer (0..7: x1 y1 x2 y2, then x y
            of each point), else -1.
    """

    ids: list[int]
    question_length: int
    coordinates: list[int]


class SharedImageCollator:
    """Collator for the rows of `train/embedded/conversations.py`.

    Returns tensors of B sequences of L tokens with N conversations in all:
        input_ids, position_ids (B, L) int; a conversation's positions continue after the image.
        labels (B, L) int, IGNORED where nothing is learnt.
        conversation (B, L) int, number of the conversation in the batch, or PREFIX or PAD.
        coordinates (B, L) int, index of the coordinate that the label is, or -1.
        decides (B, L) bool, where the label is one of the words by which a reasoning decides that the image
        shows the target or does not: its first word, what ends its first clause, and the word after that.
        attention_mask (B, 1, L, L) bool.
        stage_3 (B, 32, 32, 384) float, the view of the image that a row shows; kinds (B, 256) int.
        row (N,) int, the sequence a conversation is in; turn_end, question_end and answer_start (N,) int, the
        columns of the token that ends the question's turn, of the last token before the completion and of
        "<answer>". box01 (N, 4) float, xyxy as shares of the
        sides; coverage (N, 256) float; present (N,) bool, False where nothing is to be marked; asked (N,)
        int, number of the category that is asked for, 0 for none; side (N,) int, the image's side that the
        target of a pair is on, as its index in IMAGE_SIDES. questions (B, L) int, number of the question that
        a token belongs to, else -1. last (B, 16, 16, 768) float where maps after the last stage are given.
    """

    def __init__(
        self,
        processor: ProcessorMixin,
        numbers: torch.Tensor,
        maps: Stage3Cache,
        last: LastMaps | None = None,
    ) -> None:
        """`numbers` (n,) int: token ids of "0".."n-1"; `maps` of the rows' images; `last` of their views."""
        self.maps, self.last = maps, last
        self.end = processor.tokenizer.eos_token_id
        self.processor, self.tokenizer = processor, processor.tokenizer
        self.numbers = set(numbers.tolist())
        self.answer = self.tokenizer.convert_tokens_to_ids("<answer>")
        self.think = self.tokenizer.convert_tokens_to_ids("<think>")
        self.clause_ends = torch.tensor(self.tokenizer.convert_tokens_to_ids([".", ","]))

    def __call__(self, examples: list[dict]) -> dict[str, torch.Tensor]:
        sequences = [self._sequence(example["conversations"]) for example in examples]
        length = max(len(ids) for ids, *_ in sequences)
        fills = self.tokenizer.pad_token_id, 0, IGNORED, PAD, -1
        padded = [
            [row + [fill] * (length - len(row)) for row, fill in zip(one, fills, strict=True)]
            for one in sequences
        ]
        ids, positions, labels, conversation, coordinates = (
            torch.tensor(column) for column in zip(*padded, strict=True)
        )
        counts = torch.tensor([len(example["conversations"]) for example in examples])
        first = (counts.cumsum(0) - counts)[:, None]  # number in the batch of a sequence's first conversation
        conversation = torch.where(conversation >= 0, conversation + first, conversation)
        conversations = [each for example in examples for each in example["conversations"]]
        given = [(each["image"], each["view"]) for each in examples]
        last = {"last": torch.stack([self.last.get(*each) for each in given])} if self.last else {}
        return last | {
            "input_ids": ids,
            "position_ids": positions,
            "labels": labels,
            "conversation": conversation,
            "coordinates": coordinates,
            "decides": decisions(labels, conversation, self.think, self.clause_ends),
            "attention_mask": attention_mask(conversation),
            "stage_3": torch.stack([shown(self.maps.get(path), view) for path, view in given]),
            "questions": questions_of(ids, labels, conversation, self.end),
            "present": torch.tensor([each["present"] for each in conversations]),
            "box01": torch.tensor([each["box01"] for each in conversations]),
            "coverage": torch.tensor([each["coverage"] for each in conversations]),
            "asked": torch.tensor([each["asked"] for each in conversations]),
            "side": torch.tensor([IMAGE_SIDES.index(each["side"]) for each in conversations]),
            "kinds": torch.tensor([example["kinds"] for example in examples]),
        } | self._locate(ids, labels, conversation, len(conversations))

    def _sequence(self, conversations: list[dict]) -> tuple[list[int], ...]:
        """(ids, positions, labels, numbers of the conversations, coordinates) of one image and its
        conversations.
        """
        head, tokenized = None, []
        for each in conversations:
            head, tokens = self._tokenize(each)
            tokenized.append(tokens)
        ids, numbers = list(head), [PREFIX] * len(head)
        positions, labels, coordinates = list(range(len(head))), [IGNORED] * len(head), [-1] * len(head)
        for number, tokens in enumerate(tokenized):
            ids += tokens.ids
            positions += range(len(head), len(head) + len(tokens.ids))
            labels += [IGNORED] * tokens.question_length + tokens.ids[tokens.question_length :]
            numbers += [number] * len(tokens.ids)
            coordinates += tokens.coordinates
        return ids, positions, labels, numbers, coordinates

    def _tokenize(self, conversation: dict) -> tuple[list[int], ConversationTokens]:
        """(tokens up to the end of the image, the rest), as the chat template writes them."""
        chat = messages(conversation["prompt"], conversation["system"])
        reply = {"role": "assistant", "content": [{"type": "text", "text": conversation["completion"]}]}
        asked = self.processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        whole = self.processor.apply_chat_template([*chat, reply], tokenize=False)
        head, tail = asked.split(self.processor.image_token)
        size, patch = self.processor.image_processor.size, self.processor.patch_size
        image = [self.processor.image_token_id] * (size["height"] // patch * (size["width"] // patch))
        question, completion = self._ids(tail), self._ids(whole.removeprefix(asked))
        coordinates = [-1] * len(question) + self._coordinates(completion)
        tokens = ConversationTokens(question + completion, len(question), coordinates)
        return self._ids(head) + image, tokens

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False).input_ids

    def _coordinates(self, ids: list[int]) -> list[int]:
        """For each token of a completion its index among the answer's coordinates, else -1."""
        start = ids.index(self.answer)
        order = itertools.count()
        return [
            min(next(order), 7) if n > start and token in self.numbers else -1 for n, token in enumerate(ids)
        ]

    def _locate(
        self, ids: torch.Tensor, labels: torch.Tensor, conversation: torch.Tensor, count: int
    ) -> dict[str, torch.Tensor]:
        row, turn_end, question_end, answer_start = (torch.zeros(count, dtype=torch.long) for _ in range(4))
        for number in range(count):
            rows, columns = (conversation == number).nonzero(as_tuple=True)
            learnt = columns[labels[rows, columns] != IGNORED]
            row[number], question_end[number] = rows[0], learnt[0] - 1
            turn_end[number] = columns[(ids[rows, columns] == self.end).nonzero()[0, 0]]
            answer_start[number] = columns[(ids[rows, columns] == self.answer).nonzero()[0, 0]]
        return {"row": row, "turn_end": turn_end, "question_end": question_end, "answer_start": answer_start}
