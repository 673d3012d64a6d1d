"""SFT of the embedded CRM: TRL's SFTTrainer with the loss of `train/dense.py`, on cached features.

Is: the trainer, its batch and its rows, for `train/sft.py` where the recipe says `dense`. The heads exist in training only.
Is not: the recipe for a 7B model; that needs neither the cache nor the heads.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from trl import SFTTrainer

from medreasoner.data.taxonomy import categories
from medreasoner.place import HEIGHTS, SIDES, SIZES
from train.dense import DenseHeads, Vocabulary, completion_losses, word_weights
from train.rows import load_items, make_rows
from train.subject import Subject

HEADS = "dense_heads."


class WithTargets:
    """TRL's own collator, plus the three target columns it would drop."""

    def __init__(self, collator):
        self.collator = collator

    def __call__(self, examples: list[dict]) -> dict:
        box01 = torch.tensor([e["box01"] for e in examples])
        cover, kinds = torch.tensor([e["cover"] for e in examples]), torch.tensor([e["kinds"] for e in examples])
        kept = [{k: e[k] for k in ("prompt", "completion", "image")} for e in examples]
        return dict(self.collator(kept)) | {"box01": box01, "cover": cover, "kinds": kinds}


class GroundingTrainer(SFTTrainer):
    """SFTTrainer with the loss of `train/dense.py`."""

    def __init__(self, *args, options, vocabulary: Vocabulary, **kwargs):
        super().__init__(*args, **kwargs)
        self.options, self.vocabulary = options, vocabulary
        self.data_collator = WithTargets(self.data_collator)
        self._sums: dict[str, list[float]] = {}

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        o, v, heads = self.options, self.vocabulary, model.dense_heads
        ids, labels = inputs["input_ids"], inputs["labels"]
        with torch.autocast("cpu", torch.bfloat16, enabled=o.bf16):  # the Trainer puts autocast on model.forward, which is not called here
            states = model.model(
                input_ids=ids,
                attention_mask=inputs["attention_mask"],
                pixel_values=inputs["pixel_values"],
                output_hidden_states=True,
                use_cache=False,
            ).hidden_states
            states = [state.float() for state in states]
        last = states[-1]
        target = labels[:, 1:]
        rows, columns = (target != -100).nonzero(as_tuple=True)
        in_answer = ((target == v.answer).cumsum(1) > 0)[rows, columns]
        logits = model.lm_head(last[rows, columns])
        text, coordinates = completion_losses(logits, target[rows, columns], rows, in_answer, inputs["box01"], v, o.spread)
        batch = torch.arange(len(ids))
        asked = (target != -100).float().argmax(1)  # the state that predicts the first word
        image = (ids == v.image).nonzero(as_tuple=True)
        at = [states[layer][image].view(len(ids), -1, last.shape[-1]) for layer in (heads.kind_layer, heads.point_layer)]
        written = (target == v.answer).float().argmax(1) + 1  # the state that has read <answer>
        parts = {
            "text": text,
            "coordinates": coordinates * o.weight_coordinates,
            "kinds": heads.kind_loss(at[0], inputs["kinds"]) * o.weight_kinds,
            "point": heads.point_loss(at[1], states[heads.point_layer][batch, asked], inputs["cover"]) * o.weight_point,
            "box": sum(heads.box_loss(last[batch, place], inputs["box01"]) for place in (asked, written)) * o.weight_box,
        }
        for name, value in parts.items():
            self._sums.setdefault(name, []).append(float(value.detach()))
        loss = sum(parts.values())
        return (loss, None) if return_outputs else loss

    def log(self, logs: dict, *args, **kwargs) -> None:
        logs |= {f"loss_{name}": round(sum(v) / len(v), 4) for name, v in self._sums.items()}
        self._sums.clear()
        super().log(logs, *args, **kwargs)


def add_heads(model, subject: Subject, options, checkpoint: Path | None) -> Vocabulary:
    """Give `model` its heads, those of `checkpoint` if one is given; returns what the loss must know of the vocabulary."""
    tok, text = subject.processor.tokenizer, model.config.text_config
    ids = torch.tensor([tok.convert_tokens_to_ids(str(n)) for n in range(int(subject.frame.limit) + 1)])
    weights = word_weights(tok, text.vocab_size, [*SIDES, *HEIGHTS, *SIZES, "mid-height", *categories()], options.weight_facts)
    torch.manual_seed(options.seed)
    model.dense_heads = DenseHeads(text.hidden_size, len(categories()) + 1, text.num_hidden_layers // 3, text.num_hidden_layers * 2 // 3)
    if checkpoint is not None:
        state = load_file(checkpoint / "model.safetensors")
        model.dense_heads.load_state_dict({k.removeprefix(HEADS): v for k, v in state.items() if k.startswith(HEADS)})
    return Vocabulary(ids, tok.convert_tokens_to_ids("<answer>"), tok.convert_tokens_to_ids("<image>"), weights)


def dense_rows(options, subject: Subject, kept: set[str]):
    """Conversations and targets of the samples whose ids are in `kept`, from sets that `medreasoner data build` wrote."""
    items = [item for item in load_items([Path(folder) for folder in options.data], options.split) if item.sample["id"] in kept]
    return make_rows(items, subject.prompt, subject.frame, options.wordings, options.seed, options.lost_words)
