"""What visitors are told of models, without the folders of this server."""

from collections.abc import Iterator
from contextlib import contextmanager

from medreasoner.messages import without_paths
from medreasoner.reasoners.base import ReasonerError
from medreasoner.segmenters.base import SegmenterError


def public_name(name: str) -> str:
    """A model's Hub id, or the last two parts of its folder."""
    return "/".join(name.rstrip("/").split("/")[-2:])


@contextmanager
def hiding_paths() -> Iterator[None]:
    """What a model refuses, without the folders of this server."""
    try:
        yield
    except (ReasonerError, SegmenterError) as error:
        raise type(error)(without_paths(str(error))) from error
