"""What an answer of the embedded VLM is written with: the two tokens that decide whether a place is named,
and the numbers.
"""

from transformers import PreTrainedTokenizerBase

from medreasoner.answer import Absence, render
from medreasoner.answer_blocks import ANSWER
from medreasoner.geometry import EMBEDDED

NOWHERE = render(Absence()).removeprefix(ANSWER[0]).removesuffix(ANSWER[1])  # the whole object
PLACE_FOLLOWS = '{"bbox": ['  # the beginning of one that names a place


def number_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The tokens of the numbers that an answer may hold."""
    return tokenizer.convert_tokens_to_ids([str(number) for number in range(int(EMBEDDED.limit) + 1)])
