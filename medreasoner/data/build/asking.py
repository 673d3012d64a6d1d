"""Stage 3 of a build for one image: the question and the reasoning of each of its targets, checked, and a
question about what it does not show.
"""

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from medreasoner.data.absence import absent_question
from medreasoner.data.build.assemble import absent_line, sample_line
from medreasoner.data.build.checks import plain, problems
from medreasoner.data.build.writers.base import Description, Format, Picture, Writer, WriterError
from medreasoner.data.category import Category
from medreasoner.data.scenes import scene_of

ABSENT_SHARE = 0.6  # of the images of known sources get a question about what they do not show


@dataclass(frozen=True)
class Asker:
    """Lets `writer` ask for the targets of images.

    Args:
        table: the categories with wordings, by name.
        out: folder of the set, with its pictures and masks.
        seed: of the words.
    """

    writer: Writer
    table: Mapping[str, Category]
    out: Path
    seed: int

    def ask(self, line: dict, described: dict) -> dict:
        """The line of stage 3, from those of the stages before."""
        picture = Picture(line, self.out)
        samples, rejects, questions = [], [], set()
        for number, target in enumerate(line["targets"]):
            if "reject" in described:
                rejects.append({"target": target["name"], "reason": described["reject"]})
                continue
            seed = f"{self.seed}/{line['id']}/{number}"
            sample, wrong = self._sample(picture, target, described, seed, questions)
            rejects += [{"target": target["name"], **problem} for problem in wrong]
            if sample is not None:
                questions.add(plain(sample["question"]))
                others = [other["box"] for other in line["targets"] if not self._same(line, target, other)]
                samples.append(sample | {"others": others})
        samples += self._absent(line)
        return {"id": line["id"], "samples": samples, "rejects": rejects}

    def _same(self, line: dict, target: dict, other: dict) -> bool:
        """Whether two targets are the same, or one is the pair that the other belongs to: boxes do not tell
        these apart.
        """
        if target["called"] == other["called"]:
            return True
        first, second = (self.table.get(each["name"]) for each in (target, other))
        if first is None or second is None or {first.region, second.region} != {"sides", "both"}:
            return False
        return bool({*first.targets.get(line["dataset"], [])} & {*second.targets.get(line["dataset"], [])})

    def _absent(self, line: dict) -> list[dict]:
        """A line of samples.jsonl about what this image does not show, or none; always none for an unknown
        source.
        """
        scene, rng = scene_of(line["dataset"]), random.Random(f"{self.seed}/{line['id']}/absent")
        share = ABSENT_SHARE if scene.medical else 1.0
        if not line.get("image") or not scene.phrases or rng.random() > share:
            return []
        seen = [
            self.table[target["name"]].with_article(target["side"])
            for target in line["targets"]
            if target["name"] in self.table
        ]
        training = line["split"] == "train"
        return [absent_line(line, absent_question(scene, line["classes"], seen, self.table, training, rng))]

    def _sample(
        self, picture: Picture, target: dict, described: dict, seed: str, questions: set[str]
    ) -> tuple[dict | None, list[dict]]:
        """The line of samples.jsonl of one target (without `others`), or what is wrong with its last try."""
        category = self._category(target)
        description = Description(described["short_description"], described["long_description"])
        form = Format(**described["formats"][target["supercategory"]])
        mask, refused = picture.mask(target), []
        for _ in range(self.writer.tries):
            try:
                words = self.writer.ask(picture, target, category, description, form, seed, refused)
            except WriterError as error:
                return None, [{"reason": str(error)}]
            wrong = problems(words, target, category, mask, questions)
            if not wrong:
                return sample_line(picture.line, target, words), []
            refused += [f"{problem.reason} ({problem.detail})" for problem in wrong]
        return None, [asdict(wrong[0]) | asdict(words)]

    def _category(self, target: dict) -> Category:
        known = self.table.get(target["name"])
        if known and known.modality == target["modality"]:
            return known
        return Category(
            target["name"], target["supercategory"], target["modality"], synonyms=target["synonyms"]
        )
