"""The words of a question among the tokens of a prompt, for the sentence encoder."""

import torch


def numbered(input_ids: torch.Tensor, image: int, end: int) -> torch.Tensor:
    """(B, L) int: in each row of `input_ids` (B, L) its own number for the words of its question, which stand
    between the `image` tokens and the token `end`; -1 for all others."""
    is_image = input_ids == image
    after = (is_image.long().cumsum(1) > 0) & ~is_image
    ended = ((input_ids == end) & after).long().cumsum(1) > 0
    rows = torch.arange(len(input_ids), device=input_ids.device)[:, None].expand_as(input_ids)
    return torch.where(after & ~ended, rows, -1)


def ends(questions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(N,) row and (N,) column of the last token of each question, in the order of their numbers."""
    places = [(questions == number).nonzero()[-1] for number in questions[questions >= 0].unique()]
    return tuple(torch.stack(places, 1))


def gathered(input_ids: torch.Tensor, questions: torch.Tensor, longest: int) -> tuple[torch.Tensor, ...]:
    """The questions of a batch as one padded batch: (rows, columns) of their tokens, ids (N, Q) and mask (N,
    Q); the order of rows and columns is that of the mask's ones. Of a question with more than `longest`
    tokens the sentence encoder reads the first."""
    numbers = questions[questions >= 0].unique()
    parts = [(questions == number).nonzero()[:longest].unbind(1) for number in numbers]
    ids = input_ids.new_zeros(len(parts), max(len(rows) for rows, _ in parts))
    mask = torch.zeros_like(ids)
    for number, (rows, columns) in enumerate(parts):
        ids[number, : len(rows)] = input_ids[rows, columns]
        mask[number, : len(rows)] = 1
    return torch.cat([rows for rows, _ in parts]), torch.cat([columns for _, columns in parts]), ids, mask
