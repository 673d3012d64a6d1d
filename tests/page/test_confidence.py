"""How sure the model is, from samples of its answer."""

from medreasoner.geometry import Grounding
from medreasoner.page.confidence import confidence_value

WHERE = Grounding((10.4, 20, 50, 80), ((20, 30), (40, 60)))


def test_samples_are_held_against_the_models_own_answer_also_after_a_correction():
    boxes = [WHERE.box, (0.0, 0.0, 5.0, 5.0), None]
    said = confidence_value(boxes, WHERE.box, 5, 3.25)
    assert [(row["name"], row["text"]) for row in said["rows"]] == [
        ("Agreement", "1 of 3 samples"),
        ("Pairs", "0.00"),
    ]
    assert "1 could not be read" in said["rows"][0]["aside"] and len(said["boxes"]) == 2
    assert (
        "3 came" in said["note"]
        and "temperature 1" in said["note"]
        and "3.2 s" in confidence_value(boxes, WHERE.box, 3, 3.25)["note"]
    )
