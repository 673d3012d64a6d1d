"""Where reasoning and answer stand in a model's text: the tags of the output format, and the blocks between
them. What is inside an answer's block is read by `answer.py`.
"""

import re
from dataclasses import dataclass

THINK, ANSWER = ("<think>", "</think>"), ("<answer>", "</answer>")  # opening and closing tag
TAGS = (*THINK, *ANSWER)
_TAG = re.compile("|".join(TAGS))


@dataclass(frozen=True)
class Blocks:
    """Where the parts of a text lie, as (start, end) in characters.

    Args:
        reasoning: the inside of the first reasoning block; an open one ends with the text. None where there
            is none.
        answer: the inside of the block that counts. cut: where the text may end, after that block's closing
            tag; None without one.
        closed: whether the reasoning was closed. outside: whether other text stands outside the blocks.
            blocks: how many answer blocks follow the reasoning.
    """

    reasoning: tuple[int, int] | None = None
    answer: tuple[int, int] | None = None
    cut: int | None = None
    closed: bool = True
    outside: bool = False
    blocks: int = 0


def find_blocks(text: str) -> Blocks:
    """Find reasoning and answer. Only an answer block that follows the reasoning counts, and of several the
    first that holds an object.

    A chat template may have written the opening tag of the reasoning itself: then everything before a lone
    `</think>` is the reasoning. Reading only goes forward, so that a text read in pieces ends where the whole
    text would.
    """
    at, reasoning, blocks, outside = 0, None, [], False
    while (tag := _TAG.search(text, at)) is not None:
        kind = tag.group()
        closing = {THINK[0]: THINK[1], ANSWER[0]: ANSWER[1]}.get(kind)
        if closing is None:
            if kind == THINK[1] and reasoning is None and not blocks:
                reasoning, outside = (0, tag.start()), False
            at = tag.end()
            continue
        outside = outside or bool(text[at : tag.start()].strip())
        end = text.find(closing, tag.end())
        if end < 0:
            if kind == THINK[0] and reasoning is None:
                return _unclosed(text, tag.end(), outside)
            return Blocks(reasoning, *_chosen(text, blocks), outside=outside, blocks=len(blocks))
        if kind == THINK[0]:
            reasoning = reasoning or (tag.end(), end)
        else:
            blocks.append((tag.end(), end))
        at = end + len(closing)
    outside = outside or bool(text[at:].strip())
    return Blocks(reasoning, *_chosen(text, blocks), outside=outside, blocks=len(blocks))


def _chosen(text: str, blocks: list[tuple[int, int]]) -> tuple[tuple[int, int] | None, int | None]:
    """(the block that counts, where the text may end): the first that holds an object, else the first; no end
    where none holds one.
    """
    for start, end in blocks:
        if "{" in text[start:end]:
            return (start, end), end + len(ANSWER[1])
    return (blocks[0] if blocks else None), None


def _unclosed(text: str, start: int, outside: bool) -> Blocks:
    """The reading of a text whose reasoning, from `start`, never closes: the last answer block inside that
    holds an object is the answer.
    """
    blocks, at = [], start
    while (begin := text.find(ANSWER[0], at)) >= 0 and (end := text.find(ANSWER[1], begin)) >= 0:
        blocks.append((begin + len(ANSWER[0]), end))
        at = end + len(ANSWER[1])
    holding = [block for block in blocks if "{" in text[slice(*block)]]
    answer = (holding or blocks or [None])[-1]
    return Blocks((start, len(text)), answer, closed=False, outside=outside, blocks=len(blocks))


def visible_reasoning(reasoning: str) -> str:
    """A reasoning without the answer blocks and tags that are written in it."""
    parts, at = [], 0
    while (begin := reasoning.find(ANSWER[0], at)) >= 0 and (end := reasoning.find(ANSWER[1], begin)) >= 0:
        parts.append(reasoning[at:begin])
        at = end + len(ANSWER[1])
    return _TAG.sub("", "".join(parts) + reasoning[at:])
