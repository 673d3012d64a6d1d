"""ZeroGPU: how many seconds to ask of a visitor's quota, and what its refusals mean to a visitor.

Is: durations from the speed that was measured on this machine, and one sentence for each error of the `spaces` package (0.51.3,
`zero/client.py` and `zero/wrappers.py`). Is not: the decorator; outside ZeroGPU none of this has an effect.
"""

import math
import threading
from collections import deque

FIRST_RUN = 30  # seconds asked for before anything has been measured
FIRST_REFINEMENT = 10
FIRST_SAMPLES = 90
LEAST, MOST = 5, 120
SPARE = 1.5  # a run may take this much longer than the slowest of the last ones
REMEMBERED = 20

# How the title of a `gr.Error` from ZeroGPU begins -> what a visitor reads
REFUSALS = {
    "ZeroGPU quota exceeded": "Your free GPU time for today is used up. Sign in to Hugging Face for more, come back tomorrow, or open an "
    "example: its recorded run needs no GPU.",
    "ZeroGPU illegal duration": "This run asks for more GPU time than your account may use at once. Sign in to Hugging Face, or open an "
    "example: its recorded run needs no GPU.",
    "ZeroGPU pending credits exceeded": "Your GPU credits are all in use by runs that have not ended yet. Wait for them, then ask again.",
    "ZeroGPU queue timeout": "No GPU was free within a minute. Ask again; the line is often short.",
    "ZeroGPU client error": "Your visit has lost its link to the GPU. Load the page again, then ask.",
    "ZeroGPU worker error": "The GPU was taken away before the run ended. Ask again.",
}
NO_QUOTA = (
    "ZeroGPU quota exceeded",
    "ZeroGPU illegal duration",
    "ZeroGPU pending credits exceeded",
    "ZeroGPU queue timeout",
)


class Pace:
    """How long one kind of work takes here, from the last 20 times. Safe to share between threads."""

    def __init__(self, first: int):
        self._first, self._seconds, self._lock = first, deque(maxlen=REMEMBERED), threading.Lock()

    def add(self, seconds: float) -> None:
        """Take down one measured time."""
        with self._lock:
            self._seconds.append(seconds)

    def ask(self, *_: object, **__: object) -> int:
        """Seconds to ask for, 5 to 120: half as much again as the slowest of the last runs. Takes and ignores the call's own arguments,
        as `spaces.GPU(duration=...)` hands them over."""
        with self._lock:
            slowest = max(self._seconds, default=None)
        return self._first if slowest is None else min(MOST, max(LEAST, math.ceil(SPARE * slowest)))


def no_gpu(title: str) -> bool:
    """Whether a `gr.Error` of this title means that this visitor gets no GPU now."""
    return title.startswith(NO_QUOTA)


def sentence(title: str, message: str) -> str:
    """What a visitor reads where a run ended with a `gr.Error` of this title and message; the message itself if it is none of ZeroGPU's."""
    return next((text for start, text in REFUSALS.items() if title.startswith(start)), message)
