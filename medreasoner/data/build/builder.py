"""From images with masks to samples, in three stages that each go on after a kill.

Is: stage 1, clean and describe: masks to measured regions with tight box and two points, no picture and no patient in two splits; stage 2,
a short and a long description of every image and, for every super-category in it, how to ask and reason; stage 3, the implicit question and
the reasoning, checked. The stages are those of the published set (upstream facts, B.4; there 2 and 3 are GPT-4o's and a person's).
Is not: a writer of words (`writer.py`) or a reader of sources (`source.py`).

    OUT/stages/1_regions.jsonl, 2_descriptions.jsonl, 3_questions.jsonl    line n is image n of the source
    OUT/samples.jsonl, images, masks                                      the set, as `load.py` reads it
    OUT/rejects.jsonl, report.json                                        every target left out, with its reason; counts

    python -m medreasoner data build SOURCE --out OUT
"""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from medreasoner.data.build.checks import plain, problems
from medreasoner.data.build.cleaning import clean, forget
from medreasoner.data.build.collecting import collect, sample_line
from medreasoner.data.build.duplicates import Seen
from medreasoner.data.build.sources import Items
from medreasoner.data.build.stages import digest, made_with, read_lines, run_stage
from medreasoner.data.build.writers.base import Description, Format, Picture, Writer, WriterError
from medreasoner.data.build.writers.offline import Offline
from medreasoner.data.taxonomy import FILE, FOLDER, Category, categories, supercategories, supercategory_of

STAGES = ("1_regions", "2_descriptions", "3_questions")
COPY = "training image like a validation image"
COPY_WITHIN = "image like an earlier one of its split"
HELD = "its case is kept for evaluation"
_HERE = Path(__file__).parent
_CODE = [_HERE / f"{name}.py" for name in ("builder", "checks", "cleaning", "duplicates", "layouts", "regions", "sources")]
_CODE += [_HERE / "writers" / f"{name}.py" for name in ("base", "offline")]
_CODE += [_HERE.parents[1] / f"{name}.py" for name in ("geometry", "imaging/read", "text/places")]


