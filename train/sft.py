"""Supervised fine-tuning of the embedded CRM with TRL's SFTTrainer, on cached features and with dense supervision.

Is: one command from built samples to a trained checkpoint; killed, it goes on from its newest checkpoint. Every option, the data's hash
and the curve are left beside the weights (`run.json`, `trainer_state.json`).
Is not: the recipe for a 7B model; that needs neither the cache nor the heads.

    python -m train.sft --model runs/start --data runs/data runs/views --features runs/features --out runs/sft --bf16
"""

import argparse
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor
from trl import SFTConfig, SFTTrainer

from medreasoner.answer import Prompt
from medreasoner.data.taxonomy import categories
from medreasoner.geometry import EMBEDDED
from medreasoner.place import HEIGHTS, SIDES, SIZES
from train.dense import DenseHeads, Vocabulary, completion_losses, word_weights
from train.features import FeatureCache, remember_features
from train.rows import Item, is_dev, load_items, make_rows

HEADS = "dense_heads."


@dataclass
class Options:
    """Everything a run depends on."""

    model: Path
    data: list[Path]
    features: list[Path]
    out: Path
    steps: int = 2600
    batch: int = 16
    lr: float = 1e-3
    warmup: int = 100
    weight_decay: float = 0.05
    spread: float = 0.13  # of coordinate targets, as a share of the object's side
    weight_facts: float = 5.0
    weight_coordinates: float = 1.0
    weight_kinds: float = 0.5
    weight_point: float = 0.5
    weight_box: float = 0.5
    repeats: int = 8
    seed: int = 0
    save_every: int = 200
    bf16: bool = False


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

    def __init__(self, *args, options: Options, vocabulary: Vocabulary, **kwargs):
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


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end (`trainer_state.json` comes last), or None."""
    whole = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json")]
    return max(whole, key=lambda path: int(path.name.split("-")[1]), default=None)


def prepare(options: Options, checkpoint: Path | None = None):
    """(model with heads, processor, vocabulary); the weights of `checkpoint` if one is given, else those training starts from.

    The checkpoint's weights are read here because Trainer's own resume compares names as they are on disk, where LLaVA's differ from
    those in memory, and then silently keeps what it has.
    """
    model = AutoModelForImageTextToText.from_pretrained(checkpoint or options.model, dtype=torch.float32)
    processor = AutoProcessor.from_pretrained(options.model)
    tok = processor.tokenizer
    ids = torch.tensor([tok.convert_tokens_to_ids(str(n)) for n in range(int(EMBEDDED.limit) + 1)])
    text = model.config.text_config
    weights = word_weights(tok, text.vocab_size, [*SIDES, *HEIGHTS, *SIZES, "mid-height", *categories()], options.weight_facts)
    vocabulary = Vocabulary(ids, tok.convert_tokens_to_ids("<answer>"), tok.convert_tokens_to_ids("<image>"), weights)
    torch.manual_seed(options.seed)
    model.dense_heads = DenseHeads(text.hidden_size, len(categories()) + 1, text.num_hidden_layers // 3, text.num_hidden_layers * 2 // 3)
    if checkpoint is not None:
        state = load_file(checkpoint / "model.safetensors")
        model.dense_heads.load_state_dict({k.removeprefix(HEADS): v for k, v in state.items() if k.startswith(HEADS)})
    model.model.vision_tower.requires_grad_(False)
    remember_features(model.model.vision_tower, [FeatureCache(folder) for folder in options.features])
    return model, processor, vocabulary


def trainable_items(options: Options) -> list[Item]:
    return [item for item in load_items(options.data) if not is_dev(item.sample["case"])]


def main(options: Options) -> None:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    newest = newest_checkpoint(options.out / "checkpoints")
    model, processor, vocabulary = prepare(options, newest)
    items = trainable_items(options)
    rows = make_rows(items, Prompt.load(options.model / "prompt.json"), EMBEDDED, options.repeats, options.seed)
    data_hash = hashlib.sha256(json.dumps(sorted(i.sample["id"] for i in items)).encode()).hexdigest()[:16]
    config = SFTConfig(
        output_dir=str(options.out / "checkpoints"),
        use_cpu=not torch.cuda.is_available(),
        bf16=options.bf16,
        gradient_checkpointing=False,
        max_length=None,
        per_device_train_batch_size=options.batch,
        max_steps=options.steps,
        learning_rate=options.lr,
        adam_beta2=0.98,
        weight_decay=options.weight_decay,
        lr_scheduler_type="cosine",
        warmup_steps=options.warmup,
        max_grad_norm=1.0,
        logging_steps=20,
        save_steps=options.save_every,
        save_total_limit=2,
        report_to="none",
        seed=options.seed,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    trainer = GroundingTrainer(model, args=config, train_dataset=rows, processing_class=processor, options=options, vocabulary=vocabulary)
    trainer.train(resume_from_checkpoint=str(newest) if newest else None)
    trained = round(sum(p.numel() for n, p in model.named_parameters() if p.requires_grad and not n.startswith(HEADS)) / 1e6, 2)
    save(
        model,
        processor,
        options,
        {"trainable_m": trained, "data_hash": data_hash, "rows": len(rows), "items": len(items)},
        trainer.state.log_history,
    )


def save(model, processor, options: Options, facts: dict, history: list[dict]) -> None:
    """The trained folder: model without heads, processor, the start folder's small files, and the run's record."""
    options.out.mkdir(parents=True, exist_ok=True)
    del model.dense_heads
    model.save_pretrained(options.out)
    processor.save_pretrained(options.out)
    for name in ("prompt.json", "medreasoner.json"):
        (options.out / name).write_bytes((options.model / name).read_bytes())
    record = {"options": asdict(options), **facts, "curve": history}
    (options.out / "run.json").write_text(json.dumps(record, indent=1, default=str) + "\n")


def parse() -> Options:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in Options.__dataclass_fields__.items():
        flag = "--" + name.replace("_", "-")
        if default.type in ("list[Path]", list[Path]):
            parser.add_argument(flag, type=Path, nargs="+", required=True)
        elif default.type in (Path, "Path"):
            parser.add_argument(flag, type=Path, required=True)
        elif default.type in (bool, "bool"):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=default.default)
        else:
            parser.add_argument(flag, type=type(default.default), default=default.default)
    return Options(**vars(parser.parse_args()))


if __name__ == "__main__":
    main(parse())
