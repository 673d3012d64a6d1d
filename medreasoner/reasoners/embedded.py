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
from transformers import AutoConfig, AutoModelForImageTextToText, BertModel
from transformers.conversion_mapping import register_checkpoint_conversion_mapping
from transformers.core_model_loading import WeightRenaming
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.llava.modeling_llava import (
    LlavaCausalLMOutputWithPast,
    LlavaForConditionalGeneration,
    LlavaModel,
    LlavaModelOutputWithPast,
)
from transformers.models.sam2.modeling_sam2 import Sam2VisionEncoderOutput
from transformers.utils import can_return_tuple

from medreasoner.reasoners.answer_rules import check_openings, check_tokens, opened, placed, prompt_ends
from medreasoner.reasoners.embedded_config import MedReasonerConfig
from medreasoner.reasoners.image_projector import STAGE_3, ImageProjector
from medreasoner.reasoners.presence import PresenceHead, presence_of, steer
from medreasoner.reasoners.presence_rule import PresenceRule
from medreasoner.reasoners.question_tokens import ends, gathered, numbered
from medreasoner.segmenters.sam2_encoder import Encoder, can_encode


class MedReasonerModel(LlavaModel):
    """The model without its head."""

    config: MedReasonerConfig

    def __init__(self, config: MedReasonerConfig) -> None:
        super().__init__(config)
        self.multi_modal_projector = ImageProjector(config)
        self.question_encoder = BertModel(config.question_config, add_pooling_layer=False)
        read, hidden = config.question_config.hidden_size, config.text_config.hidden_size
        self.question_projector = nn.Linear(read, hidden)
        self.sentence_projector = nn.Linear(read, hidden)
        self._encoder: Encoder | None = None
        self.post_init()

    def get_image_features(self, pixel_values: torch.Tensor, **kwargs: object) -> BaseModelOutputWithPooling:
        """The tower's output; `pooler_output` holds the image tokens, (256, H) an image."""
        if not can_encode(self.vision_tower, pixel_values):
            outputs = self.vision_tower(pixel_values, output_hidden_states=True, return_dict=True)
            outputs.pooler_output = list(self.image_tokens(outputs.hidden_states[STAGE_3]))
            return outputs
        self._encoder = self._encoder or Encoder(self.vision_tower)
        maps, (*_, stage_3, last) = self._encoder(pixel_values)
        seen = self._encoder.last_stage(stage_3, self.multi_modal_projector.updated)
        tokens = list(self.image_tokens(stage_3, seen))
        return Sam2VisionEncoderOutput(last_hidden_state=last, fpn_hidden_states=maps, pooler_output=tokens)

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
            questions = numbered(input_ids, self.config.image_token_id, self.config.question_end_token_id)
        if not (questions >= 0).any():
            return embedded
        longest = self.config.question_config.max_position_embeddings
        rows, columns, ids, mask = gathered(input_ids, questions, longest)
        states = self.question_encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        embedded = embedded.clone()
        read = self.question_projector(states[mask.bool()]).to(embedded.dtype)
        embedded[rows, columns] = embedded[rows, columns] + read
        whole = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        row, last = ends(questions)
        embedded[row, last + 1] = embedded[row, last + 1] + self.sentence_projector(whole).to(embedded.dtype)
        return embedded

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


class MedReasonerForConditionalGeneration(LlavaForConditionalGeneration):
    """The embedded reasoner, see the module."""

    config: MedReasonerConfig

    def __init__(self, config: MedReasonerConfig) -> None:
        super(LlavaForConditionalGeneration, self).__init__(config)
        vocabulary = config.text_config.vocab_size
        check_openings(config.openings, vocabulary)
        check_tokens("number_token_ids", config.number_token_ids, vocabulary)
        self.model = MedReasonerModel(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        self.presence_head = None
        if config.presence is not None:
            self.presence_head = PresenceHead(config.text_config.hidden_size, PresenceRule.of(config))
        self.post_init()

    @can_return_tuple
    @wraps(LlavaForConditionalGeneration.forward, assigned=())
    def forward(
        self, input_ids: torch.LongTensor | None = None, **kwargs: object
    ) -> LlavaCausalLMOutputWithPast:
        """As `LlavaForConditionalGeneration.forward`; outside training the logits keep to the rules of
        `answer_rules.py` and `presence.py`."""
        if self.training or input_ids is None:
            return super().forward(input_ids=input_ids, **kwargs)
        columns = self._prompt_ends(input_ids)
        read = self.presence_head is not None and any(columns)
        outputs = super().forward(
            input_ids=input_ids, **kwargs | ({"output_hidden_states": True} if read else {})
        )
        logits = self.placed(input_ids[:, -outputs.logits.shape[1] :], outputs.logits)
        outputs.logits = opened(input_ids, logits, self.config.openings)
        if self.presence_head is not None:
            odds = self.presence_head.at(outputs.hidden_states, columns) if read else columns
            presence = presence_of(outputs.past_key_values, self.presence_head.rule, len(input_ids))
            outputs.logits = steer(presence, input_ids.tolist(), odds, outputs.logits)
        return outputs

    def placed(self, tokens: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """See `answer_rules.placed`."""
        return placed(tokens, logits, self.config.place_token_id, self.config.number_token_ids)

    def _prompt_ends(self, input_ids: torch.Tensor) -> list[list[int]]:
        """The columns of each row of `input_ids` in which a prompt ends."""
        found = torch.zeros_like(input_ids, dtype=torch.bool)
        for where, _ in prompt_ends(input_ids, self.config.openings):
            found |= where
        return [row.nonzero()[:, 0].tolist() for row in found.cpu()]


AutoConfig.register(MedReasonerConfig.model_type, MedReasonerConfig)
AutoModelForImageTextToText.register(MedReasonerConfig, MedReasonerForConditionalGeneration)
# A packed tower has the names that LLaVA gives it (`train/embedded/pack.py`), so that its files stay as they
# are when the reasoner is trained again.
register_checkpoint_conversion_mapping(
    MedReasonerConfig.model_type, [WeightRenaming(r"^vision_tower", "model.vision_tower")], overwrite=True
)
