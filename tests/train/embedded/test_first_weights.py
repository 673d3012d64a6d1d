"""`train/embedded/first_weights.py`: what an embedded VLM takes over from an earlier one."""

import torch

from tests import tiny_medreasoner
from train.embedded.first_weights import fit_question_projector, paired_states


def test_a_question_starts_as_near_to_the_earlier_words_as_a_linear_map_can_bring_it():
    """The error of the fitted projector is that of least squares, and far below that of the mean word."""
    model, (tokenizer, *_) = tiny_medreasoner.model(), tiny_medreasoner.vocabulary()
    embeddings = torch.randn(len(tokenizer), model.config.text_config.hidden_size)
    with torch.no_grad():
        states, wanted = paired_states(model, tokenizer, embeddings, tokenizer)
        fit_question_projector(model, tokenizer, embeddings, tokenizer)
        error = (model.model.question_projector(states) - wanted).square().sum()
        ones = torch.cat([states, torch.ones(len(states), 1)], 1)
        best = (ones @ torch.linalg.lstsq(ones, wanted).solution - wanted).square().sum()
    assert best <= error < 1.01 * best < 0.9 * (wanted - wanted.mean(0)).square().sum()
    assert not any(parameter.any() for parameter in model.model.sentence_projector.parameters())


def test_a_token_is_paired_with_the_tokens_that_share_a_letter_with_it():
    model, (tokenizer, *_) = tiny_medreasoner.model(), tiny_medreasoner.vocabulary()
    numbers = torch.arange(len(tokenizer), dtype=torch.float32)[:, None]
    with torch.no_grad():
        states, wanted = paired_states(model, tokenizer, numbers, tokenizer)
    assert states.shape == (len(wanted), model.config.question_config.hidden_size)
    assert set(wanted[:, 0].tolist()) <= set(numbers[:, 0].tolist())  # the same tokenizer: each with itself
