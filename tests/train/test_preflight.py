"""`train/preflight.py`: what would fail late or train nothing is refused, with a remedy."""

from types import SimpleNamespace

import pytest

from medreasoner.geometry import INPUT_PIXELS, THOUSAND
from train.preflight import (
    PreflightError,
    check_groups,
    check_length,
    check_reports,
    check_rewards,
    check_size,
)

OPTIONS = {
    "generation_batch_size": 16,
    "num_generations": 8,
    "rewards": "mask",
    "direct_share": 0.0,
    "use_vllm": False,
}


def options(**changed) -> SimpleNamespace:
    return SimpleNamespace(**OPTIONS | changed)


def test_there_must_be_a_prompt_for_each_group_of_a_step():
    check_groups(options(), 2)
    with pytest.raises(PreflightError, match="a step takes 2 prompts and there are 1"):
        check_groups(options(), 1)


def test_a_reward_set_must_exist_and_fit_direct_answers():
    check_rewards(options(direct_share=0.1))
    with pytest.raises(PreflightError, match="expected one of paper-soft"):
        check_rewards(options(rewards="best"))
    with pytest.raises(PreflightError, match="Set direct_share to 0"):
        check_rewards(options(rewards="paper-soft", direct_share=0.1))


@pytest.mark.parametrize(
    ("side", "frame", "use_vllm", "refusal"),
    [
        (840, INPUT_PIXELS, True, None),
        (None, THOUSAND, False, None),
        (None, THOUSAND, True, "corrupt prompts in vLLM"),
        (None, INPUT_PIXELS, False, "pixels of the image as it sees it"),
    ],
)
def test_images_of_varying_sizes_fit_neither_vllm_nor_coordinates_in_input_pixels(
    side, frame, use_vllm, refusal
):
    spec = SimpleNamespace(side=side, frame=frame)
    if refusal is None:
        check_size(options(use_vllm=use_vllm), spec)
    else:
        with pytest.raises(PreflightError, match=refusal):
            check_size(options(use_vllm=use_vllm), spec)


def test_curves_can_only_go_to_what_is_installed():
    for known in ("none", ["trackio"], "trackio"):
        check_reports(SimpleNamespace(report_to=known))
    with pytest.raises(
        PreflightError, match="--report_to comet needs a package .* install comet, or take one of"
    ):
        check_reports(SimpleNamespace(report_to="comet"))


def test_a_length_that_cuts_an_answer_is_refused():
    check_length(None, iter([("unread", 10**9)]))
    check_length(60, [("a", 30), ("b", 60)])
    with pytest.raises(PreflightError, match="b takes 61 tokens .* set it to 61 or more"):
        check_length(60, [("a", 30), ("b", 61)])