class Builder:
    """One set in the making: `items` into the folder `out`.

    Args:
        seed: of the words. writer: who writes them. folder: of the categories' wordings. distinct: leave out copies within a split too.
        workers: how many images are with the writer at once; the bytes are the same.

    Errors, of every stage: stages.StageError when `out` was begun with something else; those of the writer.
    """

    def __init__(
        self,
        items: Items,
        out: Path,
        seed: int = 0,
        writer: Writer | None = None,
        folder: Path = FOLDER,
        distinct: bool = False,
        workers: int = 1,
    ):
        self.items, self.out, self.seed = items, out, seed
        self.writer = writer or Offline()
        self.table = categories(folder)
        self.distinct, self.workers = distinct, workers
        self.paths = [out / "stages" / f"{stage}.jsonl" for stage in STAGES]
        wordings = sorted(folder.glob("*.yaml"))
        self._made_with = digest(items.digest, repr(items.options), str(distinct), FILE, *wordings, *_CODE)

    # --- stage 1 ---

    def clean(self, lines: Iterable[dict] | None = None) -> None:
        """Stage 1: every image to its measured regions.

        Args:
            lines: of all items, in their order, where `clean.clean` was mapped over them elsewhere, with the files in `out`.
        """
        made_with(self.out / "stages", STAGES[0], self._made_with)
        seen = {True: Seen(), False: Seen()}  # kept for evaluation or not
        for line in read_lines(self.paths[0]):
            if line.get("hash"):
                seen[line["split"] != "train"].add(bytes.fromhex(line["hash"]))
        if lines is None:
            run_stage(self.paths[0], self.items, lambda item: self._admit(clean(item, self.out, self.table), seen))
        else:
            run_stage(self.paths[0], lines, lambda line: self._admit(line, seen))

    def _admit(self, line: dict, seen: dict[bool, Seen]) -> dict:
        """`line`, without its targets if the image or its patient is in another split already."""
        held, reason = line["split"] != "train", None
        if not held and line["case"] in self.items.held:
            reason = HELD
        elif line.get("hash"):
            code = bytes.fromhex(line["hash"])
            reason = COPY if not held and seen[True].near(code) else COPY_WITHIN if self.distinct and seen[held].near(code) else None
            if reason is None:
                seen[held].add(code)
        if reason is None:
            return line
        forget(line, self.out)
        names = [part[key] for part, key in [*((t, "name") for t in line["targets"]), *((r, "target") for r in line["rejects"])]]
        kept = {key: value for key, value in line.items() if key not in ("hash", "wh", "image")}
        return kept | {"targets": [], "rejects": [{"target": name, "reason": reason} for name in names]}

    # --- stages 2 and 3 ---

    def describe(self) -> None:
        """Stage 2: what the writer says of every image, and of how to ask for what is in it."""
        made_with(self.out / "stages", STAGES[1], digest(self._made_with, self.writer.name))
        run_stage(self.paths[1], read_lines(self.paths[0]), self._describe, self.workers)

    def _describe(self, line: dict) -> dict:
        if not line["targets"]:
            return {"id": line["id"]}
        try:
            said = self.writer.describe(Picture(line, self.out))
            kinds = dict.fromkeys(target["supercategory"] for target in line["targets"])
            forms = {kind: asdict(self.writer.format(supercategories()[supercategory_of(kind)])) for kind in kinds}
        except WriterError as error:
            return {"id": line["id"], "reject": str(error)}
        return {"id": line["id"], "short_description": said.short, "long_description": said.long, "formats": forms}

    def ask(self) -> None:
        """Stage 3: question and reasoning of every target, checked."""
        made_with(self.out / "stages", STAGES[2], digest(self._made_with, self.writer.name, str(self.seed)))
        both = zip(read_lines(self.paths[0]), read_lines(self.paths[1]), strict=True)
        run_stage(self.paths[2], both, lambda pair: self._ask(*pair), self.workers)

    def _ask(self, line: dict, said: dict) -> dict:
        picture, samples, rejects, asked = Picture(line, self.out), [], [], set()
        for number, target in enumerate(line["targets"]):
            if "reject" in said:
                rejects.append({"target": target["name"], "reason": said["reject"]})
                continue
            sample, wrong = self._sample(picture, target, said, f"{self.seed}/{line['id']}/{number}", asked)
            rejects += [{"target": target["name"], **problem} for problem in wrong]
            if sample is not None:
                asked.add(plain(sample["question"]))
                samples.append(sample | {"others": [other["box"] for other in line["targets"] if other is not target]})
        return {"id": line["id"], "samples": samples, "rejects": rejects}

    def _sample(self, picture: Picture, target: dict, said: dict, seed: str, asked: set[str]) -> tuple[dict | None, list[dict]]:
        """The line of samples.jsonl of one target (without `others`), or the first thing that is wrong with its last try."""
        category = self._category(target)
        description = Description(said["short_description"], said["long_description"])
        form = Format(**said["formats"][target["supercategory"]])
        mask, refused = picture.mask(target), []
        for _ in range(self.writer.tries):
            try:
                words = self.writer.ask(picture, target, category, description, form, seed, refused)
            except WriterError as error:
                return None, [{"reason": str(error)}]
            wrong = problems(words, target, category, mask, asked)
            if not wrong:
                return sample_line(picture.line, target, words), []
            refused += [f"{problem.reason} ({problem.detail})" for problem in wrong]
        return None, [asdict(wrong[0]) | asdict(words)]

    def _category(self, target: dict) -> Category:
        known = self.table.get(target["name"])
        if known and known.modality == target["modality"]:
            return known
        return Category(target["name"], target["supercategory"], target["modality"], synonyms=target["synonyms"])

    def run(self) -> dict:
        """All stages; returns the report of `collect`."""
        self.clean()
        self.describe()
        self.ask()
        return collect(self.out)


def counted(out: Path) -> tuple[int, int, int]:
    """Images with targets, targets, and super-categories in the finished stage 1 of `out`."""
    images, targets, kinds = 0, 0, set()
    for line in read_lines(out / f"stages/{STAGES[0]}.jsonl"):
        images += bool(line["targets"])
        targets += len(line["targets"])
        kinds |= {target["supercategory"] for target in line["targets"]}
    return images, targets, len(kinds)
