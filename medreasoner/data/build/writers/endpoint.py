"""One OpenAI-compatible chat endpoint, paid for once: cached, retried, and held to a budget.

Is: POST URL/chat/completions with what many requests need. Every answer that came is on disk under the hash of what was asked before it is
used, so asking the same again costs nothing and a run that was stopped goes on. Threads may share one `Endpoint`.
Is not: a writer of prompts (`endpoint_writer.py`), and not a keeper of keys: the key is sent and never written anywhere.
"""

import hashlib
import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

IMAGE_TOKENS = 1400  # estimated for one picture of at most 1024 px: above what GPT-4o (765) and Qwen2.5-VL (1369) count for 1024 x 1024
CHARS_PER_TOKEN = 3  # of estimates; English has about 4, so they err upwards
LONGEST_WAIT = 120.0  # seconds, also where the server asks for more
AGAIN = {408, 409, 425, 429, 500, 502, 503, 504, 529}  # HTTP statuses after which the same request may succeed


class EndpointError(RuntimeError):
    """The endpoint cannot be used, or did not answer after all tries; the message says what came and what to do."""


class BudgetSpent(RuntimeError):
    """The next request could cost more than is left."""


class _Fault(Exception):
    """A try that failed but may be repeated; `wait` seconds if the server said so."""

    def __init__(self, what: str, wait: float | None = None):
        super().__init__(what)
        self.wait = wait


@dataclass(frozen=True)
class Prices:
    """USD per million tokens, of what is sent and of what is written."""

    sent: float = 0.0
    written: float = 0.0

    def cost(self, sent: int, written: int) -> float:
        return (sent * self.sent + written * self.written) / 1e6


class Budget:
    """What may be spent, in USD; `limit` None: as much as it takes. Requests in flight are counted at their dearest, so it is never passed
    by more than a wrong estimate of what is sent."""

    def __init__(self, limit: float | None, spent: float = 0.0):
        self.limit, self.spent = limit, spent
        self._held = 0.0
        self._lock = threading.Lock()

    def hold(self, cost: float) -> None:
        """Set `cost` aside. Errors: BudgetSpent."""
        with self._lock:
            if self.limit is not None and self.spent + self._held + cost > self.limit:
                raise BudgetSpent(f"${self.spent:.4f} of the budget of ${self.limit:.2f} is spent; the next request may cost ${cost:.4f}")
            self._held += cost

    def settle(self, held: float, paid: float) -> None:
        with self._lock:
            self._held -= held
            self.spent += paid


class Endpoint:
    """
    Args:
        url: the base, as `http://localhost:8000/v1`. model: its name there. key: sent as a bearer token if given.
        folder: of the answers that have come; what they cost counts as spent. budget: USD for all that `folder` will ever hold.
        timeout: seconds for one try. tries: at most so many for a request. pause: seconds before the second try, doubled for each more.
        wait: how to wait.
    """

    def __init__(
        self,
        url: str,
        model: str,
        folder: Path,
        prices: Prices | None = None,
        budget: float | None = None,
        key: str | None = None,
        timeout: float = 120,
        tries: int = 6,
        pause: float = 1.5,
        wait: Callable[[float], None] = time.sleep,
    ):
        import httpx2

        self.url, self.model, self.folder = url.rstrip("/"), model, folder
        self.prices, self.tries, self.pause, self.wait = prices or Prices(), tries, pause, wait
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx2.Client(timeout=timeout, headers=headers)
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        self.budget = Budget(budget, sum(self._paid(json.loads(path.read_text())["usage"]) for path in folder.glob("*/*.json")))

    def chat(self, messages: list[dict], most: int, seed: int = 0) -> str:
        """What the model writes after `messages`, at most `most` tokens, as one JSON object if it does as it is told.

        Args:
            seed: another number asks anew.

        Errors: EndpointError, BudgetSpent.
        """
        body = {"model": self.model, "messages": messages, "max_tokens": most, "temperature": 0.7, "seed": seed}
        body["response_format"] = {"type": "json_object"}
        name = hashlib.sha256(json.dumps([self.url, body], sort_keys=True).encode()).hexdigest()
        path = self.folder / name[:2] / f"{name}.json"
        with self._guard:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if not path.is_file():
                self._buy(body, path)
            return json.loads(path.read_text())["answer"]

    def _buy(self, body: dict, path: Path) -> None:
        held = self.prices.cost(tokens_of(body["messages"]), body["max_tokens"])
        self.budget.hold(held)
        paid = 0.0
        try:
            got = self._insist(body)
            paid = self._paid(got["usage"])
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            part.write_text(json.dumps(got) + "\n")
            part.replace(path)
        finally:
            self.budget.settle(held, paid)

    def _paid(self, usage: dict) -> float:
        return self.prices.cost(usage["prompt_tokens"], usage["completion_tokens"])

    def _insist(self, body: dict) -> dict:
        """Try until an answer comes. Errors: EndpointError."""
        for number in range(self.tries):
            try:
                return self._try(body)
            except _Fault as fault:
                last = fault
            if number + 1 < self.tries:
                pause = min(self.pause * 2**number, LONGEST_WAIT) * random.uniform(0.75, 1.25) if last.wait is None else last.wait
                self.wait(min(pause, LONGEST_WAIT))
        raise EndpointError(f"{self.url} gave no answer in {self.tries} tries; the last ended with {last}. Run the command again to go on")

    def _try(self, body: dict) -> dict:
        import httpx2

        try:
            response = self._client.post(f"{self.url}/chat/completions", json=body)
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise EndpointError(f"{self.url} is no address of an endpoint ({error}); expected one like http://localhost:8000/v1") from error
        except httpx2.TransportError as error:
            raise _Fault(f"{type(error).__name__} ({error})") from error
        if response.status_code in AGAIN:
            raise _Fault(f"HTTP {response.status_code} ({response.text[:120]!r})", _retry_after(response.headers.get("retry-after")))
        if response.status_code != 200:
            raise EndpointError(f"{self.url} answered HTTP {response.status_code}: {response.text[:300]}")
        try:
            got = response.json()
            answer = got["choices"][0]["message"]["content"] or ""
            usage = got.get("usage") or {"prompt_tokens": tokens_of(body["messages"]), "completion_tokens": len(answer) // CHARS_PER_TOKEN}
            return {"answer": str(answer), "usage": {name: int(usage[name]) for name in ("prompt_tokens", "completion_tokens")}}
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise _Fault(f"a malformed answer ({response.text[:120]!r})") from error


def tokens_of(messages: list[dict]) -> int:
    """An estimate, on the high side, of the tokens of chat messages with pictures."""
    total = 0
    for message in messages:
        parts = message["content"]
        for part in [{"type": "text", "text": parts}] if isinstance(parts, str) else parts:
            total += IMAGE_TOKENS if part["type"] == "image_url" else len(part["text"]) // CHARS_PER_TOKEN + 4
    return total


def _retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header, a number or a date (RFC 9110, 10.2.3); None if there is none that can be read."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
