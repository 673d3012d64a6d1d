"""The settings of the embedded reasoner (`embedded.py`), as they stand in its config.json."""

from transformers import BertConfig
from transformers.configuration_utils import SubConfigSpec
from transformers.models.llava.configuration_llava import LlavaConfig


class MedReasonerConfig(LlavaConfig):
    """`LlavaConfig`, and:

    Args:
        question_config: of the sentence encoder, a `BertConfig`.
        adapter_rank: of the updates of the tower's last stage.
        question_end_token_id: the token that ends the question, after the image's tokens.
        place_token_id: the token that begins the numbers of an answer; None where there is no such token.
        number_token_ids: of the numbers, which alone may follow it.
        openings: (endings of a prompt as token ids, the token that alone may begin its answer); the first
            that fits holds. So it reasons, or answers at once, as it is asked.
        presence: fields of a `PresenceRule`; None where the words alone decide whether anything is marked.
    """

    model_type = "medreasoner"
    sub_configs_defaults = {
        **LlavaConfig.sub_configs_defaults,
        "question_config": SubConfigSpec(config_class=BertConfig),
    }

    question_config: dict | BertConfig | None = None
    adapter_rank: int = 64
    question_end_token_id: int = 0
    place_token_id: int | None = None
    number_token_ids: list[int] | tuple[int, ...] = ()
    openings: list | tuple = ()
    presence: dict | None = None
