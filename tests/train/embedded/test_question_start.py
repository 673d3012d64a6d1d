"""`train/embedded/question_start.py`: a model that goes on from an earlier one hears its words where they were."""

import torch

from tests import tiny_medreasoner
from train.embedded.question_start import fit, mean_state, padded, question_pairs, ridge


def test_a_token_is_expected_where_the_tokens_are_that_share_a_letter_with_it():
    """Under the same tokenizer a token shares its letters with itself alone."""
    tokenizer, *_ = tiny_medreasoner.vocabulary()
    numbers = torch.arange(len(tokenizer), dtype=torch.float32)[:, None]
    for pair in question_pairs(tokenizer, numbers, tokenizer)[:50]:
        assert pair.wanted[:, 0].tolist() == pair.ids.tolist()


def test_the_projector_starts_at_least_squares_and_the_encoder_comes_nearer():
    model, (tokenizer, *_) = tiny_medreasoner.model(), tiny_medreasoner.vocabulary()
    torch.manual_seed(0)
    embeddings = torch.randn(len(tokenizer), model.config.text_config.hidden_size)
    pairs = question_pairs(tokenizer, embeddings, tokenizer)[:60]
    core = model.model

    def error() -> float:
        with torch.no_grad():
            states = [core.question_encoder(input_ids=pair.ids[None]).last_hidden_state[0] for pair in pairs]
            wanted = torch.cat([pair.wanted for pair in pairs])
            return float((core.question_projector(torch.cat(states)) - wanted).square().sum())

    with torch.no_grad():
        states = [core.question_encoder(input_ids=pair.ids[None]).last_hidden_state[0] for pair in pairs]
    x = torch.cat([torch.cat(states), torch.ones(sum(map(len, states)), 1)], 1)
    y = torch.cat([pair.wanted for pair in pairs])
    least = float((x @ torch.linalg.lstsq(x, y).solution - y).square().sum())
    ridge(model, pairs)
    linear = error()
    fit(model, pairs, steps=30)
    assert least <= linear < 1.05 * least and error() < linear
    assert not any(parameter.any() for parameter in core.sentence_projector.parameters())


def test_padding_counts_in_no_mean():
    tokenizer, *_ = tiny_medreasoner.vocabulary()
    pairs = question_pairs(tokenizer, torch.zeros(len(tokenizer), 2), tokenizer)[:5]
    ids, _, mask = padded(pairs)
    means = mean_state(ids[..., None].float(), mask)[:, 0]
    assert torch.allclose(means, torch.tensor([pair.ids.float().mean() for pair in pairs]))
