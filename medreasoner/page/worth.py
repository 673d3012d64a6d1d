"""What the model is worth on a kind of image, from the table of its own card."""

import re
from pathlib import Path

NEVER = "never tested on this kind of image"
_CELL = re.compile(r"(?<!\s)\s*+\|\s*+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


class Worth:
    """Box overlaps by modality, read from a model card.

    Args:
        card: Markdown with a table whose first column is "modality" and that has the columns "n" and "box
            IoU".
    """

    def __init__(self, card: str = "") -> None:
        self._by_modality = _table(card)

    @staticmethod
    def of_folder(folder: Path | None) -> "Worth":
        """Of the README.md in a model's folder; a model without one was never tested."""
        card = folder / "README.md" if folder is not None else None
        return Worth(card.read_text(encoding="utf-8") if card is not None and card.is_file() else "")

    def sentence(self, modality: str | None, by_model: bool = False) -> str:
        """One line about images of `modality`, in the taxonomy's words, None where it is not known.

        Args:
            by_model: it is the model that says what kind of image this is.
        """
        if modality is None:
            return self._overall()
        kind = f"on {modality}, as the model names this image" if by_model else f"on {modality}"
        found = self._by_modality.get(modality.lower())
        if found is None:
            return f"{kind}: {NEVER}"
        overlap, number = found
        return f"{kind}: box overlap {overlap:.2f} in {number} questions"

    def _overall(self) -> str:
        if not self._by_modality:
            return "never tested"
        total = sum(number for _, number in self._by_modality.values())
        mean = sum(overlap * number for overlap, number in self._by_modality.values()) / total
        return f"on all kinds of image together: box overlap {mean:.2f} in {total} questions"


def _table(card: str) -> dict[str, tuple[float, int]]:
    """modality in lower case -> (mean box IoU, number of test questions)."""
    rows, columns = {}, None
    for line in card.splitlines():
        cells = _CELL.split(line.strip().strip("|").strip())
        names = [cell.lower() for cell in cells]
        if names[0] == "modality" and {"n", "box iou"} <= set(names):
            columns = names.index("n"), names.index("box iou")
        elif columns is None or not line.startswith("|"):
            columns = None
        elif len(cells) > max(columns) and cells[columns[0]].isdigit() and int(cells[columns[0]]):
            overlap = _NUMBER.match(cells[columns[1]])
            if overlap:
                rows[cells[0].lower()] = float(overlap[0]), int(cells[columns[0]])
    return rows
