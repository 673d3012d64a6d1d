"""Each way in which the Hub says no, as one sentence that says what to do.

Is: `asking`, around every call of huggingface_hub, and HubError, what comes out of it.
Is not: any call; those are in `pull.py`, `push.py` and the Space's deployment.

    with asking("push to tester/model"): api.create_commit(...)
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

AGAIN = "run the same command again, what has arrived is not sent twice"
# status -> what to do; the Hub's own words follow
SENTENCES = {
    401: "the token is missing, wrong or has expired; log in with `hf auth login`, or set HF_TOKEN",
    402: "the account's plan does not include this; choose other hardware or a paid plan (huggingface.co/settings/billing)",
    403: "the token may not do this; it needs write permission for this namespace (huggingface.co/settings/tokens)",
    409: "it exists already or another change is under way; choose another name, or try again in a moment",
    412: f"somebody changed the repository in the meantime and nothing was published; look at the change, then {AGAIN}",
    413: "a file is too large for the Hub",
    416: "the Hub and the local cache disagree on a file's size; remove the cached repository and try again",
    429: f"too many requests; wait some minutes, then {AGAIN}",
}
# hf_xet, which moves large files by default, says only in words what the Hub answered to its request for a token
XET = re.compile(r"HTTP status \w+ error \((\d{3})[^)]*\).*/xet-\w+-token/")
NO_XET = f"this Hub does not store large files through Xet; set HF_HUB_DISABLE_XET=1, then {AGAIN}"
SERVER = f"the Hub has a problem of its own (status.huggingface.co); wait, then {AGAIN}"


class HubError(RuntimeError):
    """The Hub did not do what was asked; the message says what that was, what came and what to do.

    `unreachable` is True when the Hub itself did not answer, so that another source may be tried; `status` is the HTTP status if one came.
    """

    def __init__(self, message: str, unreachable: bool = False, status: int | None = None):
        super().__init__(message)
        self.unreachable, self.status = unreachable, status


@contextmanager
def asking(
    what: str, repository: str = "", revision: str | None = None, filename: str | None = None
) -> Iterator[None]:
    """Turn whatever huggingface_hub raises inside into a HubError.

    Args:
        what: the deed as it stands after "could not", such as "download owner/name".
        repository, revision, filename: what was asked for, for the sentences about what does not exist.
    """
    from httpx2 import HTTPError

    known = (HTTPError, OSError, ValueError)
    try:
        yield
    except known as error:
        raise _told(error, what, repository, revision, filename) from error
    except RuntimeError as error:
        if type(error) is not RuntimeError:
            raise
        # so huggingface_hub passes on what went wrong with one file of many, and hf_xet what it has no name for
        cause = error.__cause__ if isinstance(error.__cause__, known) else error
        raise _told(cause, what, repository, revision, filename) from error


def _told(
    error: BaseException, what: str, repository: str, revision: str | None, filename: str | None
) -> HubError:
    from httpx2 import HTTPError
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return HubError(
            f"{repository} is gated: accept its terms on its page and log in with `hf auth login` first",
            status=403,
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        sentence = (
            f"there is no folder {repository!r} here and no repository of that name on the Hub that you can see; check the spelling, "
            "or log in with `hf auth login` if it is private"
        )
        return HubError(sentence, status=404)
    if isinstance(error, errors.RevisionNotFoundError):
        return HubError(f"{repository} has no revision {revision!r}; leave it out for the newest", status=404)
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return HubError(f"the repository {repository} holds no file {filename!r}", status=404)
    if isinstance(error, errors.LocalTokenNotFoundError):
        return HubError(f"could not {what}: {SENTENCES[401]}", status=401)
    if isinstance(error, errors.LocalEntryNotFoundError | errors.OfflineModeIsEnabled):
        where = f"{filename} of {repository}" if filename else repository
        why = f"{where} is neither here nor whole in the local cache, and the Hub cannot be reached; connect once, or give a local folder"
        return HubError(f"could not {what}: {why}", unreachable=True)
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code
        return HubError(f"could not {what}: {_sentence(status)}. {_words(error)}", status=status)
    if isinstance(error, HTTPError):
        return HubError(
            f"could not {what}: the connection to the Hub broke ({error}); {AGAIN}", unreachable=True
        )
    if refused := XET.search(str(error)):
        status = int(refused[1])
        return HubError(
            f"could not {what}: {NO_XET if status == 404 else _sentence(status)}. ({_line(error)})",
            status=status,
        )
    if type(error).__name__ == "XetAuthenticationError":
        return HubError(f"could not {what}: {SENTENCES[401]}. ({_line(error)})", status=401)
    if isinstance(error, ConnectionError | TimeoutError):
        return HubError(
            f"could not {what}: the connection to the Hub broke ({_line(error)}); {AGAIN}", unreachable=True
        )
    # a full disk, a size that is not the announced one, metadata the Hub refuses
    return HubError(f"could not {what}: {_line(error)}")


def _sentence(status: int) -> str:
    if status >= 500:
        return SERVER
    return SENTENCES.get(status, f"the Hub answered {status}")


def _words(error: "HfHubHTTPError") -> str:
    """What the Hub itself said, on one line."""
    return f"(The Hub: {_line(error.server_message or error)})"


def _line(said: object) -> str:
    return " ".join(str(said).split())[:300]
