"""Creates the untrained embedded VLM: a small LLaVA of transformers' classes with SAM 2's image encoder.

Writes tokenizer, processor, configuration, initial weights and the files beside them as a folder in the
format of a Hub repository.

    python -m train.embedded.create --sam2 FILE --out runs/start [--features runs/features]

The tower is a frozen `Sam2VisionModel` at 512 px; its last stage, 16 x 16 x 768, gives 256 image tokens.
Every whole number 0..255 is one token, so that a coordinate is one prediction. With --features the projector
starts from the mean and spread of cached features. Training: `train/embedded/sft.py`.
"""

import argparse
import json
import random
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Sam2Model,
    Sam2VisionConfig,
)

from medreasoner.data.build.writers.offline import BRIGHTNESS, SHAPES, Measured, reasoning
from medreasoner.data.taxonomy import categories
from medreasoner.geometry import EMBEDDED
from medreasoner.manifest import Manifest
from medreasoner.prompts import Prompt
from medreasoner.segmenters.sam2_model import image_processor
from medreasoner.text.places import HEIGHTS, SIDES, SIZES
from train.embedded.features import FeatureCache
from train.embedded.sam2 import SIDE, load_sam2

SPECIAL = ["<pad>", "<image>", "<|im_start|>", "<|im_end|>"]
WHOLE_TOKENS = [  # parts of the answer format that are one token each
    "<think>",
    "</think>",
    "<answer>",
    "</answer>",
    '{"bbox": [',
    '], "points_1": [',
    '], "points_2": [',
    "]}",
]
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for part in m['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
    "<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PROMPT = {"think": "{question}", "direct": "{question}\nAnswer only."}


def corpus() -> list[str]:
    """The text the vocabulary is trained on: questions and reasonings of every category, without the
    held-back wordings."""
    lines = []
    for c in categories().values():
        for text in (*c.questions, *c.look, *c.place, *c.role):
            lines += (
                [text.replace("{side}", side) for side in ("left", "right")] if "{side}" in text else [text]
            )
        rng = random.Random(c.name)
        for size, shape, bright in zip(SIZES, SHAPES, BRIGHTNESS, strict=False):
            lines.append(
                reasoning(c, Measured(rng.choice(SIDES), rng.choice(HEIGHTS), size, shape, bright), rng)
            )
    return lines + [line.lower() for line in lines]


def tokenizer(vocab_size: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE trained on `corpus`, plus one token for each number 0..255 and each part of the
    answer format."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    numbers = [str(n) for n in range(int(EMBEDDED.limit) + 1)]
    bpe_size = vocab_size - len(WHOLE_TOKENS) - len(numbers)
    raw.train_from_iterator(
        corpus(),
        trainers.BpeTrainer(
            vocab_size=bpe_size,
            special_tokens=SPECIAL,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            min_frequency=2,
            show_progress=False,
        ),
    )
    raw.add_tokens([AddedToken(text, normalized=False) for text in (*WHOLE_TOKENS, *numbers)])
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="<pad>",
        eos_token="<|im_end|>",
        padding_side="left",
        additional_special_tokens=["<image>", "<|im_start|>"],
        model_max_length=4096,
        clean_up_tokenization_spaces=False,
    )


def initialise(
    model: LlavaForConditionalGeneration,
    tok: PreTrainedTokenizerFast,
    features: FeatureCache | None,
    seed: int,
) -> None:
    """Set the first weights: embeddings of the numbers are smooth random curves over 0..255, so that
    neighbours are alike; the projector's first layer standardises the image features."""
    table = model.get_input_embeddings().weight.data
    ids = torch.tensor([tok.convert_tokens_to_ids(str(n)) for n in range(256)])
    generator = torch.Generator().manual_seed(seed)
    waves = (
        torch.linspace(0, 1, 256)[:, None] * torch.rand(table.shape[1], generator=generator) * 40
        + torch.rand(table.shape[1], generator=generator) * 7
    )
    table[ids] = waves.sin() * table.std() * 1.4
    if features is None:
        return
    keys = list(features.rows)[:: max(1, len(features.rows) // 200)]
    sample = torch.stack([features.get(key) for key in keys]).float().flatten(0, 2)
    mean, std = sample.mean(0), sample.std(0)
    linear = model.model.multi_modal_projector.linear_1
    weight = torch.randn(linear.weight.shape, generator=generator) / linear.in_features**0.5
    linear.weight.data = weight / std
    linear.bias.data = -(weight / std) @ mean


def create(
    sam2: Sam2Model,
    out: Path,
    features: FeatureCache | None,
    *,
    layers: int,
    hidden: int,
    intermediate: int,
    vocab_size: int,
    seed: int = 0,
) -> LlavaForConditionalGeneration:
    """Build the model and write its folder `out`; returns the model with the vision tower frozen."""
    torch.manual_seed(seed)
    tok = tokenizer(vocab_size)
    image_id, eos, pad = (tok.convert_tokens_to_ids(t) for t in ("<image>", "<|im_end|>", "<pad>"))
    text = Qwen3Config(
        vocab_size=(len(tok) + 31) // 32 * 32,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        num_key_value_heads=hidden // 64,
        head_dim=64,
        intermediate_size=intermediate,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        pad_token_id=pad,
        eos_token_id=eos,
        bos_token_id=None,
    )
    vision = sam2.config.vision_config.to_dict() | {"hidden_size": 768}
    config = LlavaConfig(
        vision_config=Sam2VisionConfig(**vision),
        text_config=text,
        image_token_index=image_id,
        image_seq_length=256,
        vision_feature_layer=12,
        vision_feature_select_strategy="full",
        tie_word_embeddings=True,
        pad_token_id=pad,
        eos_token_id=eos,
    )
    model = LlavaForConditionalGeneration(config)
    model.model.vision_tower.load_state_dict(sam2.vision_encoder.state_dict())
    model.model.vision_tower.requires_grad_(False)
    initialise(model, tok, features, seed)
    model.generation_config = GenerationConfig(
        max_new_tokens=192, pad_token_id=pad, eos_token_id=eos, do_sample=False
    )
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out)
    LlavaProcessor(
        image_processor=image_processor(SIDE),
        tokenizer=tok,
        patch_size=32,
        vision_feature_select_strategy="full",
        chat_template=CHAT_TEMPLATE,
        num_additional_image_tokens=0,
    ).save_pretrained(out)
    (out / "prompt.json").write_text(json.dumps(PROMPT, indent=1) + "\n")
    manifest = Manifest(frame=EMBEDDED, segmenter="segmenter", prompt_sha256=Prompt(**PROMPT).sha256)
    (out / "medreasoner.json").write_text(manifest.dumps())
    return model


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sam2", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--features", type=Path)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--hidden", type=int, default=320)
    parser.add_argument("--intermediate", type=int, default=960)
    parser.add_argument("--vocab-size", type=int, default=4096)
    parser.add_argument("--seed", type=int, default=0, help="of the first weights")
    a = parser.parse_args()
    features = FeatureCache(a.features) if a.features else None
    sizes = {name: getattr(a, name) for name in ("layers", "hidden", "intermediate", "vocab_size", "seed")}
    model = create(load_sam2(a.sam2), a.out, features, **sizes)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    vocabulary = model.config.text_config.vocab_size
    print(f"{a.out}: {trained / 1e6:.2f} M trainable parameters, vocabulary {vocabulary}")
