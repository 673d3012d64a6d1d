"""What an answer is worth where presence decides: whether something is there at all.

    truth \\ answer     a place        nothing there
    a target           the terms      0
    nothing            0              1

A wrong verdict is worth nothing in any term, also not for its form: otherwise a model that is not sure would
be paid for a well-written guess. A right absence is worth 1 in every term that judges a place; terms that
judge the text alone judge it as ever. The published system (arXiv 2508.08177) knows no absence; what its
terms give a model that never abstains is not touched by this.
"""

from medreasoner.rewards.completion import ScoredCompletion


def wrong_verdict(completion: ScoredCompletion) -> bool:
    """Whether the answer gives a place where nothing is, or says that nothing is there where something is.
    One that cannot be read gives no verdict."""
    if completion.reference.absent:
        return completion.parsed.answer is not None
    return "null" in completion.text and completion.parsed.absent  # most texts need not be read for this
