"""Tries a checkpoint's processor once before its weights are loaded.

A chat template is a program and an image processor is full of numbers, both a stranger's: what they raise, or
leave out, is said when the model is opened, and not at the first question of a visitor.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jinja2 import TemplateError
from PIL import Image
from transformers import ProcessorMixin

from medreasoner.messages import first_line
from medreasoner.prompts import Prompt, messages
from medreasoner.reasoners.base import EncodedImage, ReasonerError
from medreasoner.reasoners.chat_inputs import chat_inputs
from medreasoner.reasoners.checkpoint import UNREADABLE, processed_wh
from medreasoner.reasoners.image_size import InputSize

FAILURES = (*UNREADABLE, TemplateError, RuntimeError, MemoryError)
QUESTION = "Which part explains the cough?"
LONGEST_TURN = 200_000  # characters that a template may make of a prompt and one question
SIDE = 64  # pixels of the picture
TEMPLATE = "chat_template.jinja"


def try_out(processor: ProcessorMixin, prompt: Prompt, size: InputSize, folder: Path) -> None:
    """Let `processor` take in one picture and one question. Errors: ReasonerError."""
    image = size.resized(Image.new("RGB", (SIDE, SIDE)))
    with _blaming(f"the image processor in {folder}", "its *_config.json"):
        pixels = processor.image_processor(images=[image], return_tensors="pt")
        encoded = EncodedImage(image, processed_wh(pixels, processor))
    template = f"the chat template in {folder}"
    with _blaming(template, TEMPLATE):
        chat = messages(prompt.text(QUESTION), prompt.system)
        text = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    if QUESTION not in text:
        raise ReasonerError(f"{template} leaves the question out; correct {TEMPLATE}")
    if len(text) > LONGEST_TURN:
        raise ReasonerError(f"{template} writes {len(text):,} characters; correct {TEMPLATE}")
    with _blaming(template, TEMPLATE):
        chat_inputs(processor, prompt, [(encoded, QUESTION)], True, ())


@contextmanager
def _blaming(what: str, file: str) -> Iterator[None]:
    """Whatever a checkpoint's processor raises, as a ReasonerError."""
    try:
        yield
    except FAILURES as error:
        raise ReasonerError(
            f"{what} cannot take in a picture with a question: {first_line(error)}; correct {file}"
        ) from error
