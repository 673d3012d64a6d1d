"""The models that the deployer offers: visitors choose one, and it is loaded when it is first asked."""

import threading
from collections.abc import Callable, Hashable, Sequence
from itertools import product
from typing import NamedTuple

from medreasoner.messages import short
from medreasoner.page import zerogpu
from medreasoner.page.model import Model
from medreasoner.page.model_calls import ModelCalls
from medreasoner.page.public_words import hiding_paths, public_name
from medreasoner.page.session import Session
from medreasoner.reasoners.base import ReasonerError
from medreasoner.weights import bytes_in_memory


class Choice(NamedTuple):
    """Names of a reasoning model and of a segmenter, as they are shown; "" where there is one only."""

    model: str = ""
    segmenter: str = ""

    @property
    def spoken(self) -> str:
        """Both in one sentence."""
        return " with ".join(filter(None, self))


class OfferedModels:
    """Every pair of the offered models and segmenters. Safe to share between threads.

    Args:
        first: the pair that is loaded already: the first model with the first segmenter.
        models, segmenters: names for `load`; a segmenter of None is the one that fits the model.
        load: opens a pair. Errors: ReasonerError, SegmenterError.

    Attributes:
        models, segmenters: names to choose from, the one at start first; [] where there is no choice.
    """

    def __init__(
        self,
        first: Model,
        models: Sequence[str | None] = (),
        segmenters: Sequence[str | None] = (),
        load: Callable[[str | None, str | None], Model] | None = None,
    ) -> None:
        self._load, self._loading = load, threading.Lock()
        models, segmenters = list(models) or [None], list(segmenters) or [None]
        self.models = _shown(models, first.name)
        self.segmenters = _shown(segmenters, "the model's own")
        pairs = product(self.models or [""], self.segmenters or [""])
        self._names = dict(zip(map(Choice._make, pairs), product(models, segmenters), strict=True))
        self._default = next(iter(self._names))
        self.first = ModelCalls(first, self._default)
        self._loaded = {self._default: self.first}
        if zerogpu.is_zero_gpu():  # there, what is loaded after the start is loaded anew by every call
            for choice in self._names:
                self.calls(choice)

    @property
    def pairs(self) -> list[Choice]:
        """All that can be chosen, the pair at start first."""
        return list(self._names)

    @property
    def pairs_in_memory(self) -> list[Choice]:
        """Those that have been asked, and the pair at start."""
        return list(self._loaded)

    def chosen(self, client: dict) -> Choice:
        """What the browser says was chosen, looked up and not trusted; where nothing was, as at start."""
        start = self._default
        choice = Choice(client.get("model", start.model), client.get("segmenter", start.segmenter))
        return choice if choice in self.pairs else start

    def named(self, model: str) -> Choice:
        """The pair of a model by its name, with the first segmenter; that at start for "". Errors:
        ReasonerError for a name that is not offered."""
        names = self.models or [self.first.name]
        if model and model not in names:
            raise ReasonerError(
                f"expected one of the models {', '.join(names)}, got {short(model)}; leave the model out to "
                "ask the first"
            )
        return Choice(model, self._default.segmenter) if model and self.models else self._default

    def loaded(self, choice: Choice) -> ModelCalls | None:
        """The calls to a pair; None while nobody has asked it."""
        return self._loaded.get(choice)

    def asked_with(self, key: Hashable) -> ModelCalls:
        """The calls with which an answer was made, by their `ModelCalls.key`."""
        return self._loaded.get(key, self.first)

    def calls(self, choice: Choice) -> ModelCalls:
        """The calls to a pair, which is loaded if it is not. Errors: ReasonerError, SegmenterError."""
        if choice in self._loaded:  # they are not to wait while another pair is being loaded
            return self._loaded[choice]
        with self._loading, hiding_paths():
            if choice not in self._loaded:
                self._loaded[choice] = ModelCalls(self._load(*self._names[choice]), choice)
            return self._loaded[choice]

    def memory(self) -> str:
        """What all loaded models take together, in words."""
        parts = [part for calls in self._loaded.values() for part in calls.model.parts]
        return _size(bytes_in_memory(parts))

    def described(self, choice: Hashable, session: Session | None) -> dict:
        """The value of the component `worth`: the model's name and what its card says of images of this kind,
        as the header says or else the model; where there is a choice, also what it takes in memory."""
        calls = self.loaded(choice)
        if calls is None:
            text = f"loaded when it is first asked; the models in memory take {self.memory()}"
            return {"model": choice.model or self.first.name, "text": text}
        modality = session.modality if session is not None else None
        named = session.named_modality if session is not None and modality is None else None
        text = calls.worth.sentence(modality or named, by_model=named is not None)
        if len(self._names) > 1:
            text += f"; {_size(bytes_in_memory(calls.model.parts))} in memory"
        return {"model": calls.name, "text": text}


def _shown(names: Sequence[str | None], unnamed: str) -> list[str]:
    """What to call each of several names; [] for a single one. Two of the same ending keep all of theirs."""
    if len(names) < 2:
        return []
    short = [public_name(name or unnamed) for name in names]
    return [name if short.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(short, 1)]


def _size(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"
