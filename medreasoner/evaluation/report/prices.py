"""What a run cost, from prices that the reader of the report gives.

Is: the file of prices and the arithmetic. Is not: a list of prices; none is known here, and where none is given the cost is not known.

    python -m medreasoner report runs/gpt runs/evaluation --prices prices.yaml --out report.html

prices.yaml (or JSON), with one entry for each model as its run names it:

    currency: USD
    models:
      "openai:NAME": {input: PER_MILLION, output: PER_MILLION}    # tokens sent and written
      embedded: {hour: PER_HOUR}                                  # of the machine, or of each GPU, while the run lasted
"""

from dataclasses import dataclass
from pathlib import Path

from medreasoner.data.load import DataError

KEYS = {"input", "output", "hour"}
UNKNOWN = "not known"


@dataclass(frozen=True)
class Price:
    """In some currency: a million tokens sent, a million written, an hour of the machine; None where it costs nothing of the kind."""

    input: float | None = None
    output: float | None = None
    hour: float | None = None


@dataclass(frozen=True)
class Prices:
    """Prices by the name of the model."""

    currency: str
    models: dict[str, Price]

    @staticmethod
    def none() -> "Prices":
        """Nothing is known."""
        return Prices("", {})

    @staticmethod
    def read(path: Path) -> "Prices":
        """Errors: DataError for a file that is not as the head of this module says."""
        import yaml

        try:
            told = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise DataError(f"{path} cannot be read as prices ({error})") from error
        models = told.get("models") if isinstance(told, dict) else None
        if not isinstance(models, dict) or not isinstance(told.get("currency"), str):
            raise DataError(
                f"{path}: expected `currency`, a word, and `models`, an entry for each model; see medreasoner/evaluation/report/prices.py"
            )
        return Prices(
            told["currency"], {str(name): _price(f"{path}, {name}", entry) for name, entry in models.items()}
        )

    def cost(self, summary: dict) -> str:
        """What the answers of a run cost, its controls left out."""
        price, spent = self.models.get(summary["model"]), summary["cost"]
        if price is None:
            return UNKNOWN
        total, of = 0.0, ""
        if price.input is not None or price.output is not None:
            if not spent["counted"]:
                return UNKNOWN
            total += (
                spent["tokens_in"] * (price.input or 0.0) + spent["tokens_out"] * (price.output or 0.0)
            ) / 1e6
            of = (
                ""
                if spent["counted"] == summary["n"]
                else f" for {spent['counted']} of {summary['n']} answers"
            )
        if price.hour is not None:
            if spent["wall_s"] is None:
                return UNKNOWN
            total += spent["wall_s"] / 3600 * price.hour
        return f"{total:.4g} {self.currency}{of}"


def _price(where: str, entry: object) -> Price:
    numbers = entry.values() if isinstance(entry, dict) else [None]
    if not all(
        isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number < float("inf")
        for number in numbers
    ):
        raise DataError(
            f"{where}: expected numbers of at least 0 under {', '.join(sorted(KEYS))}, got {entry!r}"
        )
    if not entry or not set(entry) <= KEYS:
        raise DataError(
            f"{where}: expected some of {', '.join(sorted(KEYS))}, got {', '.join(map(str, entry)) or 'nothing'}"
        )
    return Price(**entry)
