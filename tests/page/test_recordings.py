"""Recorded runs of the examples."""

from medreasoner.imaging import load_image
from medreasoner.page.examples import load_examples
from medreasoner.page.recordings import load_recordings
from medreasoner.reasoners.replay import image_key


def test_the_recordings_that_come_along_are_of_the_examples():
    recordings = load_recordings()
    asked = {(image_key(load_image(example.image).image), example.question) for example in load_examples()}
    assert set(recordings) <= asked
