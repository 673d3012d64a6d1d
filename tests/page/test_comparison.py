"""Two models asked the same."""

from medreasoner.imaging import load_image
from medreasoner.page.answer_view import status
from medreasoner.page.comparison import both_updates
from medreasoner.page.session import Session
from medreasoner.page.updates import run_updates


def test_a_model_that_fails_leaves_the_other_ones_answer(model, image_file):
    session = Session(load_image(image_file))
    refused = iter([{"status": status("error", "No GPU."), "comparison": {"name": "second"}}])
    session.begin("a run", model.provenance("What is bright?"), compared=True)
    heard = list(
        both_updates(
            run_updates(model.stream(session.loaded.image, "What is bright?"), session),
            (value for value in refused),
        )
    )
    assert heard[-2] == {"comparison": {"name": "second", "problem": "No GPU."}}
    assert heard[-1]["status"]["phase"] == "done", "the first one is there"
    assert not any(values.get("status", {}).get("phase") == "done" for values in heard[:-1]), (
        "done before the second was asked"
    )
