"""Builds a set from images with masks in three stages, each of which resumes after a kill.

  1  clean     class masks to measured regions with a tight box and two points; no picture and no patient is
               in two splits
  2  describe  a short and a long description of every image, and how to ask for each super-category in it
  3  ask       the implicit question and the reasoning of every target, checked
The stages are those of the published set, where GPT-4o and a person do 2 and 3.

    OUT/stages/1_regions.jsonl, 2_descriptions.jsonl, 3_questions.jsonl    line n is image n of the source
    OUT/samples.jsonl, images, masks                                      the set, as `data/load.py` reads it
    OUT/rejects.jsonl, report.json                                        what was left out, and why; counts

    python -m medreasoner data build SOURCE --out OUT
"""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from medreasoner.data.absence import FILE as ABSENCE
from medreasoner.data.build.asking import Asker
from medreasoner.data.build.assemble import collect
from medreasoner.data.build.cleaning import clean
from medreasoner.data.build.manifest import Manifest
from medreasoner.data.build.screening import Screening
from medreasoner.data.build.stages import digest, note_made_with, read_lines, run_stage
from medreasoner.data.build.writers.base import Picture, Writer, WriterError
from medreasoner.data.build.writers.offline import Offline
from medreasoner.data.scenes import FOLDER as SCENES
from medreasoner.data.taxonomy import FILE, FOLDER, categories, supercategories, supercategory_of

STAGES = ("1_regions", "2_descriptions", "3_questions")
_HERE = Path(__file__).parent
_CODE = [  # a stage is not finished by other code than it was begun with
    *(_HERE / f"{name}.py" for name in ("builder", "asking", "assemble", "checks", "cleaning")),
    *(_HERE / f"{name}.py" for name in ("connected_parts", "duplicates", "manifest", "measuring")),
    *(_HERE / f"{name}.py" for name in ("pictures", "regions", "screening", "source_files")),
    *(_HERE / "writers" / f"{name}.py" for name in ("base", "offline", "reasonings")),
    *(_HERE.parent / f"{name}.py" for name in ("absence", "category", "scenes", "taxonomy")),
    *(_HERE.parents[1] / f"{name}.py" for name in ("geometry", "imaging/read", "text/places")),
]


class Builder:
    """One set being built from `items` into the folder `out`.

    Args:
        seed: of the words.
        writer: who writes the words; the offline writer if left out.
        folder: of the categories' wordings.
        distinct: leave out near-copies within a split too.
        workers: how many images are with the writer at once; the result is the same to the byte.

    Errors, of every stage: StageError when `out` was begun with something else; those of the writer.
    """

    def __init__(
        self,
        items: Manifest,
        out: Path,
        *,
        seed: int = 0,
        writer: Writer | None = None,
        folder: Path = FOLDER,
        distinct: bool = False,
        workers: int = 1,
    ) -> None:
        self.items, self.out, self.seed = items, out, seed
        self.writer = writer or Offline()
        self.table = categories(folder)
        self.distinct, self.workers = distinct, workers
        self.paths = [out / "stages" / f"{stage}.jsonl" for stage in STAGES]
        wordings = sorted([*folder.glob("*.yaml"), *SCENES.glob("*.yaml"), ABSENCE])
        self._made_with = digest(items.digest, repr(items.options), str(distinct), FILE, *wordings, *_CODE)

    def run(self) -> dict:
        """All stages; returns the report of `collect`."""
        self.clean()
        self.describe()
        self.ask()
        return collect(self.out)

    # --- stage 1 ---

    def clean(self, lines: Iterable[dict] | None = None) -> None:
        """Stage 1: every image to its measured regions.

        Args:
            lines: of all items in their order, where `cleaning.clean` was mapped over them elsewhere, its
                files in `out`.
        """
        note_made_with(self.out / "stages", STAGES[0], self._made_with)
        screening = Screening(self.items.held_cases, self.distinct, self.out, read_lines(self.paths[0]))
        if lines is not None:
            run_stage(self.paths[0], lines, screening.admit)
        else:
            run_stage(
                self.paths[0],
                self.items,
                lambda item: screening.admit(clean(item, self.out, self.table)),
            )

    # --- stages 2 and 3 ---

    def describe(self) -> None:
        """Stage 2: what the writer says of every image, and of how to ask for what is in it."""
        note_made_with(self.out / "stages", STAGES[1], digest(self._made_with, self.writer.name))
        run_stage(self.paths[1], read_lines(self.paths[0]), self._describe, self.workers)

    def _describe(self, line: dict) -> dict:
        if not line["targets"]:
            return {"id": line["id"]}
        try:
            description = self.writer.describe(Picture(line, self.out))
            kinds = dict.fromkeys(target["supercategory"] for target in line["targets"])
            forms = {
                kind: asdict(self.writer.format(supercategories()[supercategory_of(kind)])) for kind in kinds
            }
        except WriterError as error:
            return {"id": line["id"], "reject": str(error)}
        return {
            "id": line["id"],
            "short_description": description.short,
            "long_description": description.long,
            "formats": forms,
        }

    def ask(self) -> None:
        """Stage 3: question and reasoning of every target, checked."""
        made_with = digest(self._made_with, self.writer.name, str(self.seed))
        note_made_with(self.out / "stages", STAGES[2], made_with)
        both = zip(read_lines(self.paths[0]), read_lines(self.paths[1]), strict=True)
        asker = Asker(self.writer, self.table, self.out, self.seed)
        run_stage(self.paths[2], both, lambda pair: asker.ask(*pair), self.workers)


def count_targets(out: Path) -> tuple[int, int, int]:
    """Images with targets, targets, and super-categories in the finished stage 1 of `out`."""
    images, targets, kinds = 0, 0, set()
    for line in read_lines(out / f"stages/{STAGES[0]}.jsonl"):
        images += bool(line["targets"])
        targets += len(line["targets"])
        kinds |= {target["supercategory"] for target in line["targets"]}
    return images, targets, len(kinds)
