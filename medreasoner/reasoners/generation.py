"""Settings of transformers' `generate`: greedy and with an end, or drawn at random for samples."""

from transformers import PreTrainedModel, ProcessorMixin

MAX_NEW_TOKENS = 2048  # where the checkpoint's generation_config sets none
LONGEST = 16_384  # tokens, whatever it sets


def make_greedy(model: PreTrainedModel, processor: ProcessorMixin) -> None:
    """Set up `model` so that it gives the same answer each time and never an endless one."""
    settings = model.generation_config
    settings.do_sample = False
    settings.temperature = settings.top_p = settings.top_k = None
    settings.num_beams = settings.num_return_sequences = 1
    settings.max_length = None
    settings.max_new_tokens = min(settings.max_new_tokens or MAX_NEW_TOKENS, LONGEST)
    if settings.eos_token_id is None:
        settings.eos_token_id = processor.tokenizer.eos_token_id
    if settings.pad_token_id is None:
        settings.pad_token_id = processor.tokenizer.pad_token_id


def sampling_options(temperature: float | None) -> dict:
    """Arguments of `generate` to draw from the model's whole distribution; none for the greedy answer, where
    `temperature` is None.
    """
    if temperature is None:
        return {}
    return {"do_sample": True, "temperature": float(temperature), "top_k": 0, "top_p": 1.0}
