"""What an answer of the embedded VLM is written with: the two tokens that decide whether a place is named,
the numbers, and what stands between them.
"""

from transformers import PreTrainedTokenizerBase

from medreasoner.answer import Absence, Answer, render
from medreasoner.answer_blocks import ANSWER
from medreasoner.geometry import EMBEDDED

NOWHERE = render(Absence()).removeprefix(ANSWER[0]).removesuffix(ANSWER[1])  # the whole object
PLACE_FOLLOWS = '{"bbox": ['  # the beginning of one that names a place


def number_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The tokens of the numbers that an answer may hold."""
    return tokenizer.convert_tokens_to_ids([str(number) for number in range(int(EMBEDDED.limit) + 1)])


def separators(tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """What stands after each number of an answer, up to the tag that ends it."""
    numbers, found = set(number_ids(tokenizer)), []
    place = Answer((0.0, 0.0, 1.0, 1.0), ((0.0, 0.0), (1.0, 1.0)))
    text = render(place).partition(PLACE_FOLLOWS)[2].removesuffix(ANSWER[1])
    for each in tokenizer(PLACE_FOLLOWS + text, add_special_tokens=False).input_ids[1:]:
        if each in numbers:
            found.append([])
        else:
            found[-1].append(each)
    return found
