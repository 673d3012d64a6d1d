"""Answers as models write them, for the tests of the output format."""

from hypothesis import settings
from hypothesis import strategies as st

from medreasoner.answer import Answer
from medreasoner.answer_blocks import TAGS

MANY = settings(deadline=None, max_examples=100, database=None, derandomize=True)

numbers = st.integers(-(10**6), 10**6).map(float) | st.floats(-1e8, 1e8)
pairs = st.tuples(numbers, numbers)
thoughts = st.none() | st.text().map(str.strip).filter(lambda text: not any(tag in text for tag in TAGS))
answers = st.builds(Answer, st.tuples(numbers, numbers, numbers, numbers), st.tuples(pairs, pairs), thoughts)

GOOD = '{"bbox": [1, 2, 30, 40], "points_1": [5, 6], "points_2": [7, 8.5]}'
ANSWER = Answer((1, 2, 30, 40), ((5, 6), (7, 8.5)), "it is bright")


def wrapped(body: str, think: str = "it is bright") -> str:
    return f"<think>{think}</think><answer>{body}</answer>"
