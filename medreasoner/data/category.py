"""A category of targets: what it is called, in which words it is asked for, and whether a question gives it
away. Also the super-category and modality it belongs to. All of them, read from files: `taxonomy.py`.
"""

import re
from dataclasses import dataclass, field

REGIONS = ("largest", "whole", "sides", "both")
BODY = (  # body regions: where a target can be seen (`Category.body`), what an image shows (`Scene.body`)
    *("brain", "face", "eye", "neck", "larynx", "chest", "heart", "breast", "abdomen", "pelvis"),
    *("spine", "arm", "knee", "leg", "skin", "bowel", "fetus", "blood", "tissue"),
)
# super-categories of what an image need not show
FINDINGS = ("neoplasm", "non-neoplastic lesion", "infection", "skin")

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Term:
    """A name, and the other names by which sources call the same."""

    name: str
    synonyms: list[str]


@dataclass(frozen=True)
class Modality(Term):
    """`describe` says what to speak of in an image of this kind."""

    describe: str


@dataclass(frozen=True)
class Supercategory(Term):
    """`question` and `think` say how a target of this kind is asked for and reasoned about."""

    question: str
    think: str


@dataclass(frozen=True)
class Category:
    """One target; `categories/README.md` explains its fields. Known by name only, it has no wordings."""

    name: str
    supercategory: str
    modality: str = ""
    targets: dict[str, list[str]] = field(default_factory=dict)
    region: str = "largest"
    body: list[str] = field(default_factory=list)
    synonyms: list[str] = field(default_factory=list)
    meaning: list[str] = field(default_factory=list)
    appearance: list[str] = field(default_factory=list)
    location: list[str] = field(default_factory=list)
    alternatives: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    held_out: list[str] = field(default_factory=list)
    held_back: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.region not in REGIONS:
            raise ValueError(f"category {self.name!r}: region must be one of {REGIONS}, got {self.region!r}")
        if unknown := set(self.body) - set(BODY):
            raise ValueError(
                f"category {self.name!r}: body must be of {', '.join(BODY)}; got {', '.join(sorted(unknown))}"
            )

    def called(self, side: str = "") -> str:
        """The target's name, of the patient's `side` ("left", "right") where it is one of a
        pair: "left kidney".
        """
        return f"{side} {self.name}" if side else self.name

    def with_article(self, side: str = "") -> str:
        """The name with its article: "the left kidney", "a liver tumour".

        An anatomical part is there once, a finding need not be there at all.
        """
        name = self.called(side)
        if self.supercategory in FINDINGS:
            return f"{'an' if re.match(r'[aeiou]', name) else 'a'} {name}"
        return f"the {name}"

    def sentences(self, kind: str, side: str = "", image_side: str = "") -> list[str]:
        """The sentences of a field that can be said of the target on the patient's `side`, seen on the
        `image_side`; none that speaks of a side which is not known ("").

        Args:
            kind: "meaning", "appearance", "location" or "alternatives".
        """
        fill = {"name": self.called(side), "side": side, "image_side": image_side}
        fill["other_side"] = {"left": "right", "right": "left"}.get(side, "")
        texts = getattr(self, kind)
        usable = [text for text in texts if all(fill[name] for name in _PLACEHOLDER.findall(text))]
        return [text.format(**fill) for text in usable]

    def leaks(self, question: str) -> str | None:
        """The name or synonym that gives the target away in `question`, or None."""
        for word in (self.name, *self.synonyms):
            if re.search(r"\b" + re.escape(word.lower()), question.lower()):
                return word
        return None
