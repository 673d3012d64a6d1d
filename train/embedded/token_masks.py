"""Which tokens of a batch of several conversations about one image may see each other, which are words of a
question, and by which a reasoning decides on absence.
"""

import torch

IGNORED = -100  # label of a token that is not learnt
PREFIX, PAD = -1, -2  # in `conversation`: tokens up to the end of the image, and padding


def attention_mask(conversation: torch.Tensor) -> torch.Tensor:
    """(B, 1, L, L) bool, from `conversation` (B, L): a token sees the image and what comes before it in its
    own conversation.
    """
    queries, keys = conversation[:, :, None], conversation[:, None, :]
    causal = torch.ones(conversation.shape[1], conversation.shape[1], dtype=torch.bool).tril()
    return (causal & ((queries == keys) | (keys == PREFIX)))[:, None]


def decisions(
    labels: torch.Tensor, conversation: torch.Tensor, think: int, clause_ends: torch.Tensor
) -> torch.Tensor:
    """(B, L) bool, `decides` as `SharedImageCollator` gives it, of `labels` and `conversation` (B, L).

    After the token `think` the first word of a reasoning comes, and the first of `clause_ends` ends its first
    clause; an answer without reasoning decides by its first token after "<answer>".
    """
    found = torch.zeros_like(labels, dtype=torch.bool)
    learnt = labels != IGNORED
    for number in range(int(conversation.max()) + 1):
        rows, columns = ((conversation == number) & learnt).nonzero(as_tuple=True)
        row = rows[0]
        ends = torch.isin(labels[row, columns], clause_ends).nonzero()[:1, 0]
        if labels[row, columns[0]] != think:
            ends = ends[:0]
        places = [1, *(int(end) + step for end in ends for step in (0, 1))]
        found[row, columns[[place for place in places if place < len(columns)]]] = True
    return found


def questions_of(
    ids: torch.Tensor, labels: torch.Tensor, conversation: torch.Tensor, end: int
) -> torch.Tensor:
    """(B, L) int: for the words of a question the number of its conversation, -1 for every other token.

    `end` closes the question.
    """
    before = (labels == IGNORED) & (conversation >= 0)
    ended = torch.zeros_like(ids)
    for number in range(int(conversation.max()) + 1):
        rows, columns = ((conversation == number) & before).nonzero(as_tuple=True)
        last = columns[(ids[rows, columns] == end).nonzero()[0, 0]]
        ended[rows[0], last : columns[-1] + 1] = 1
    return torch.where(before & (ended == 0), conversation, -1)
