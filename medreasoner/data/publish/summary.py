"""Counts what is published, row by row, for the card."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence

from medreasoner.data.publish.columns import FACTS, KIND, Entry
from medreasoner.data.publish.licences import licence_id
from medreasoner.data.publish.reviews import Ledger
from medreasoner.data.sample import Sample
from medreasoner.data.taxonomy import modalities, modality_of

SHOWN = 12  # samples that are drawn on the card
MODALITY, SUPERCATEGORY, CATEGORY = range(3)  # columns of `Summary.table`


class Summary:
    """What was published; of the samples only a few are kept, for the drawing.

    Attributes:
        splits, left_out, reviews: number by split, by reason, by review status.
        skipped: rows that could not be used.
        cells: number by (modality, supercategory, category, split). sources: by (dataset, licence, source).
        cases: split -> cases. without: number by what is missing.
        absent: number of questions about what is not in their image, by (kind, split).
        verdicts: two reviewers -> what both said of each sample.
    """

    def __init__(self, books: Sequence[Ledger] = ()) -> None:
        self.books = list(books)
        self.splits: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.reviews: Counter[str] = Counter()
        self.skipped: list[str] = []
        self.cells: Counter[tuple[str, str, str, str]] = Counter()
        self.sources: Counter[tuple[str, str, str]] = Counter()
        self.cases: defaultdict[str, set[str]] = defaultdict(set)
        self.without: Counter[str] = Counter()
        self.absent: Counter[tuple[str, str]] = Counter()
        self.verdicts: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
        self._first: dict[tuple[str, str], Sample] = {}  # of a modality, of a category

    def count(self, entry: Entry) -> None:
        """Take in a published row."""
        sample = entry.sample
        self.splits[entry.split] += 1
        self.cells[sample.modality, sample.supercategory or "not stated", sample.category, entry.split] += 1
        self.sources[tuple(entry.facts.get(name) or "not stated" for name in FACTS)] += 1
        self.reviews[entry.review] += 1
        self.cases[entry.split].add(sample.case)
        self.without["a mask"] += sample.mask is None and not sample.absent
        if sample.absent:
            self.absent[entry.facts.get(KIND) or "not stated", entry.split] += 1
        self.without["reasoning"] += not sample.think
        for key in (("modality", sample.modality), ("category", sample.category)):
            self._first.setdefault(key, sample)

    def add_verdicts(self, sample: Sample) -> None:
        """Take in what the reviewers said of a sample, published or not."""
        verdicts = [
            (book.reviewer, verdict.decision) for book in self.books if (verdict := book.verdict(sample))
        ]
        for (one, first), (other, second) in itertools.combinations(verdicts, 2):
            self.verdicts[one, other].append((first, second))

    def shown(self) -> list[Sample]:
        """Samples to draw: the first of every modality, then the first of other categories."""
        ordered = sorted(self._first.items(), key=lambda item: item[0][0] != "modality")
        distinct = {sample.id: sample for _, sample in ordered}
        return list(distinct.values())[:SHOWN]

    def table(self, column: int) -> list[tuple[str, list[int]]]:
        """Counts by one column of `cells`, with one number a split, largest first."""
        rows: defaultdict[str, Counter] = defaultdict(Counter)
        for cell, number in self.cells.items():
            rows[cell[column]][cell[3]] += number
        ordered = sorted(rows.items(), key=lambda row: (-row[1].total(), row[0]))
        return [(name, [numbers[split] for split in self.splits]) for name, numbers in ordered]

    def absences(self) -> list[tuple[str, list[int]]]:
        """Counts of questions about what is not in their image by kind, with one number a split."""
        return [
            (kind, [self.absent[kind, split] for split in self.splits])
            for kind in sorted({kind for kind, _ in self.absent})
        ]

    def licences(self) -> list[str]:
        """The Hub's names of all licences in the set, "other" for one that has none."""
        return sorted({licence_id(text) or "other" for _, text, _ in self.sources})

    def gaps(self) -> list[str]:
        """What the set lacks, one sentence each."""
        found = [*self._gaps_of_contents(), *self._gaps_of_splits()]
        found += [f"Samples without {what}: {number}." for what, number in self.without.items() if number]
        for (name, text, _), number in sorted(self.sources.items()):
            if licence_id(text) is None:
                found.append(
                    f"Licence to be confirmed before use, samples of {name}: {number}; stated as “{text}”."
                )
        if number := self.reviews["not reviewed"]:
            found.append(f"Samples that no person has reviewed: {number}.")
        if self.skipped:
            found.append(f"Rows of the source that could not be used and are left out: {len(self.skipped)}.")
        return found

    def _gaps_of_contents(self) -> list[str]:
        found = []
        present = {modality_of(name) for name, _ in self.table(MODALITY)}
        if missing := [name for name in modalities() if name not in present]:
            found.append(f"No images of: {', '.join(missing)}.")
        if rare := [name for name, numbers in self.table(CATEGORY) if sum(numbers) == 1]:
            found.append(f"A single sample each of: {'; '.join(rare)}.")
        return found

    def _gaps_of_splits(self) -> list[str]:
        found = []
        trained = {category for _, _, category, split in self.cells if split == "train"}
        if trained and (unseen := [name for name, _ in self.table(CATEGORY) if name not in trained]):
            found.append(f"Not in the training split: {'; '.join(unseen)}.")
        for one, other in itertools.combinations(self.splits, 2):
            if shared := len(self.cases[one] & self.cases[other]):
                found.append(f"Cases that are in both {one} and {other}: {shared}.")
        return found
