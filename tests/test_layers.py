"""The order of the parts: imports point one way, heavy libraries stay at the edges, files stay small, and no
error is swallowed unseen.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("medreasoner", "app", "train", "space")

# Lowest first. A module may import from its own layer and from those above it in this list; in the last one,
# only from its own part. A name stands for the module and all below it; "data.sample" is more particular than
# "data".
LAYERS = (
    {"geometry", "device", "weights"},
    {
        "answer",
        "answer_blocks",
        "answer_parts",
        "answer_stream",
        "certainty",
        "confidence",
        "prompts",
        "question",
        "metrics",
        "evaluation.answer_scores",
        "evaluation.record",
        "evaluation.columns",
        "evaluation.summary",
        "text",
        "imaging",
        "json_files",
        "manifest",
        "messages",
        "data.sample",
        "data.category",
        "data.taxonomy",
        "hub.errors",
        "hub.pull",
    },
    {
        "events",
        "rewards",
        "output",
        "reasoners.base",
        "reasoners.families",
        "reasoners.dialects",
        "segmenters.base",
    },
    {"reasoners", "segmenters", "hub"},
    {"reasoners.registry", "segmenters.registry"},
    {
        *("answer_in_pixels", "image_cache", "pipeline", "refine", "sampling"),
        *("last_event", "pair", "pair_loading", "volume_grounder"),
        *("key_slice", "volume_masks", "volume", "model", "medreasoner"),
    },
    {"data"},
    {"evaluation", "review", "page"},
    {"commands"},
    {"cli", "__main__"},
    {"app", "train", "space"},
)
APART = ("evaluation", "hub", "review", "page")  # of one layer, and none of them imports another
REGISTRY_USERS = ("pair_loading", "commands", "train")

MODELS = ("reasoners", "segmenters", "train")
ONLY_IN = {
    "torch": (*MODELS, "device"),
    "torchvision": MODELS,
    "transformers": MODELS,
    "sam2": MODELS,
    "openai": (*MODELS, "data.build.writers"),
    "trl": ("train",),
    "peft": ("train", "reasoners.checkpoint"),
    "gradio": ("app", "page", "review"),
    "huggingface_hub": ("hub", "data.hub_dataset", "space"),
}
HEAVY = (
    "torch",
    "transformers",
    "sam2",
    "trl",
    "gradio",
    "datasets",
    "pydicom",
    "highdicom",
    "nibabel",
    "scipy.stats",
)


@dataclass(frozen=True)
class Import:
    """`importer` and `imported` are dotted names, those of the package without "medreasoner."; `late` means
    inside a function.
    """

    importer: str
    imported: str
    late: bool
    where: str

    def __str__(self) -> str:
        return f"{self.where}: {self.importer} imports {self.imported}"


def sources(*parts: str) -> list[Path]:
    """Every Python file of these parts of the project that exist."""
    files = []
    for part in parts:
        single = ROOT / f"{part}.py"
        files += [single] if single.exists() else sorted((ROOT / part).rglob("*.py"))
    return files


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return short(".".join(parts))


def short(dotted: str) -> str:
    return dotted.removeprefix("medreasoner.")


def exists(dotted: str) -> bool:
    path = ROOT.joinpath(*dotted.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def imports(path: Path) -> Iterator[Import]:
    def visit(node: ast.AST, late: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            names = []
            if isinstance(child, ast.Import):
                names = [alias.name for alias in child.names]
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}:{child.lineno}: write imports from the root of the project"
                names = [f"{child.module}.{alias.name}" for alias in child.names]
                names = [
                    name if name.split(".")[0] in OURS and exists(name) else child.module for name in names
                ]
            for name in names:
                yield Import(name_of(path), short(name), late, f"{path.relative_to(ROOT)}:{child.lineno}")
            yield from visit(
                child, late or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            )

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), late=False)


def within(name: str, part: str) -> bool:
    return name == part or name.startswith(part + ".")


def layer(name: str) -> tuple[int, str]:
    """(height, the entry of LAYERS that says so)."""
    found = [(height, part) for height, parts in enumerate(LAYERS) for part in parts if within(name, part)]
    assert found, f"{name} has no place in LAYERS of tests/test_layers.py; give it one"
    return max(found, key=lambda entry: len(entry[1]))


def ours(found: Import) -> bool:
    path = found.imported.split(".")
    return path[0] in OURS or exists("medreasoner." + found.imported)


OWN_IMPORTS = [found for path in sources(*OURS) for found in imports(path) if ours(found)]
ALL_IMPORTS = [found for path in sources(*OURS) for found in imports(path)]


def test_there_is_something_to_hold():
    assert {"geometry", "answer", "pipeline"} <= {found.importer for found in ALL_IMPORTS}
    assert any(found.imported == "geometry" for found in OWN_IMPORTS)


def test_every_module_has_its_place():
    for path in sources(*OURS):
        layer(name_of(path))


def test_imports_point_one_way():
    wrong = []
    for found in OWN_IMPORTS:
        (low, _), (high, _) = layer(found.importer), layer(found.imported)
        if high > low:
            wrong.append(str(found))
    assert not wrong, "\n".join(wrong)


def test_only_these_open_models_by_name():
    wrong = [
        str(found)
        for found in OWN_IMPORTS
        if found.imported.endswith(".registry")
        and not any(within(found.importer, part) for part in REGISTRY_USERS)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_top_never_imports_sideways():
    top = len(LAYERS) - 1
    wrong = []
    for found in OWN_IMPORTS:
        (low, importer), (high, imported) = layer(found.importer), layer(found.imported)
        if low == high == top and importer != imported and (importer, imported) != ("__main__", "cli"):
            wrong.append(str(found))
    assert not wrong, "\n".join(wrong)


def test_general_training_never_imports_that_of_the_embedded_pair():
    found = [each for each in OWN_IMPORTS if within(each.importer, "train")]
    assert any(within(each.importer, "train.embedded") and each.imported == "train.sft" for each in found)
    wrong = [
        str(each)
        for each in found
        if within(each.imported, "train.embedded") and not within(each.importer, "train.embedded")
    ]
    assert not wrong, "\n".join(wrong)


def test_no_modules_import_each_other():
    graph: dict[str, set[str]] = {}
    for found in OWN_IMPORTS:
        if not found.late:
            graph.setdefault(found.importer, set()).add(found.imported)

    def reaches(start: str, goal: str, seen: set[str]) -> bool:
        onward = graph.get(start, set()) - seen
        return goal in onward or any(reaches(module, goal, seen | onward) for module in onward)

    assert [module for module in graph if reaches(module, module, set())] == []


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_heavy_library_is_imported_only_where_it_belongs(library):
    allowed = ONLY_IN[library]
    wrong = [
        str(found)
        for found in ALL_IMPORTS
        if within(found.imported, library) and not any(within(found.importer, part) for part in allowed)
    ]
    assert not wrong, "\n".join(wrong)


def loaded_after(code: str) -> set[str]:
    """Which heavy modules a fresh interpreter holds after `code`."""
    report = f"import sys\n{code}\nsys.stderr.write('LOADED ' + ' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", report], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert run.returncode == 0, run.stderr
    return set(run.stderr.rsplit("LOADED", 1)[1].split())


def test_importing_the_package_loads_nothing_heavy():
    assert loaded_after("import medreasoner") == set()


def test_the_light_modules_load_nothing_heavy():
    light = (
        "answer",
        "events",
        "geometry",
        "imaging.read",
        "metrics",
        "output.overlay",
        "pipeline",
        "reasoners.base",
        "segmenters.base",
    )
    assert loaded_after("import " + ", ".join(f"medreasoner.{name}" for name in light)) == set()


def test_the_help_of_the_command_line_loads_nothing_heavy():
    code = """
import runpy
sys.argv = ["medreasoner", "--help"]
try:
    runpy.run_module("medreasoner", run_name="__main__")
except SystemExit as end:
    assert end.code in (0, None), end.code
"""
    assert loaded_after(code) == set()


def test_no_except_is_bare_or_broad():
    wrong = []
    for path in sources(*OURS, "tests"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            names = [one.id for one in caught if isinstance(one, ast.Name)]
            if node.type is None or {"Exception", "BaseException"} & set(names):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not wrong, "\n".join(wrong)


def test_no_file_is_longer_than_350_lines():
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources("medreasoner", "train")
    }
    assert {name: length for name, length in lengths.items() if length > 350} == {}
