"""The architecture of the embedded reasoner: a LLaVA-style model that sees through SAM 2's image encoder and
reads questions through a sentence encoder.

    image -> SAM 2 tower (frozen) -> stage 3 -> last stage with low-rank updates, and stage 3 -> 256 tokens
    question -> the decoder's embeddings, and pretrained sentence encoder (BERT) -> added to them
    both -> Qwen3-style decoder -> reasoning and answer

Three parts differ from `LlavaForConditionalGeneration`. The tower stays byte for byte the segmenter's, so
that one encoding serves both; what the reasoner sees differently is a low-rank update of the last stage's
weights (LoRA, Hu et al. 2021). A strided convolution adds the finer stage-3 map. What the sentence encoder
reads in the question is added to the decoder's own embeddings of its tokens. Where all that is added is zero,
the model is a `LlavaForConditionalGeneration`, so training can go on from one.

Importing this module registers the classes, so that transformers' Auto classes load a checkpoint of them
without remote code.
"""

from functools import wraps

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForImageTextToText, BertConfig, BertModel
from transformers.configuration_utils import SubConfigSpec
from transformers.conversion_mapping import register_checkpoint_conversion_mapping
from transformers.core_model_loading import WeightRenaming
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.llava.configuration_llava import LlavaConfig
from transformers.models.llava.modeling_llava import (
    LlavaCausalLMOutputWithPast,
    LlavaForConditionalGeneration,
    LlavaModel,
    LlavaModelOutputWithPast,
)
from transformers.utils import can_return_tuple

from medreasoner.reasoners.image_projector import STAGE_3, ImageProjector


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


class MedReasonerModel(LlavaModel):
    """The model without its head."""

    config: MedReasonerConfig

    def __init__(self, config: MedReasonerConfig) -> None:
        super().__init__(config)
        self.multi_modal_projector = ImageProjector(config)
        self.question_encoder = BertModel(config.question_config, add_pooling_layer=False)
        self.question_projector = nn.Linear(
            config.question_config.hidden_size, config.text_config.hidden_size
        )
        self.sentence_projector = nn.Linear(
            config.question_config.hidden_size, config.text_config.hidden_size
        )
        self.post_init()

    def get_image_features(self, pixel_values: torch.Tensor, **kwargs: object) -> BaseModelOutputWithPooling:
        """The tower's output; `pooler_output` holds the image tokens, (256, H) an image."""
        outputs = self.vision_tower(pixel_values, output_hidden_states=True, return_dict=True)
        outputs.pooler_output = list(self.image_tokens(outputs.hidden_states[STAGE_3]))
        return outputs

    def image_tokens(self, stage_3: torch.Tensor, last: torch.Tensor | None = None) -> torch.Tensor:
        """(B, 256, H) of the tower's stage-3 map (B, 32, 32, 384); `last` as in `forward`."""
        return self.multi_modal_projector(stage_3, self.vision_tower.backbone.blocks[STAGE_3:], last)

    def embed(self, input_ids: torch.Tensor, questions: torch.Tensor | None = None) -> torch.Tensor:
        """(B, L, H): the decoder's own embeddings, and for the question's tokens what the sentence encoder
        makes of them added; what it makes of the whole sentence is added at the token that ends it.

        Args:
            questions: (B, L) number of the question a token belongs to, -1 for others; None finds one
                question a row, between the image's tokens and the token that ends the turn.
        """
        embedded = self.get_input_embeddings()(input_ids)
        if questions is None:
            questions = self._questions(input_ids)
        if not (questions >= 0).any():
            return embedded
        longest = self.config.question_config.max_position_embeddings
        rows, columns, ids, mask = _gathered(input_ids, questions, longest)
        states = self.question_encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        embedded = embedded.clone()
        read = self.question_projector(states[mask.bool()]).to(embedded.dtype)
        embedded[rows, columns] = embedded[rows, columns] + read
        whole = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        row, last = _ends(questions)
        embedded[row, last + 1] = embedded[row, last + 1] + self.sentence_projector(whole).to(embedded.dtype)
        return embedded

    def _questions(self, input_ids: torch.Tensor) -> torch.Tensor:
        image = input_ids == self.config.image_token_id
        after = (image.long().cumsum(1) > 0) & ~image
        ended = ((input_ids == self.config.question_end_token_id) & after).long().cumsum(1) > 0
        rows = torch.arange(len(input_ids), device=input_ids.device)[:, None].expand_as(input_ids)
        return torch.where(after & ~ended, rows, -1)

    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        pixel_values: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        mm_encoder_outputs: dict[str, BaseModelOutputWithPooling] | None = None,
        questions: torch.Tensor | None = None,
        stage_3: torch.Tensor | None = None,
        last: torch.Tensor | None = None,
        **kwargs: object,
    ) -> LlavaModelOutputWithPast:
        """As `LlavaModel.forward`, and:

        Args:
            questions: see `embed`. stage_3: the tower's stage-3 map (B, 32, 32, 384) instead of
                `pixel_values`, where it was computed before. last: the map (B, 16, 16, 768) after the
                reasoner's last stage, where that was computed before too.
        """
        if inputs_embeds is None:
            inputs_embeds = self.embed(input_ids, questions)
        features = None
        if stage_3 is not None:
            features = self.image_tokens(stage_3, last)
        elif mm_encoder_outputs is not None and mm_encoder_outputs.get("image") is not None:
            features = torch.stack(list(mm_encoder_outputs["image"].pooler_output))
        elif pixel_values is not None:
            features = torch.stack(self.get_image_features(pixel_values).pooler_output)
        if features is not None:
            features = features.to(inputs_embeds.device, inputs_embeds.dtype)
            where = self.get_placeholder_mask(input_ids, inputs_embeds=inputs_embeds, image_features=features)
            inputs_embeds = inputs_embeds.masked_scatter(where, features)
        for name in ("vision_feature_layer", "vision_feature_select_strategy", "image_sizes"):
            kwargs.pop(name, None)
        outputs = self.language_model(inputs_embeds=inputs_embeds, **kwargs)
        return LlavaModelOutputWithPast(
            last_hidden_state=outputs.last_hidden_state,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            image_hidden_states=features,
        )


