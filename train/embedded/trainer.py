"""TRL's SFTTrainer with the dense losses of `train/embedded/losses.py`, on cached features."""

import torch
from transformers import PreTrainedModel
from trl import SFTTrainer

from train.embedded.collator import SharedImageCollator
from train.embedded.fixed_views import LastMaps
from train.embedded.losses import Vocabulary, completion_losses
from train.embedded.sft_options import Options
from train.embedded.shared_attention import NAME, spans_of
from train.embedded.stage_3_cache import Stage3Cache
from train.embedded.token_masks import IGNORED
from train.gradient_averaging import average_over_processes

GIVEN = "attention_mask", "position_ids", "stage_3", "last", "questions"  # of a batch, to the model


class GroundingTrainer(SFTTrainer):
    """SFTTrainer with the losses of `train/embedded/losses.py`; logs the mean of each as `loss_<name>`."""

    def __init__(
        self,
        *args: object,
        options: Options,
        vocabulary: Vocabulary,
        maps: Stage3Cache,
        last: LastMaps | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.options, self.vocabulary = options, vocabulary
        self.model.model.language_model.set_attn_implementation(NAME)
        # with heads of 32, PyTorch's fused attention takes seven times as long on a CPU with bf16
        self.model.model.question_encoder.set_attn_implementation("eager")
        self.data_collator = SharedImageCollator(self.processing_class, vocabulary.numbers, maps, last)
        self._logged: dict[str, list[float]] = {}

    def compute_loss(
        self,
        model: PreTrainedModel,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, None]:
        # not `model`, which Trainer wraps where there are several processes: the losses need parts of it
        parts = self._losses(self.model, inputs)
        for name, value in parts.items():
            self._logged.setdefault(name, []).append(float(value.detach()))
        loss = sum(parts.values())
        return (loss, None) if return_outputs else loss

    def _losses(self, model: PreTrainedModel, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The weighted losses of one batch of `SharedImageCollator`, by name."""
        o, vocabulary, heads = self.options, self.vocabulary, model.dense_heads
        ids, row, box01 = inputs["input_ids"], inputs["row"], inputs["box01"]
        given = {name: inputs[name] for name in GIVEN if name in inputs}
        # the Trainer puts its autocast on model.forward, which is not called here
        with torch.autocast("cpu", torch.bfloat16, enabled=o.bf16):
            output = model.model(
                input_ids=ids,
                **given,
                spans=spans_of(inputs["conversation"]),
                output_hidden_states=True,
                use_cache=False,
            )
        states = output.hidden_states
        last = states[-1].float()
        rows, columns = (inputs["labels"][:, 1:] != IGNORED).nonzero(as_tuple=True)
        label, coordinate, about, decides = (
            inputs[name][rows, columns + 1] for name in ("labels", "coordinates", "conversation", "decides")
        )
        weights = torch.where(decides, o.weight_decision, 1.0)
        text, coordinates = completion_losses(
            model.lm_head(last[rows, columns]), label, coordinate, box01[about], vocabulary, o.spread, weights
        )
        image = (ids == vocabulary.image).nonzero(as_tuple=True)
        layers = {layer: states[layer].float() for layer in (heads.kind_layer, heads.point_layer)}
        tokens = {layer: state[image].view(len(ids), -1, last.shape[-1]) for layer, state in layers.items()}
        question = layers[heads.point_layer][row, inputs["question_end"]]
        asked = [layers[heads.kind_layer][row, inputs[at]] for at in ("turn_end", "question_end")]
        there = inputs["present"]  # (N,) conversations with a target
        losses = {
            "text": text,
            "coordinates": coordinates * o.weight_coordinates,
            "kinds": heads.kind_loss(tokens[heads.kind_layer], inputs["kinds"]) * o.weight_kinds,
            "asked": sum(heads.asked_loss(each, inputs["asked"]) for each in asked) * o.weight_kinds,
        }
        if o.weight_heard:
            heard = heads.heard_loss(question, inputs["side"], there)
            losses["heard"] = heard * o.weight_heard
        if not there.any():  # means over no target would be nan
            return losses
        point = heads.point_loss(
            tokens[heads.point_layer][row[there]], question[there], inputs["coverage"][there]
        )
        box = sum(
            heads.box_loss(last[row[there], inputs[at][there]], box01[there])
            for at in ("question_end", "answer_start")
        )
        return losses | {"point": point * o.weight_point, "box": box * o.weight_box}

    def create_optimizer(self, *args: object, **kwargs: object) -> torch.optim.Optimizer:
        """AdamW; what earlier training left behind learns more slowly than what is new."""
        o = self.options
        rates = {
            "question_encoder": o.encoder_rate,
            "language_model": o.earlier_rate,
            "projector.linear_": o.earlier_rate,
        }
        groups: dict[float, list[torch.nn.Parameter]] = {}
        for name, parameter in self.model.named_parameters():
            if parameter.requires_grad:
                rate = next((rate for part, rate in rates.items() if part in name), 1.0)
                groups.setdefault(rate, []).append(parameter)
        self.optimizer = torch.optim.AdamW(
            [{"params": params, "lr": o.learning_rate * rate} for rate, params in groups.items()],
            lr=o.learning_rate,
            betas=(o.adam_beta1, o.adam_beta2),
            weight_decay=o.weight_decay,
            fused=True,
        )
        average_over_processes(self.optimizer)
        return self.optimizer

    def log(self, logs: dict, *args: object, **kwargs: object) -> None:
        logs |= {f"loss_{name}": round(sum(v) / len(v), 4) for name, v in self._logged.items()}
        self._logged.clear()
        super().log(logs, *args, **kwargs)
