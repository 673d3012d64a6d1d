"""What `generate` takes of images and questions: token ids and pixels, by the processor's chat template."""

from collections.abc import Sequence

from transformers import BatchFeature, ProcessorMixin

from medreasoner.answer_blocks import THINK
from medreasoner.prompts import Prompt, messages
from medreasoner.reasoners.base import EncodedImage


def chat_inputs(
    processor: ProcessorMixin,
    prompt: Prompt,
    pairs: Sequence[tuple[EncodedImage, str]],
    think: bool,
    control: Sequence[str],
) -> BatchFeature:
    """Token ids and pixels of a batch of images and questions, padded on the left.

    Args:
        control: the processor's `control_tokens`; in a question they become plain words.

    Errors: those of the processor and of its template: RuntimeError, ValueError, jinja2.TemplateError.
    """
    chats = []
    for encoded, question in pairs:
        chat = messages(prompt.text(without_control_tokens(question, control), think), prompt.system)
        chat[-1]["content"][0]["image"] = encoded.image
        chats.append(chat)
    padding = {"padding": True, "padding_side": "left"} if len(pairs) > 1 else {}
    return processor.apply_chat_template(
        chats,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        processor_kwargs={"return_tensors": "pt", **padding},
    )


def thinks_on_request(processor: ProcessorMixin, prompt: Prompt) -> bool:
    """Whether a model can be asked to reason and to answer at once: its prompt says which, and its chat
    template does not open the reasoning by itself.
    """
    if prompt.think == prompt.direct:
        return False
    chat = messages(prompt.text("?", think=False), prompt.system)
    template = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    return not template.rstrip().endswith(THINK[0])


def control_tokens(processor: ProcessorMixin) -> list[str]:
    """Every token that means more than its letters (turns, image places, padding), longest first."""
    tokenizer = processor.tokenizer
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    tokens = special | set(tokenizer.all_special_tokens)
    return sorted((token for token in tokens if len(token) > 1), key=len, reverse=True)


def without_control_tokens(text: str, tokens: Sequence[str]) -> str:
    """`text` as plain words: a space goes inside each of the control `tokens` that it spells."""
    for token in tokens:
        text = text.replace(token, f"{token[0]} {token[1:]}")
    return text
