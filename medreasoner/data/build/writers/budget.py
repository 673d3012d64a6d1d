"""What requests to an endpoint cost and may cost: prices, a budget, and estimates of tokens."""

import threading
from dataclasses import dataclass

# Tokens of one picture of at most 1024 px; for 1024 x 1024 GPT-4o counts 765, Qwen2.5-VL 1369.
IMAGE_TOKENS = 1400
CHARS_PER_TOKEN = 3  # of estimates; English has about 4, so they err upwards


class BudgetSpent(RuntimeError):
    """The next request could cost more than is left."""


@dataclass(frozen=True)
class Prices:
    """USD per million tokens, of what is sent and of what is written."""

    sent: float = 0.0
    written: float = 0.0

    def cost(self, sent: int, written: int) -> float:
        """USD for so many tokens."""
        return (sent * self.sent + written * self.written) / 1e6


class Budget:
    """What may be spent, in USD; with `limit` None as much as it takes.

    Requests under way are counted at their dearest, so the limit is never passed by more than a wrong
    estimate of what is sent. Threads may share one.
    """

    def __init__(self, limit: float | None, spent: float = 0.0) -> None:
        self.limit, self.spent = limit, spent
        self._reserved = 0.0
        self._lock = threading.Lock()

    def reserve(self, cost: float) -> None:
        """Set `cost` aside. Errors: BudgetSpent."""
        with self._lock:
            if self.limit is not None and self.spent + self._reserved + cost > self.limit:
                raise BudgetSpent(
                    f"${self.spent:.4f} of the budget of ${self.limit:.2f} is spent; "
                    f"the next request may cost ${cost:.4f}"
                )
            self._reserved += cost

    def settle(self, reserved: float, paid: float) -> None:
        """End a reservation with what was really paid."""
        with self._lock:
            self._reserved -= reserved
            self.spent += paid


def estimate_tokens(messages: list[dict]) -> int:
    """An estimate, on the high side, of the tokens of chat messages with pictures."""
    total = 0
    for message in messages:
        parts = message["content"]
        for part in [{"type": "text", "text": parts}] if isinstance(parts, str) else parts:
            is_picture = part["type"] == "image_url"
            total += IMAGE_TOKENS if is_picture else len(part["text"]) // CHARS_PER_TOKEN + 4
    return total
