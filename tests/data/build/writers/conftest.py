from collections.abc import Iterator

import pytest

from tests.data.build.writers.chat_server import ChatServer, running


@pytest.fixture
def served() -> ChatServer:
    return ChatServer()


@pytest.fixture
def url(served) -> Iterator[str]:
    with running(served) as address:
        yield address
