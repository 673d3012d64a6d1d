"""No text can freeze the program: every regular expression of the package takes time in proportion to the text.

Attacks are drawn from each pattern itself: whatever it repeats is repeated up to 200,000 letters, behind every
way to get there, and so are the ways themselves. CPU time is measured, not the clock on the wall, and only
against what a pattern that is not linear takes by far.

python -m pytest tests/test_regexes.py
"""

import ast
import importlib
import pkgutil
import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from re import _constants as codes
from re import _parser as parser

import pytest

import medreasoner
from medreasoner.answer_stream import MAX_TEXT, StreamParser
from medreasoner.geometry import THOUSAND
from medreasoner.reasoners.dialects import DIALECTS
from medreasoner.text.mentions import find_mentions

PACKAGE = Path(medreasoner.__file__).parent
LENGTHS = (2_000, 20_000, 200_000)
SECONDS_A_LETTER, SECONDS = 4e-6, 0.05  # a linear pattern takes a tenth of it; 200,000 letters squared, minutes
USES = {
    "search": lambda pattern, text: pattern.search(text),
    "match": lambda pattern, text: pattern.match(text),
    "fullmatch": lambda pattern, text: pattern.fullmatch(text),
    **dict.fromkeys(("sub", "subn", "findall", "finditer", "split"), lambda pattern, text: pattern.subn("", text)),
}
# Built for each call from names of the project's own tables, which hold no repetition
BUILT = {"_names", "leaks", "_plain", "vary", "_target", "licence_id", "transformers_key"}


def compiled() -> dict[str, tuple[re.Pattern, set[str]]]:
    """Every pattern that a module holds, alone or in a table, by where it stands, with the methods it is used by."""
    used = methods()
    found = {}
    for module in pkgutil.walk_packages(medreasoner.__path__, "medreasoner."):
        if module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            for number, pattern in enumerate(_patterns(value)):
                key = f"{module.name}.{name}.{number}"
                found.setdefault(pattern.pattern, (key, (pattern, used.get(name) or {"search", "sub"})))
    return dict(found.values())


def methods() -> dict[str, set[str]]:
    """Name of a constant -> the methods of a pattern that are called on it anywhere."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in USES:
                owner = call.func.value
                name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", None)
                found.setdefault(name, set()).add(call.func.attr)
    return found


def _patterns(value: object) -> Iterator[re.Pattern]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        yield from _patterns(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _patterns(each)


def inline() -> dict[str, tuple[re.Pattern, set[str]]]:
    """Every pattern that is written inside a call, such as re.sub("a+", …)."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if _is_re_call(call) and call.func.attr in USES and isinstance(call.args[0], ast.Constant):
                pattern = re.compile(call.args[0].value)
                found[f"{path.relative_to(PACKAGE)}:{pattern.pattern}"] = pattern, {call.func.attr}
    return found


def _is_re_call(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.func.attr != "escape"
    )


PATTERNS = compiled() | inline()


def example(node: tuple) -> str:
    """A short text that a part of a parsed pattern matches; "" for what takes no letter."""
    kind, value = node
    return EXAMPLES[kind](value) if kind in EXAMPLES else ""


def _repeated(value: tuple) -> str:
    return text_of(value[2]) * max(1, value[0])


EXAMPLES = {
    codes.LITERAL: chr,
    codes.NOT_LITERAL: lambda value: "a" if value != ord("a") else "b",
    codes.ANY: lambda _: "a",
    codes.IN: lambda value: _letter(value),
    codes.BRANCH: lambda value: text_of(value[1][0]),
    codes.SUBPATTERN: lambda value: text_of(value[3]),
    codes.ATOMIC_GROUP: lambda value: text_of(value),
    **dict.fromkeys((codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT), _repeated),
}


def _letter(choices: list) -> str:
    for letter in " 1a[({.,-_\nA\"'<\t!;:":
        if re.fullmatch(_source(choices), letter):
            return letter
    return "a"


def _source(choices: list) -> str:
    """The class [...] as a pattern."""
    classes = {codes.CATEGORY_DIGIT: r"\d", codes.CATEGORY_SPACE: r"\s", codes.CATEGORY_WORD: r"\w"}
    classes |= {codes.CATEGORY_NOT_DIGIT: r"\D", codes.CATEGORY_NOT_SPACE: r"\S", codes.CATEGORY_NOT_WORD: r"\W"}
    parts = []
    for kind, value in choices:
        if kind is codes.NEGATE:
            parts.append("^")
        elif kind is codes.LITERAL:
            parts.append(re.escape(chr(value)))
        elif kind is codes.RANGE:
            parts.append("-".join(re.escape(chr(end)) for end in value))
        else:
            parts.append(classes[value])
    return f"[{''.join(parts)}]"


