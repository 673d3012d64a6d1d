"""An OpenAI-compatible chat endpoint whose answers are cached on disk and held to a budget.

The `openai` client sends and retries; an answer that came is on disk under the hash of its request before it
is used, so asking the same again costs nothing and a run that was stopped resumes. The key is sent and never
written anywhere.
"""

import hashlib
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from medreasoner.data.build.writers.budget import CHARS_PER_TOKEN, Budget, Prices, estimate_tokens

if TYPE_CHECKING:
    from openai import APIError

RETRIED = (408, 409, 429)  # HTTP statuses, besides those of server errors, that the client tries again
TRIES = 9  # of one request; the client's pauses between them add up to about 50 seconds


class EndpointError(RuntimeError):
    """The endpoint cannot be used or gave no answer in all tries; the message says what came, what to do."""


class ChatClient:
    """Threads may share one.

    Args:
        url: the base, as `http://localhost:8000/v1`. model: its name there. key: sent as a bearer token.
        folder: of the answers that have come; what they cost counts as spent.
        budget: USD for all that `folder` will ever hold. timeout: seconds for one try.

    Errors: EndpointError for an address that is none.
    """

    def __init__(
        self,
        url: str,
        model: str,
        folder: Path,
        *,
        prices: Prices | None = None,
        budget: float | None = None,
        key: str | None = None,
        timeout: float = 120,
    ) -> None:
        import openai

        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise EndpointError(
                f"{url} is no address of an endpoint; expected one like http://localhost:8000/v1"
            )
        self.url, self.model, self.folder = url.rstrip("/"), model, folder
        self.prices = prices or Prices()
        self._client = openai.OpenAI(
            base_url=self.url, api_key=key or "none", timeout=timeout, max_retries=TRIES - 1
        )
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        usages = (json.loads(path.read_text())["usage"] for path in folder.glob("*/*.json"))
        self.budget = Budget(budget, sum(self._cost(usage) for usage in usages))

    def chat(self, messages: list[dict], max_tokens: int, seed: int = 0) -> str:
        """What the model writes after `messages`; it is told to write one JSON object.

        Args:
            seed: another number asks anew.

        Errors: EndpointError, BudgetSpent.
        """
        body = {
            "model": self.model,
            "messages": messages,
            "max_tokens": max_tokens,
            "temperature": 0.7,
            "seed": seed,
            "response_format": {"type": "json_object"},
        }
        name = hashlib.sha256(json.dumps([self.url, body], sort_keys=True).encode()).hexdigest()
        path = self.folder / name[:2] / f"{name}.json"
        with self._guard:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if not path.is_file():
                self._buy(body, path)
            return json.loads(path.read_text())["answer"]

    def _buy(self, body: dict, path: Path) -> None:
        dearest = self.prices.cost(estimate_tokens(body["messages"]), body["max_tokens"])
        self.budget.reserve(dearest)
        paid = 0.0
        try:
            answer = self._request(body)
            paid = self._cost(answer["usage"])
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            part.write_text(json.dumps(answer) + "\n")
            part.replace(path)
        finally:
            self.budget.settle(dearest, paid)

    def _cost(self, usage: dict) -> float:
        return self.prices.cost(usage["prompt_tokens"], usage["completion_tokens"])

    def _request(self, body: dict) -> dict:
        """{"answer", "usage"}; malformed answers are asked for again. Errors: EndpointError."""
        import openai

        for _ in range(TRIES):
            try:
                raw = self._client.chat.completions.with_raw_response.create(**body)
            except openai.APIError as error:  # tried again already, where that can help
                raise self._failure(error) from error
            answer = read_completion(raw.text, body["messages"])
            if answer is not None:
                return answer
        raise EndpointError(self._gave_up(f"a malformed answer ({raw.text[:120]!r})"))

    def _failure(self, error: "APIError") -> EndpointError:
        import openai

        if not isinstance(error, openai.APIStatusError):
            return EndpointError(self._gave_up(f"{type(error).__name__} ({error})"))
        status, text = error.status_code, error.response.text
        if status in RETRIED or isinstance(error, openai.InternalServerError):
            return EndpointError(self._gave_up(f"HTTP {status} ({text[:120]!r})"))
        return EndpointError(f"{self.url} answered HTTP {status}: {text[:300]}")

    def _gave_up(self, last: str) -> str:
        return (
            f"{self.url} gave no answer in {TRIES} tries; the last ended with {last}. "
            "Run the command again to go on"
        )


def read_completion(text: str, messages: list[dict]) -> dict | None:
    """{"answer", "usage"} of a chat completion as JSON; None if it is malformed.

    Where the server counts no tokens they are estimated.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    choices = content.get("choices") if isinstance(content, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        return None
    answer = str(message.get("content") or "")
    counted = content.get("usage") or {}
    usage = {
        "prompt_tokens": counted.get("prompt_tokens", estimate_tokens(messages)),
        "completion_tokens": counted.get("completion_tokens", len(answer) // CHARS_PER_TOKEN),
    }
    return {"answer": answer, "usage": {name: int(number) for name, number in usage.items()}}
