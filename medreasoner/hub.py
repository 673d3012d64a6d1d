"""Model files from the Hugging Face Hub, or from where they already lie.

Is: the one place that talks to the Hub for models; a repository id or a local folder goes in, a local path comes out.
Is not: a model loader; what lies in the folder is read by `reasoners/` and `segmenters/`.

The Hub's own environment variables hold here too: HF_HUB_OFFLINE, HF_ENDPOINT, HF_TOKEN, HF_HOME.
"""

import re
from pathlib import Path

REPOSITORY = re.compile(r"[\w.-]+(/[\w.-]+)?")
# everything a model folder may hold but weights that run code when they are read (.bin, .pt, .pth)
MODEL_FILES = ["*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "README.md", "LICENSE*"]


class HubError(RuntimeError):
    """The files could not be had; the message says what was asked for, what came and what to do. `unreachable` is True when the Hub
    itself did not answer, so that another source may be tried."""

    def __init__(self, message: str, unreachable: bool = False):
        super().__init__(message)
        self.unreachable = unreachable


def fetch_folder(id_or_folder: str | Path, revision: str | None = None) -> Path:
    """The local folder of a model: `id_or_folder` itself if it is a folder, else a snapshot of that Hub repository.

    Args:
        id_or_folder: "owner/name" on the Hub, or a path.
        revision: branch, tag or commit of the repository; has no meaning for a folder.

    Errors: HubError.
    """
    folder = Path(id_or_folder).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise HubError(f"{folder} is a file; expected a model's folder or a Hub id")
    repository = _repository(id_or_folder)
    from huggingface_hub import snapshot_download

    return Path(_ask(repository, revision, lambda: snapshot_download(repository, revision=revision, allow_patterns=MODEL_FILES)))


def fetch_file(repository: str, filename: str, revision: str | None = None) -> Path:
    """One file of a Hub repository, as a local path. Errors: HubError."""
    from huggingface_hub import hf_hub_download

    repository = _repository(repository)
    return Path(_ask(repository, revision, lambda: hf_hub_download(repository, filename, revision=revision), filename))


def _repository(name: str | Path) -> str:
    if not REPOSITORY.fullmatch(str(name)) or str(name).startswith("."):
        raise HubError(f"there is no folder {str(name)!r}, and it is no Hub id either; expected a folder or an id like 'owner/name'")
    return str(name)


def _ask(repository: str, revision: str | None, fetch, filename: str | None = None) -> str:
    """Run `fetch`, and put each way in which the Hub says no into one sentence."""
    from httpx2 import TransportError
    from huggingface_hub import errors

    what = repository if filename is None else f"{filename} of {repository}"
    try:
        return fetch()
    except errors.GatedRepoError as error:
        raise HubError(f"{repository} is gated: accept its terms on its page and log in with `hf auth login` first") from error
    except errors.RepositoryNotFoundError as error:
        raise HubError(
            f"there is no folder {repository!r} here and no public repository of that name on the Hub; check the spelling, "
            "or log in with `hf auth login` if it is private"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise HubError(f"{repository} has no revision {revision!r}; leave it out for the newest") from error
    except errors.RemoteEntryNotFoundError as error:
        raise HubError(f"the repository {repository} holds no file {filename!r}") from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, TransportError) as error:
        raise HubError(
            f"{what} is neither a folder here nor in the local cache, and the Hub cannot be reached; connect once, or give a local folder",
            unreachable=True,
        ) from error
    except errors.HfHubHTTPError as error:
        raise HubError(f"the Hub did not hand out {what}: {str(error).splitlines()[0]}") from error
