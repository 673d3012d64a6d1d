"""`data publish`: a set of samples for the Hub."""

from dataclasses import dataclass
from pathlib import Path

from medreasoner.commands.base import FINE, OURS, UsageError, argument, option, say


@dataclass(frozen=True, kw_only=True)
class Publish:
    """Write a set of samples as parquet files with a card and, if asked, push them to the Hub."""

    folder: Path = argument("folder with samples.jsonl", Path)
    out: Path = option("folder for the parquet files and the card", kind=Path, shown="DIR")
    reviewed: bool = option(
        "only what was accepted or edited in the review, with the edits, and nothing anybody rejected", False
    )
    push_to_hub: str | None = option("push it to this data set of the Hub", None, shown="USER/NAME")
    private: bool = option("make that data set private if it is made now", False)

    def run(self) -> int:
        from medreasoner.data.publish.publish_set import publish_set

        if self.private and self.push_to_hub is None:
            raise UsageError(
                "--private says how to make a data set on the Hub; give --push-to-hub USER/NAME too"
            )
        report = publish_set(self.folder, self.out, self.reviewed)
        for skipped in report["skipped"]:
            say(f"skipped {skipped}")
        if not self.reviewed and any((self.folder / "reviews").glob("*.jsonl")):
            say(f"{self.folder} has been reviewed; --reviewed leaves out what was rejected")
        left_out = "".join(f", {number} {reason}" for reason, number in report["left_out"].items())
        written = ", ".join(f"{number} {split}" for split, number in report["samples"].items())
        print(f"{written}{left_out}; {report['bytes'] / 1e6:.1f} MB in {self.out}")
        return FINE if self.push_to_hub is None else self._push()

    def _push(self) -> int:
        """Bring the Hub's data set to the state of the folder."""
        from medreasoner.hub.errors import HubError
        from medreasoner.hub.push import push_folder

        try:
            pushed = push_folder(
                self.out, self.push_to_hub, "dataset", private=self.private, prune=["data/*.parquet"]
            )
        except HubError as error:
            say(f"{error}\nThe set is whole in {self.out}.")
            return OURS
        print("\n".join(pushed.lines()))
        return FINE
