"""The tokenizer of the embedded VLM: whole words of the reasonings, coordinates, and the word pieces of the
sentence encoder.

The first tokens are those the decoder writes: tags, the numbers 0..255, the words of every reasoning. The
others only occur in questions, which the sentence encoder reads: they are the lower-case pieces of its own
WordPiece vocabulary, so that its pretrained embeddings fit. A word's first piece carries the blank before it
("\u2581liver"), any further piece does not.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from medreasoner.answer import Absence, render
from medreasoner.answer_blocks import ANSWER, THINK
from medreasoner.data.absence import texts
from medreasoner.data.build.measuring import BRIGHTNESS, MARGINS, SHAPES, Measured
from medreasoner.data.build.writers.reasonings import reasoning
from medreasoner.data.category import Category
from medreasoner.data.scenes import scenes
from medreasoner.data.taxonomy import categories
from medreasoner.geometry import EMBEDDED
from medreasoner.text.places import HEIGHTS, SIDES, SIZES

BLANK = "\u2581"
UNKNOWN = "<unk>"
SPECIAL = ("<pad>", UNKNOWN, "<image>", "<|user|>", "<|assistant|>", "<|end|>")
NOWHERE = render(Absence()).removeprefix(ANSWER[0]).removesuffix(ANSWER[1])
PLACE_FOLLOWS = '{"bbox": ['
WHOLE = (
    *THINK,
    *ANSWER,
    PLACE_FOLLOWS,
    '], "points_1": [',
    '], "points_2": [',
    "]}",
    NOWHERE,
)  # one token each
NUMBERS = tuple(str(n) for n in range(int(EMBEDDED.limit) + 1))
RELATIONS = (
    "inside",
    "around",
    "above",
    "below",
    "to the left of",
    "to the right of",
    "above and to the left of",
)


def reasonings(category: Category, rng: random.Random) -> Iterator[str]:
    """Reasonings about a category that hold all of its sentences, and all measured words between them."""
    paired = category.region == "sides"
    sides = [("left", "right"), ("right", "left"), ("", "left"), ("", "right")] if paired else [("", "")]
    for side, image_side in sides:
        for _ in range(60):
            near = [
                (rng.choice(RELATIONS), f"the {rng.choice(list(categories()))}")
                for _ in range(rng.randrange(3))
            ]
            words = (rng.choice(each) for each in (SIDES, HEIGHTS, SIZES, SHAPES, BRIGHTNESS, MARGINS))
            yield reasoning(category, Measured(*words, tuple(near)), rng, side, image_side)


def written() -> Iterator[str]:
    """The text that the decoder is taught to write."""
    for name, category in categories().items():
        yield from reasonings(category, random.Random(name))
        for side in ("", "left", "right"):
            yield f"This is {category.with_article(side)}. {category.called(side)}."
    for kind in texts()["explanations"].values():
        yield from (sentence.format(name="", scene="", seen="") for sentence in kind)
    for scene in scenes().values():
        yield from (f"This is {phrase}." for phrase in scene.phrases)


def _pre_tokenizer() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(BLANK, prepend_scheme="never"), pre_tokenizers.Punctuation("isolated")]
    )


def build(encoder: Mapping[str, int], rarest: int = 1) -> tuple[PreTrainedTokenizerFast, int, list[str]]:
    """The tokenizer, how many of its first tokens the decoder writes, and for every token the piece of the
    sentence encoder's vocabulary whose embedding fits it.

    Args:
        encoder: the sentence encoder's WordPiece vocabulary, piece -> id, lower case, "##" before a piece
            that continues a word.
        rarest: words of the reasonings that occur less often are written in pieces.
    """
    split = _pre_tokenizer()
    counts = Counter(word for line in written() for word, _ in split.pre_tokenize_str(line))
    letters = sorted({letter for word in counts for letter in word} | set(map(chr, range(33, 127))))
    words = [
        word
        for word, count in sorted(counts.items(), key=lambda each: (-each[1], each[0]))
        if count >= rarest
    ]
    own = dict.fromkeys(
        [*SPECIAL, *WHOLE, *NUMBERS, BLANK, *words, *letters, *(BLANK + letter for letter in letters)]
    )
    read = (
        piece.removeprefix("##") if piece.startswith("##") else BLANK + piece
        for piece in encoder
        if piece.isascii() and piece[0] != "["
    )
    pieces = [*own, *(piece for piece in dict.fromkeys(read) if piece not in own)]
    raw = Tokenizer(
        models.WordPiece(
            vocab={piece: n for n, piece in enumerate(pieces)},
            unk_token=UNKNOWN,
            continuing_subword_prefix="",
        )
    )
    raw.normalizer = normalizers.Sequence(
        [normalizers.NFD(), normalizers.StripAccents(), normalizers.Replace(Regex(r"\s+"), " ")]
    )
    raw.pre_tokenizer, raw.decoder = split, decoders.Metaspace(BLANK, prepend_scheme="never")
    raw.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in SPECIAL])
    raw.add_tokens([AddedToken(text, normalized=False) for text in WHOLE])
    raw.add_tokens([AddedToken(text, normalized=False, single_word=True) for text in NUMBERS])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="<pad>",
        unk_token=UNKNOWN,
        eos_token="<|end|>",
        padding_side="left",
        additional_special_tokens=["<image>", "<|user|>", "<|assistant|>"],
        model_max_length=4096,
        clean_up_tokenization_spaces=False,
    )
    return tokenizer, len(own), [piece_of(token, encoder) for token in pieces]


def piece_of(token: str, encoder: Mapping[str, int]) -> str:
    """The sentence encoder's piece for a token of ours."""
    plain = token.lower()
    tries = (plain.removeprefix(BLANK),) if plain.startswith(BLANK) else (f"##{plain}", plain)
    return next((piece for piece in tries if piece in encoder), "[UNK]")
