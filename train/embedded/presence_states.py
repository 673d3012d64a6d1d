"""The decoder's hidden states where prompts end, for the presence head: many questions to an image, each read
with the image alone."""

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm
from transformers import AutoModelForImageTextToText, PreTrainedModel, ProcessorMixin

import medreasoner.reasoners.embedded  # noqa: F401 (registers its classes with transformers)
from medreasoner.prompts import Prompt, messages
from train.embedded.pictures import Picture, load_pictures
from train.embedded.presence_questions import Asked, questions
from train.embedded.stage_3_cache import Stage3Cache
from train.embedded.token_masks import IGNORED, PREFIX, attention_mask, questions_of
from train.holdout import held_back_cases
from train.model_spec import open_model_spec


@torch.inference_mode()
def states_of(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    prompt: Prompt,
    maps: Stage3Cache,
    path: str,
    asked: Sequence[Asked],
) -> torch.Tensor:
    """(N, layers, H) of `asked`: the decoder's hidden states, embeddings first, where each prompt ends.

    All are read in one sequence, in which each sees the image and itself only.
    """
    ids, conversation, positions, ends = [], [], [], []
    for number, each in enumerate(asked):
        chat = messages(prompt.text(each.question, each.think), prompt.system)
        text = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        head, tail = (
            processor.tokenizer(part, add_special_tokens=False).input_ids
            for part in text.split(processor.image_token)
        )
        if not ids:
            ids = head + [processor.image_token_id] * model.config.image_seq_length
            start = len(ids)
            conversation, positions = [PREFIX] * start, list(range(start))
        ids += tail
        conversation += [number] * len(tail)
        positions += range(start, start + len(tail))
        ends.append(len(ids) - 1)
    ids, conversation, positions = (torch.tensor([each]) for each in (ids, conversation, positions))
    unlearnt = torch.full_like(ids, IGNORED)
    output = model.model(
        input_ids=ids,
        stage_3=maps.get(path)[None],
        attention_mask=attention_mask(conversation),
        position_ids=positions,
        questions=questions_of(ids, unlearnt, conversation, processor.tokenizer.eos_token_id),
        output_hidden_states=True,
        use_cache=False,
    )
    return torch.stack([each[0, ends] for each in output.hidden_states], 1)


def read(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    prompt: Prompt,
    maps: Stage3Cache,
    pictures: Sequence[Picture],
    held: bool,
    seed: int = 0,
) -> Iterator[tuple[Picture, list[Asked], torch.Tensor]]:
    """(picture, questions, `states_of` them) of each picture, those that are the same for the same seed."""
    for picture in pictures:
        asked = questions(picture, held, random.Random(f"{seed}/{picture.path.rpartition('/')[2]}"))
        yield picture, asked, states_of(model, processor, prompt, maps, picture.path, asked)


def collect(
    folder: Path, data: Sequence[Path], features: Sequence[Path], held: bool, out: Path
) -> tuple[np.ndarray, list[str]]:
    """((N, layers, H) float16, (N,) kinds) of the questions about the training images, or about the `held`
    back ones; kept in the file `out`."""
    kinds_file = out.with_suffix(".json")
    if kinds_file.exists():
        return np.load(out), json.loads(kinds_file.read_text())
    spec = open_model_spec(str(folder))
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    maps = Stage3Cache(features)
    pictures = usable(data, maps, held)
    if not pictures:
        raise SystemExit(
            f"found no {'held-back ' if held else ''}training image whose maps are in the caches; "
            "run train.embedded.features on the sets first"
        )
    rows = read(model, spec.processor, spec.prompt, maps, pictures, held)
    states, kinds = [], []
    for _, asked, read_states in tqdm(rows, total=len(pictures), mininterval=20):
        states.append(read_states.half().numpy())
        kinds += [each.kind for each in asked]
    out.parent.mkdir(parents=True, exist_ok=True)
    np.save(out, np.concatenate(states))
    kinds_file.write_text(json.dumps(kinds))  # last, so that both are whole
    return np.concatenate(states), kinds


def usable(data: Sequence[Path], maps: Stage3Cache, held: bool) -> list[Picture]:
    """The training images with cached maps, without the held-back cases, or only these."""
    pictures = load_pictures(list(data))
    back = held_back_cases(picture.case for picture in pictures)
    chosen = [picture for picture in pictures if (picture.case in back) == held]
    cached = set(maps.index([picture.path for picture in chosen]))
    return [picture for picture in chosen if picture.path in cached]
