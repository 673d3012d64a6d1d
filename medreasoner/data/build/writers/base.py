"""The protocol of a writer of questions and reasoning, and what goes in and out of it.

Writers are `offline.py` and `openai_writer.py`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from medreasoner.data.category import Category, Supercategory
from medreasoner.imaging import load_image


class WriterError(ValueError):
    """This writer has no usable words for this target; the message is the reason to reject it."""


@dataclass(frozen=True)
class Picture:
    """One image as stage 1 left it: `line` of its file, and the folder in which its files lie."""

    line: dict
    folder: Path

    def image(self) -> Image.Image:
        """RGB."""
        return load_image(self.folder / self.line["image"]).image

    def mask(self, target: dict) -> np.ndarray:
        """(H, W) bool of one of `line["targets"]`."""
        return np.asarray(Image.open(self.folder / target["mask"])) > 0


@dataclass(frozen=True)
class Description:
    """One image in a sentence, and at length."""

    short: str
    long: str


@dataclass(frozen=True)
class Format:
    """How questions about a super-category are put, and how their reasoning goes."""

    question: str
    think: str


@dataclass(frozen=True)
class Words:
    """An implicit question and the reasoning that answers it."""

    question: str
    think: str


class Writer(Protocol):
    """Writes the words of a set.

    Attributes:
        name: what its words depend on besides what it is given, so that no set is begun with one writer and
            finished with another.
        tries: how often `ask` may be called for a target whose words are refused by the checks.
    """

    name: str
    tries: int

    def describe(self, picture: Picture) -> Description:
        """One image in words. Errors: WriterError."""
        ...

    def format(self, supercategory: Supercategory) -> Format:
        """How to ask for targets of a kind. Errors: WriterError."""
        ...

    def ask(
        self,
        picture: Picture,
        target: dict,
        category: Category,
        description: Description,
        form: Format,
        seed: str,
        refused: list[str],
    ) -> Words:
        """Words for one target of `picture.line["targets"]`.

        Args:
            seed: of this target alone. refused: what was wrong with the tries before.

        Errors: WriterError.
        """
        ...
