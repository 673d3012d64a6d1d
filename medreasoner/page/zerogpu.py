"""ZeroGPU: how many seconds to request of a visitor's quota, and its errors in words for visitors. Elsewhere
none of this has an effect.

The errors are those of the `spaces` package 0.51.3 (`zero/client.py` and `zero/wrappers.py`).
"""

import math
import os
import statistics
import threading
from collections import deque

FIRST_RUN = 30  # seconds requested before anything has been measured
FIRST_REFINEMENT = 10
FIRST_SAMPLES = 90
MIN_SECONDS, MAX_SECONDS = 5, 120
MARGIN = 1.5  # a run may take this much longer than the slowest of the last ones
HISTORY = 20

# how the title of a `gr.Error` from ZeroGPU begins -> what a visitor reads
MESSAGES = {
    "ZeroGPU quota exceeded": "Your free GPU time for today is used up. Sign in to Hugging Face for more, "
    "come back tomorrow, or open an example: its recorded run needs no GPU.",
    "ZeroGPU illegal duration": "This run asks for more GPU time than your account may use at once. "
    "Sign in to Hugging Face, or open an example: its recorded run needs no GPU.",
    "ZeroGPU pending credits exceeded": "Your GPU credits are all in use by runs that have not ended yet. "
    "Wait for them, then ask again.",
    "ZeroGPU queue timeout": "No GPU was free within a minute. Ask again; the line is often short.",
    "ZeroGPU client error": "Your visit has lost its link to the GPU. Load the page again, then ask.",
    "ZeroGPU worker error": "The GPU was taken away before the run ended. Ask again.",
}
WITHOUT_GPU = (
    "ZeroGPU quota exceeded",
    "ZeroGPU illegal duration",
    "ZeroGPU pending credits exceeded",
    "ZeroGPU queue timeout",
)


class DurationEstimate:
    """How long one kind of call takes here, from the last 20 measured times. Safe to share between threads.

    Args:
        first: seconds to request before anything has been measured.
    """

    def __init__(self, first: int) -> None:
        self._first, self._seconds, self._lock = first, deque(maxlen=HISTORY), threading.Lock()

    def add(self, seconds: float) -> None:
        """Record one measured time."""
        with self._lock:
            self._seconds.append(seconds)

    def typical(self) -> float | None:
        """The median of the measured times; None before the first."""
        with self._lock:
            return statistics.median(self._seconds) if self._seconds else None

    def seconds(self, *_: object, **__: object) -> int:
        """Seconds to request, 5 to 120: half as much again as the slowest of the last calls. Ignores the
        arguments of the call, which `spaces.GPU(duration=...)` hands over."""
        with self._lock:
            slowest = max(self._seconds, default=None)
        if slowest is None:
            return self._first
        return min(MAX_SECONDS, max(MIN_SECONDS, math.ceil(MARGIN * slowest)))


def is_zero_gpu() -> bool:
    """Whether this process runs on ZeroGPU."""
    return bool(os.environ.get("SPACES_ZERO_GPU"))


def is_without_gpu(title: str) -> bool:
    """Whether a `gr.Error` of this title means that this visitor gets no GPU now."""
    return title.startswith(WITHOUT_GPU)


def error_message(title: str, message: str) -> str:
    """What a visitor reads where a run ended with a `gr.Error` of this title and message; the message itself
    if it is not ZeroGPU's."""
    return next((text for start, text in MESSAGES.items() if title.startswith(start)), message)
