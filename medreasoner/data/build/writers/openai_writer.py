"""The writer that lets a vision-language model behind an endpoint write questions and reasoning.

The model is shown the image, the image with its target outlined, and what was measured. Requests, cache and
budget are in `chat_client.py`; the refusals of `checks.py` are told to the model for its next try.
"""

import json
from dataclasses import asdict, dataclass

import numpy as np
from PIL import Image

from medreasoner.data.build.stages import digest
from medreasoner.data.build.writers.base import Description, Format, Picture, Words, WriterError
from medreasoner.data.build.writers.budget import IMAGE_TOKENS, estimate_tokens
from medreasoner.data.build.writers.chat_client import ChatClient
from medreasoner.data.build.writers.openai_prompts import ASK, DESCRIBE, FORMAT, RULES
from medreasoner.data.category import Category, Supercategory
from medreasoner.data.taxonomy import modalities, modality_of
from medreasoner.output.data_url import image_data_url
from medreasoner.output.overlay import overlay
from medreasoner.text.places import place_phrase

LONGEST = 1024  # pixels of a side that is sent
READS = 3  # times that an answer without the wanted JSON object is asked for anew
MAX_TOKENS = {"describe": 500, "format": 300, "ask": 500}  # of an answer
LIKELY_TOKENS = {"describe": 230, "format": 120, "ask": 200}
FACT_TOKENS = 400  # about what is told of one picture besides the instruction


@dataclass(frozen=True)
class Estimate:
    """Requests of a set, and their tokens: sent, likely to be written, and written at most.

    Refused tries come on top.
    """

    requests: int
    sent: int
    likely: int
    most: int


class OpenAIWriter:
    """Asks `client`; see `writers.base.Writer`."""

    tries = 3

    def __init__(self, client: ChatClient) -> None:
        self.client = client
        self.name = digest(client.url, client.model, RULES, DESCRIBE, FORMAT, ASK)

    def describe(self, picture: Picture) -> Description:
        """See `Writer.describe`."""
        targets = picture.line["targets"]
        outlined = np.logical_or.reduce([picture.mask(target) for target in targets])
        kind = modalities().get(modality_of(picture.line["modality"]) or "")
        text = DESCRIBE.format(
            modality=kind.describe if kind else "", facts=json.dumps([_facts(target) for target in targets])
        )
        pictures = _pictures(picture.image(), outlined)
        return Description(
            *self._object("describe", text, pictures, ("short_description", "long_description"))
        )

    def format(self, supercategory: Supercategory) -> Format:
        """See `Writer.format`."""
        text = FORMAT.format(
            name=supercategory.name, question=supercategory.question, think=supercategory.think
        )
        return Format(*self._object("format", text, [], ("question", "think")))

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
        """See `Writer.ask`."""
        measured = target["measured"]
        text = ASK.format(
            name=target["called"],
            supercategory=category.supercategory,
            facts=json.dumps(_facts(target)),
            **asdict(description),
            **asdict(form),
            words=", ".join((category.name, *category.synonyms)),
            place=place_phrase(measured["side"], measured["height"]),
            size=measured["size"],
        )
        if refused:
            text += "\nEarlier tries were refused: " + "; ".join(refused) + "."
        pictures = _pictures(picture.image(), picture.mask(target))
        return Words(*self._object("ask", text, pictures, ("question", "think")))

    def _object(self, kind: str, text: str, pictures: list[dict], keys: tuple[str, ...]) -> list[str]:
        """Ask until an answer holds all keys; their texts. Errors: WriterError."""
        content = [*pictures, {"type": "text", "text": text}]
        messages = [{"role": "system", "content": RULES}, {"role": "user", "content": content}]
        for number in range(READS):
            answer = self.client.chat(messages, MAX_TOKENS[kind], seed=number)
            if (texts := read_object(answer, keys)) is not None:
                return texts
        raise WriterError(f"the writer gave no JSON object with {' and '.join(keys)} in {READS} tries")

    def estimate(self, images: int, targets: int, kinds: int) -> Estimate:
        """What a set of so many images, targets and super-categories takes."""
        requests = {"describe": images, "format": kinds, "ask": targets}
        # of one request of a kind: (instruction, pictures, tokens of facts)
        shape = {
            "describe": (DESCRIBE, 2, FACT_TOKENS),
            "format": (FORMAT, 0, 60),
            "ask": (ASK, 2, 2 * FACT_TOKENS),
        }
        rules = estimate_tokens([{"content": RULES}])
        sent = {
            kind: rules + estimate_tokens([{"content": text}]) + pictures * IMAGE_TOKENS + facts
            for kind, (text, pictures, facts) in shape.items()
        }
        totals = [
            sum(requests[kind] * size[kind] for kind in requests)
            for size in (sent, LIKELY_TOKENS, MAX_TOKENS)
        ]
        return Estimate(sum(requests.values()), *totals)


def read_object(answer: str, keys: tuple[str, ...]) -> list[str] | None:
    """The texts under `keys` of the JSON object in `answer`, None if one is missing.

    The object may stand in a code fence or between words.
    """
    start, end = answer.find("{"), answer.rfind("}") + 1
    try:
        values = json.loads(answer[start:end]) if 0 <= start < end else {}
    except (ValueError, RecursionError):
        return None
    texts = [values.get(key) for key in keys]
    complete = all(isinstance(text, str) and text.strip() for text in texts)
    return [text.strip() for text in texts] if complete else None


def _facts(target: dict) -> dict:
    measured = target["measured"]
    facts = {
        "target": target["called"],
        "place": place_phrase(measured["side"], measured["height"]) + " of the image",
        "size": measured["size"],
        "shape": measured["shape"],
        "brightness": f"{measured['brightness']} its surroundings",
    }
    if target["side"]:
        facts["side"] = f"the one of two on the patient's {target['side']}"
    if target["image_side"]:
        facts["side of the image"] = f"the {target['image_side']} one of two in the image"
    if target["other_side"]:
        facts["symmetry"] = f"{target['other_side']} the same place on the other side of the image"
    return facts


def _pictures(image: Image.Image, mask: np.ndarray) -> list[dict]:
    return [_part(image), _part(overlay(image, mask=mask, notice=False))]


def _part(image: Image.Image) -> dict:
    url = image_data_url(image, "JPEG", longest=LONGEST, quality=92)
    return {"type": "image_url", "image_url": {"url": url}}
