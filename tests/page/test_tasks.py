"""What a visitor has set going with one image."""

from contextlib import closing

import pytest

from medreasoner.page.tasks import Tasks


@pytest.fixture
def tasks() -> Tasks:
    return Tasks("image")


def test_a_click_is_a_task_of_the_image_that_it_was_meant_for(tasks):
    assert tasks.of({"task": "click", "image": "image"}) == "click"
    for other in ({"task": "click", "image": "another"}, {"task": "", "image": "image"}, {}):
        assert tasks.of(other) is None


def test_a_task_is_over_once_it_was_stopped_or_another_image_is_open(tasks):
    tasks.ended.add("first")
    assert tasks.of({"task": "first", "image": "image"}) is None
    assert not tasks.is_over("second")
    tasks.closed = True
    assert tasks.is_over("second") and tasks.of({"task": "second", "image": "image"}) is None


def test_an_unforeseen_error_is_a_failed_run_and_a_visitor_who_leaves_is_none(tasks):
    def run(name: str):
        with tasks.recording_failure(name):
            yield

    with pytest.raises(ZeroDivisionError), tasks.recording_failure("broken"):
        raise ZeroDivisionError
    assert tasks.failed_run == "broken"
    with closing(run("left")) as left:
        next(left)
    assert tasks.failed_run is None
