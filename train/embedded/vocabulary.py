"""What an answer of the embedded VLM begins with: the two tokens that decide whether a place is named."""

from medreasoner.answer import Absence, render
from medreasoner.answer_blocks import ANSWER

NOWHERE = render(Absence()).removeprefix(ANSWER[0]).removesuffix(ANSWER[1])  # the whole object
PLACE_FOLLOWS = '{"bbox": ['  # the beginning of one that names a place
