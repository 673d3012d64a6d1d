"""`train/embedded/create.py`: a model that goes on from an earlier one answers at first as that one does."""

import json

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForImageTextToText, AutoProcessor, BertConfig, BertModel

from medreasoner.manifest import EMBEDDED_FOLDER, Manifest
from tests import tiny_medreasoner
from train.embedded.create import create, load_sentence_encoder
from train.embedded.vocabulary import NOWHERE

PIECES = ("[PAD]", "[UNK]", "which", "organ", "##s", "kid", "##ney", "?")


@pytest.fixture(scope="module")
def sentence_encoder(tmp_path_factory):
    """A folder like that of the pretrained one, with random weights and few pieces."""
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    size = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
    model = BertModel(BertConfig(vocab_size=len(PIECES), max_position_embeddings=512, **size))
    save_file(model.state_dict(), folder / "model.safetensors")
    vocabulary = {piece: number for number, piece in enumerate(PIECES)}
    whole = {
        "type": "WordPiece",
        "vocab": vocabulary,
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
    }
    whole["max_input_chars_per_word"] = 100
    parts = {"normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "BertPreTokenizer"}}
    (folder / "tokenizer.json").write_text(json.dumps({"version": "1.0", "model": whole} | parts))
    return folder


def test_a_start_answers_as_the_model_it_goes_on_from(sentence_encoder, tmp_path):
    create(EMBEDDED_FOLDER, sentence_encoder, tmp_path / "start")
    load = AutoModelForImageTextToText.from_pretrained
    earlier, start = (
        load(each, dtype=torch.float32).eval() for each in (EMBEDDED_FOLDER, tmp_path / "start")
    )
    processor = AutoProcessor.from_pretrained(tmp_path / "start")
    text = processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Which organ?"}]}],
        add_generation_prompt=True,
    )
    text = text.replace("<image>", "<image>" * 256)
    ids = processor.tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
    for model in (earlier, start):
        model.config.openings = ()  # its rule would leave one token to compare
    pixels = torch.rand(1, 3, 512, 512, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before, after = (
            model(input_ids=ids, pixel_values=pixels, use_cache=False).logits[0, -1]
            for model in (earlier, start)
        )
    known = processor.tokenizer.convert_tokens_to_ids(NOWHERE)
    assert torch.allclose(before[:known], after[:known], atol=1e-3)
    assert Manifest.read(tmp_path / "start").absence
    record = json.loads((tmp_path / "start" / "run.json").read_text())
    assert record == json.loads((EMBEDDED_FOLDER / "run.json").read_text()), "how it was trained is forgotten"
    assert len(processor.tokenizer(NOWHERE, add_special_tokens=False).input_ids) == 1


def test_a_token_starts_as_the_pieces_the_sentence_encoder_writes_it_with(sentence_encoder):
    model, tokenizer = tiny_medreasoner.model(), tiny_medreasoner.tokenizer()
    config = model.config.question_config
    model.model.question_encoder = BertModel(
        BertConfig(
            **(config.to_dict() | {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12})
            | {"intermediate_size": 1536}
        ),
        add_pooling_layer=False,
    )
    load_sentence_encoder(model, sentence_encoder, tokenizer)
    from safetensors.torch import load_file

    pretrained = load_file(sentence_encoder / "model.safetensors")["embeddings.word_embeddings.weight"]
    rows = model.model.question_encoder.embeddings.word_embeddings.weight
    kidney = tokenizer(" kidney", add_special_tokens=False).input_ids
    assert len(kidney) == 1
    expected = pretrained[[PIECES.index("kid"), PIECES.index("##ney")]].mean(0)
    assert torch.allclose(rows[kidney[0]], expected)
