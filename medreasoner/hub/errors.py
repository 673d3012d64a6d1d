"""Turns each way in which the Hub says no into one sentence that says what to do.

Every call of huggingface_hub stands inside `asking`; a HubError is what comes out of it.

    with asking("push to tester/model"): api.create_commit(...)
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import NamedTuple

AGAIN = "run the same command again, what has arrived is not sent twice"
# status -> what to do; the Hub's own words follow
ADVICE = {
    401: "the token is missing, wrong or has expired; log in with `hf auth login`, or set HF_TOKEN",
    402: "the account's plan does not include this; choose other hardware or a paid plan "
    "(huggingface.co/settings/billing)",
    403: "the token may not do this; a change needs write permission for this namespace, reading access to "
    "the repository (huggingface.co/settings/tokens)",
    409: "it exists already or another change is under way; choose another name, or try again in a moment",
    412: "somebody changed the repository in the meantime and nothing was published; look at the change, "
    f"then {AGAIN}",
    413: "a file is too large for the Hub",
    416: "the Hub and the local cache disagree on a file's size; remove the cached repository and try again",
    429: f"too many requests; wait some minutes, then {AGAIN}",
}
# hf_xet, which moves large files by default, says only in words what the Hub answered to its request for a
# token
XET = re.compile(r"HTTP status \w{1,40} error \((\d{3})[^)]{0,80}\).{0,1000}/xet-\w{1,40}-token/")
NO_XET = f"this Hub does not store large files through Xet; set HF_HUB_DISABLE_XET=1, then {AGAIN}"
SERVER = f"the Hub has a problem of its own (status.huggingface.co); wait, then {AGAIN}"


class HubError(RuntimeError):
    """The Hub did not do what was asked; the message says what that was, what came and what to do.

    `unreachable` is True when the Hub itself did not answer, so that another source may be tried; `status` is
    the HTTP status if one came.
    """

    def __init__(self, message: str, unreachable: bool = False, status: int | None = None) -> None:
        super().__init__(message)
        self.unreachable, self.status = unreachable, status


class Request(NamedTuple):
    """What was asked of the Hub, for the sentences about what went wrong.

    Args:
        what: the deed as it stands after "could not", such as "download owner/name".
        repository, revision, filename: of what was asked for, where the call names them.
    """

    what: str
    repository: str = ""
    revision: str | None = None
    filename: str | None = None


@contextmanager
def asking(
    what: str, repository: str = "", revision: str | None = None, filename: str | None = None
) -> Iterator[None]:
    """Turn whatever huggingface_hub raises inside into a HubError; for the arguments see `Request`."""
    from httpx2 import HTTPError

    request, known = Request(what, repository, revision, filename), (HTTPError, OSError, ValueError)
    try:
        yield
    except known as error:
        raise _hub_error(error, request) from error
    except RuntimeError as error:
        if type(error) is not RuntimeError:
            raise
        # so huggingface_hub passes on what went wrong with one file of many, and hf_xet what it has no name
        # for
        cause = error.__cause__ if isinstance(error.__cause__, known) else error
        raise _hub_error(cause, request) from error


def _hub_error(error: BaseException, request: Request) -> HubError:
    for explain in (_not_found, _refused, _xet, _unreachable):
        if found := explain(error, request):
            return found
    # a full disk, a size that is not the announced one, metadata the Hub refuses
    return HubError(f"could not {request.what}: {_line(error)}")


def _not_found(error: BaseException, request: Request) -> HubError | None:
    """For a repository, revision or file that is not there, or not for this user."""
    from huggingface_hub import errors

    repository = request.repository
    if isinstance(error, errors.GatedRepoError):
        sentence = (
            f"{repository} is gated: accept its terms on its page and log in with `hf auth login` first"
        )
        return HubError(sentence, status=HTTPStatus.FORBIDDEN)
    if isinstance(error, errors.RepositoryNotFoundError):
        sentence = (
            f"there is no folder {repository!r} here and no repository of that name on the Hub that you can "
            "see; check the spelling, "
            "or log in with `hf auth login` if it is private"
        )
    elif isinstance(error, errors.RevisionNotFoundError):
        sentence = f"{repository} has no revision {request.revision!r}; leave it out for the newest"
    elif isinstance(error, errors.RemoteEntryNotFoundError):
        sentence = f"the repository {repository} holds no file {request.filename!r}"
    else:
        return None
    return HubError(sentence, status=HTTPStatus.NOT_FOUND)


def _unreachable(error: BaseException, request: Request) -> HubError | None:
    """For a Hub that did not answer. One that answered with an error counts as reached, also where that came
    out as a missing file.
    """
    from httpx2 import HTTPError
    from huggingface_hub import errors

    if isinstance(error, errors.LocalEntryNotFoundError) and isinstance(
        error.__cause__, errors.HfHubHTTPError
    ):
        return _refused(error.__cause__, request)
    if isinstance(error, errors.LocalEntryNotFoundError | errors.OfflineModeIsEnabled):
        where = f"{request.filename} of {request.repository}" if request.filename else request.repository
        why = (
            f"{where} is neither here nor whole in the local cache, and the Hub cannot be reached; connect "
            "once, or give a local folder"
        )
        return HubError(f"could not {request.what}: {why}", unreachable=True)
    if isinstance(error, HTTPError | ConnectionError | TimeoutError):
        why = f"the connection to the Hub broke ({_line(error)}); {AGAIN}"
        return HubError(f"could not {request.what}: {why}", unreachable=True)
    return None


def _refused(error: BaseException, request: Request) -> HubError | None:
    """For what the Hub answered with an HTTP status, or what needs a token and has none."""
    from huggingface_hub import errors

    if isinstance(error, errors.LocalTokenNotFoundError):
        return _with_status(HTTPStatus.UNAUTHORIZED, "", request)
    if isinstance(error, errors.HfHubHTTPError):
        said = f" (The Hub: {_line(error.server_message or error)})"
        return _with_status(error.response.status_code, said, request)
    return None


def _xet(error: BaseException, request: Request) -> HubError | None:
    """For what hf_xet, which moves large files, says in words only."""
    said = f" ({_line(error)})"
    if type(error).__name__ == "XetAuthenticationError":
        return _with_status(HTTPStatus.UNAUTHORIZED, said, request)
    if refused := XET.search(str(error)):
        status = int(refused[1])
        return _with_status(status, said, request, NO_XET if status == HTTPStatus.NOT_FOUND else None)
    return None


def _with_status(status: int, said: str, request: Request, advice: str | None = None) -> HubError:
    """The error for an HTTP status; `said` is what the Hub itself said, with a blank before it, or ""."""
    if advice is None and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        advice = SERVER
    advice = advice or ADVICE.get(status, f"the Hub answered {status}")
    return HubError(f"could not {request.what}: {advice}{'.' if said else ''}{said}", status=status)


def _line(said: object) -> str:
    return " ".join(str(said).split())[:300]
