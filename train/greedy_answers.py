"""Greedy answers of a trained model to a list of samples, in batches; written down, so that no model answers
twice."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import AutoModelForImageTextToText

from medreasoner.data.sample import Sample
from medreasoner.prompts import messages
from train.bf16 import rollout
from train.image_features import ImageFeatures
from train.model_spec import open_model_spec

BATCH = 16
LONGEST = 192  # tokens of an answer
KEY_DIGITS = 16


@torch.no_grad()
def answer(
    folder: Path, samples: Sequence[Sample], features: ImageFeatures | None, think: bool, bf16: bool = False
) -> list[str]:
    """The answer to each sample, in the fp32 that is used at inference on a CPU, or in bf16.

    Args:
        features: cached outputs of the model's frozen image encoder.
    """
    spec = open_model_spec(str(folder))
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    if features is not None:
        features.attach(model)
    generate = rollout(model) if bf16 else model.generate
    texts = []
    for start in tqdm(range(0, len(samples), BATCH), desc=folder.name, mininterval=5):
        chats = []
        for sample in samples[start : start + BATCH]:
            chat = messages(spec.prompt.text(sample.question, think), spec.prompt.system)
            chat[-1]["content"][0]["image"] = spec.resize(sample.load_image())
            chats.append(chat)
        inputs = spec.processor.apply_chat_template(
            chats,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            processor_kwargs={"return_tensors": "pt", "padding": True},
        )
        out = generate(**inputs, do_sample=False, max_new_tokens=LONGEST)
        written = out[:, inputs["input_ids"].shape[1] :]
        texts += spec.processor.batch_decode(written, skip_special_tokens=True)
    return texts


def saved_or_new(
    out: Path, folder: Path, samples: Sequence[Sample], label: str, make: Callable[[], list[str]]
) -> list[str]:
    """The answers in `out` of an earlier call with the same weights, samples and label, else those of
    `make()`, which are written there."""
    weights = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        weights.update(hashlib.file_digest(path.open("rb"), "sha256").digest())
    asked = json.dumps([(sample.id, sample.question) for sample in samples])
    key = hashlib.sha256((weights.hexdigest() + label + asked).encode()).hexdigest()[:KEY_DIGITS]
    path = out / f"{key}.jsonl"
    if path.exists():
        return [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
    texts = make()
    lines = [
        json.dumps({"id": sample.id, "question": sample.question, "text": text, "model": folder.name})
        for sample, text in zip(samples, texts, strict=True)
    ]
    out.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return texts