def _ends(questions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(N,) row and (N,) column of the last token of each question, in the order of their numbers."""
    places = [(questions == number).nonzero()[-1] for number in questions[questions >= 0].unique()]
    return tuple(torch.stack(places, 1))


def _gathered(input_ids: torch.Tensor, questions: torch.Tensor, longest: int) -> tuple[torch.Tensor, ...]:
    """The questions of a batch as one padded batch: (rows, columns) of their tokens, ids (N, Q) and mask (N,
    Q); the order of rows and columns is that of the mask's ones. Of a question with more than `longest`
    tokens the sentence encoder reads the first."""
    numbers = questions[questions >= 0].unique()
    parts = [(questions == number).nonzero()[:longest].unbind(1) for number in numbers]
    ids = input_ids.new_zeros(len(parts), max(len(rows) for rows, _ in parts))
    mask = torch.zeros_like(ids)
    for number, (rows, columns) in enumerate(parts):
        ids[number, : len(rows)] = input_ids[rows, columns]
        mask[number, : len(rows)] = 1
    return torch.cat([rows for rows, _ in parts]), torch.cat([columns for _, columns in parts]), ids, mask


class MedReasonerForConditionalGeneration(LlavaForConditionalGeneration):
    """The embedded reasoner, see the module."""

    config: MedReasonerConfig

    def __init__(self, config: MedReasonerConfig) -> None:
        super(LlavaForConditionalGeneration, self).__init__(config)
        self.model = MedReasonerModel(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        self.post_init()

    @can_return_tuple
    @wraps(LlavaForConditionalGeneration.forward, assigned=())
    def forward(
        self, input_ids: torch.LongTensor | None = None, **kwargs: object
    ) -> LlavaCausalLMOutputWithPast:
        """As `LlavaForConditionalGeneration.forward`; outside training the logits are `allowed`."""
        outputs = super().forward(input_ids=input_ids, **kwargs)
        if not self.training and input_ids is not None:
            outputs.logits = self.allowed(input_ids[:, -outputs.logits.shape[1] :], outputs.logits)
            outputs.logits = self.opened(input_ids, outputs.logits)
        return outputs

    def opened(self, input_ids: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Logits (B, K, V) of what follows the last K of `input_ids` (B, L), where a prompt ends minus
        infinity for all but the token that may begin its answer (`openings`)."""
        decided = torch.zeros_like(input_ids, dtype=torch.bool)
        for ending, first in self.config.openings:
            length = len(ending)
            if input_ids.shape[1] < length:
                continue
            found = (input_ids.unfold(1, length, 1) == input_ids.new_tensor(ending)).all(-1)
            ends = nn.functional.pad(found, (length - 1, 0)) & ~decided
            decided |= ends
            barred = torch.ones(logits.shape[-1], dtype=torch.bool, device=logits.device)
            barred[first] = False
            logits = logits.masked_fill(ends[:, -logits.shape[1] :, None] & barred, -torch.inf)
        return logits

    def allowed(self, tokens: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Logits (B, L, V) of what follows `tokens` (B, L), minus infinity for what may not: once an answer
        has begun a place, nothing but a number keeps it an answer."""
        place = self.config.place_token_id
        after = tokens == (-1 if place is None else place)
        if not after.any():
            return logits
        barred = torch.ones(logits.shape[-1], dtype=torch.bool, device=logits.device)
        barred[list(self.config.number_token_ids)] = False
        return logits.masked_fill(after[..., None] & barred, -torch.inf)


AutoConfig.register(MedReasonerConfig.model_type, MedReasonerConfig)
AutoModelForImageTextToText.register(MedReasonerConfig, MedReasonerForConditionalGeneration)
# A packed tower has the names that LLaVA gives it (`train/embedded/pack.py`), so that its files stay as they
# are when the reasoner is trained again.
register_checkpoint_conversion_mapping(
    MedReasonerConfig.model_type, [WeightRenaming(r"^vision_tower", "model.vision_tower")], overwrite=True
)
