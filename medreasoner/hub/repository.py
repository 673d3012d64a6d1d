"""Reads what a Hub repository holds now, and tells a card that a program wrote from somebody's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medreasoner.hub.errors import asking
from medreasoner.hub.pull import hub_digest

if TYPE_CHECKING:
    from huggingface_hub import HfApi

CARD = "README.md"
# in a card that this project wrote; without the line it is somebody's own text and is never overwritten
MARKER = "<!-- Written by medreasoner. Take this line out to keep your own text. -->"
STUB = "generated_from_trainer"  # the tag in what transformers and TRL write of themselves


@dataclass(frozen=True)
class Repository:
    """A Hub repository as it is.

    Args:
        commit: of its main branch.
        files: path -> the Hub's name of its content, see `pull.hub_digest`.
        private: whether only its owner sees it.
        card: the text of its README.md, None where there is none.
    """

    commit: str
    files: Mapping[str, str]
    private: bool
    card: str | None

    @property
    def own_card(self) -> bool:
        """Whether its card is somebody's own text, which is never overwritten."""
        return self.card is not None and not is_ours(self.card)

    def holds(self, name: str, path: Path) -> bool:
        """Whether its file `name` has the content of `path`."""
        content = self.files.get(name)
        return content is not None and hub_digest(path, like=content) == content


def read_repository(api: "HfApi", repo_id: str, repo_type: str) -> Repository | None:
    """The repository as it is now, None where there is none. Errors: HubError."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import RepositoryNotFoundError

    with asking(f"look at {repo_id}", repo_id):
        try:
            info = api.repo_info(repo_id, repo_type=repo_type, files_metadata=True)
        except RepositoryNotFoundError:
            return None
        files = {each.rfilename: each.lfs.sha256 if each.lfs else each.blob_id for each in info.siblings}
        card = None
        if CARD in files:
            path = hf_hub_download(repo_id, CARD, repo_type=repo_type, revision=info.sha)
            card = Path(path).read_text(encoding="utf-8")
    return Repository(info.sha, files, bool(info.private), card)


def is_ours(card: str) -> bool:
    """Whether a program wrote this card, so that it may be written anew."""
    return MARKER in card or STUB in card


def visibility(private: bool) -> str:
    """For a sentence about a repository."""
    return "private" if private else "public"
