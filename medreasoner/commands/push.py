"""`push`: a trained folder into a repository on the Hub."""

from dataclasses import dataclass
from pathlib import Path

from medreasoner.commands.base import FINE, INPUT, OURS, UsageError, argument, option, say

SERVER_ERROR = 500  # HTTP statuses from here on are the Hub's fault


@dataclass(frozen=True, kw_only=True)
class PushModel:
    """Publish a model's folder on the Hugging Face Hub, private unless told otherwise. Running it again sends
    only what changed.
    """

    folder: Path = argument("folder of the model or PEFT adapter", Path)
    repository: str = argument("USER/NAME on the Hub")
    evaluation: Path | None = option(
        "output folder of evaluate, for the card; unmeasured without it", None, Path, "DIR"
    )
    licence: str | None = option("of the weights, for the card: apache-2.0, cc-by-sa-4.0, …", None, shown="L")
    dataset: str | None = option("id on the Hub of the data set that was evaluated on", None, shown="ID")
    segmenter: str | None = option(
        "a segmenter's folder to send along, or its id on the Hub", None, shown="ID_OR_FOLDER"
    )
    base: str | None = option(
        "id on the Hub of the model it was trained from, for the card", None, shown="ID"
    )
    tag: str | None = option("tag the commit", None, shown="T")
    public: bool = option("make a new repository public", False)
    create_pr: bool = option("open a pull request instead of changing main", False)
    dry_run: bool = option("list every call and file, and do nothing", False)

    def run(self) -> int:
        from medreasoner.hub.errors import HubError
        from medreasoner.hub.publish import PublishError, publish

        try:
            push = publish(
                self.folder,
                self.repository,
                self.evaluation,
                licence=self.licence,
                dataset=self.dataset,
                segmenter=self.segmenter,
                base=self.base,
                private=not self.public,
                create_pr=self.create_pr,
                dry_run=self.dry_run,
                tag=self.tag,
            )
        except PublishError as error:
            raise UsageError(str(error)) from error
        except HubError as error:
            say(str(error))
            return OURS if error.unreachable or (error.status or 0) >= SERVER_ERROR else INPUT
        print("\n".join(push.lines()))
        return FINE