def text_of(nodes: object) -> str:
    return "".join(example(node) for node in nodes)


def pumps(nodes: object, before: str = "") -> Iterator[tuple[str, str]]:
    """(what leads to a repetition, what is repeated), for every repetition in a parsed pattern."""
    for kind, value in nodes:
        inner = []
        if kind in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            inner = [value[2]]
            yield before, text_of(value[2])
        elif kind is codes.SUBPATTERN:
            inner = [value[3]]
        elif kind is codes.ATOMIC_GROUP:
            inner = [value]
        elif kind is codes.BRANCH:
            inner = value[1]
        for each in inner:
            yield from pumps(each, before)
        before += example((kind, value))


def attacks(pattern: re.Pattern) -> set[tuple[str, str]]:
    """(beginning, what is repeated after it)."""
    found = {("", " "), ("", "1"), ("", "a"), ("", "["), ("", "1,"), ("", "x "), ("x", " "), ("x 1", " ")}
    for before, again in pumps(parser.parse(pattern.pattern, pattern.flags)):
        found |= {(before, again), ("", before + again), ("", before), ("", again), ("", before + 9 * again)}
    return {(before, again) for before, again in found if again}


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_a_pattern_takes_time_in_proportion_to_the_text(name):
    pattern, uses = PATTERNS[name]
    for before, again in sorted(attacks(pattern)):
        for length in LENGTHS:
            text = f"{before}{again * (length // len(again))}\0"
            for use in {USES[use] for use in uses}:
                _in_time(lambda use=use, text=text: use(pattern, text), length, f"{before!r} and {again!r} repeated")


def _in_time(work, letters: int, what: str) -> None:
    started = time.thread_time()
    work()
    taken = time.thread_time() - started
    assert taken < SECONDS + SECONDS_A_LETTER * letters, f"{letters} letters of {what} took {taken:.2f} s"


def test_the_measure_finds_patterns_that_are_not_linear():
    for source in (r"\s*x", r"\[+\d", r"\{.*\}"):
        pattern = re.compile(source)
        with pytest.raises(AssertionError, match="took"):
            for before, again in attacks(pattern):
                for length in (2_000, 8_000, 40_000):
                    text = f"{before}{again * (length // len(again))}\0"
                    _in_time(partial(pattern.subn, "", text), length, "it")


def test_patterns_that_are_built_in_a_call_are_known():
    built = set()
    for path in PACKAGE.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                calls = [node for node in ast.walk(function) if _is_re_call(node)]
                built |= {function.name for call in calls if not isinstance(call.args[0], ast.Constant)}
    assert built <= BUILT, "a pattern in a constant of its module is measured; one built in a call is not"


HOSTILE = [
    "x" + " " * 200_000,
    "x 1" + " " * 200_000,
    "x , " * 50_000,
    "x from 1 to " * 17_000,
    "[" * 200_000,
    "(1, 2" + " " * 200_000,
    "[1,2,3," * 30_000,
    '"bbox":[[[[' * 18_000,
    "1" * 200_000,
    "<box>[" * 33_000,
    '"bbox":[1,2,3,4]' + '"point":' * 25_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:12]))
def test_the_readers_of_an_answer_take_no_longer(text):
    _in_time(lambda: find_mentions(text, THOUSAND, (640, 480)), len(text), "a reasoning")
    for dialect in DIALECTS.values():
        _in_time(lambda dialect=dialect: dialect(text), len(text), "an answer")


@pytest.mark.parametrize("again", ["<answer>", "<think>", "<answer></answer>", "<", "x ", "<think></think>"])
def test_an_answer_that_never_ends_is_ended(again):
    parser = StreamParser()
    text = "<think>" + again * (2 * MAX_TEXT // len(again))
    piece = max(1, len(text) // 500)

    def read():
        for start in range(0, len(text), piece):
            parser.feed(text[start : start + piece])

    _in_time(read, 10 * len(text), "a stream")
    assert len(parser.text) == MAX_TEXT
    assert (parser.parsed.answer, f"{MAX_TEXT:,} characters" in parser.parsed.detail) == (None, True)
