"""The house rules that a machine can read from the sources; CONTRIBUTING.md says them in words."""

import ast
import dataclasses
import functools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from camelid.train.settings import StageSettings
from camelid.train.upbringing import AlpacaSettings, LlamaSettings, TokenizerSettings, Upbringing

HOUSE = Path(__file__).parents[1]
ROOMS = (
    *("errors", "files", "recipe", "text", "model", "native", "generate", "train"),
    *("compare", "route", "speaker", "pair", "serve", "export", "cli"),
)
MODULES = sorted((HOUSE / "camelid").rglob("*.py"))
BENCHMARKS = sorted((HOUSE / "benchmarks").glob("*.py"))
TESTS = sorted((HOUSE / "tests").rglob("*.py"))
RECIPES = sorted((HOUSE / "recipes").glob("*.toml"))
PAGES = sorted([*HOUSE.glob("*.md"), *(HOUSE / "docs").glob("*.md")])

DRAWERS = {"utils", "util", "common", "helpers", "helper", "misc", "base", "manager", "shared", "lib"}
MAX_LINES = 400
LONGER = ("camelid/text/world/",)  # sentences in four languages, not logic

# Where torch may be imported at the top; everything else must start without it.
TORCH_ROOMS = (
    "camelid/model/decoder.py",
    "camelid/model/checkpoint.py",
    "camelid/generate/torch_",
    "camelid/train/",
)
HEAVY = {"torch", "transformers", "datasets", "pyarrow"}
# Errors outside the family, of which a user would see a traceback.
STRANGERS = {"Exception", "ValueError", "RuntimeError", "TypeError", "KeyError", "AssertionError"}


@functools.cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def place(path: Path) -> str:
    return path.relative_to(HOUSE).as_posix()


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(HOUSE).with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str) -> str:
    """Return the room of a dotted name; "" for the package itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] != "__main__" else ""


def imported(node: ast.AST) -> list[str]:
    """Return the dotted names that an import statement brings, down to the module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    module = node.module or "relative"
    inside = [f"{module}.{alias.name}" for alias in node.names]
    return [name if is_module(name) else module for name in inside]


def is_module(name: str) -> bool:
    path = HOUSE / Path(*name.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()


def called(tree: ast.AST) -> dict[str, int]:
    """Return the functions called, by their last name, and a line of each."""
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {getattr(func, "id", getattr(func, "attr", "")): func.lineno for func in calls}


def late_imports(path: Path) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield what a file imports inside functions, each with the function."""
    for function in ast.walk(parse(path)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                yield from ((name, function) for name in imported(node))


def test_a_room_imports_only_from_its_left():
    breaches = []
    for path in MODULES:
        own = room_of(module_name(path))
        if not own:
            continue  # the package itself names what is offered
        assert own in ROOMS, f"{own} has no place in the order of rooms"
        others = {name for node in ast.walk(parse(path)) for name in imported(node)}
        rooms = {room_of(name) for name in others if name.startswith("camelid.")}
        breaches += [
            f"{place(path)} imports {room}" for room in rooms if ROOMS.index(room) > ROOMS.index(own)
        ]
    assert not breaches


def test_no_imports_go_in_a_circle():
    graph = {module_name(path): {n for node in parse(path).body for n in imported(node)} for path in MODULES}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " → ".join([*trail, name])
        if name not in done:
            for other in graph.get(name, set()) - {name}:
                visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def lives_without(function: ast.AST) -> bool:
    """Tell whether a function says what it does when an import of its own fails."""
    handled = [node.type for node in ast.walk(function) if isinstance(node, ast.ExceptHandler)]
    return any(getattr(kind, "id", "") in ("ImportError", "ModuleNotFoundError") for kind in handled)


def test_imports_are_absolute_and_stand_at_the_top():
    """A late one brings an optional extra, and does without it or names it in the error."""
    breaches = []
    for path in MODULES:
        if any("relative" in imported(node) for node in ast.walk(parse(path))):
            breaches.append(f"{place(path)} imports relatively")
        if room_of(module_name(path)) not in ("", "cli"):
            breaches += [
                f"{place(path)}: {function.name} imports {name}"
                for name, function in late_imports(path)
                if not lives_without(function)
            ]
    assert not breaches


def test_torch_is_imported_at_the_top_only_where_weights_are():
    breaches = []
    for path in MODULES:
        if not place(path).startswith(TORCH_ROOMS):
            tops = {name.split(".")[0] for node in parse(path).body for name in imported(node)}
            breaches += [f"{place(path)} imports {name}" for name in tops & HEAVY]
    assert not breaches


def test_the_package_and_the_command_line_start_without_what_is_heavy():
    script = f"import sys, camelid, camelid.cli; print(*{HEAVY} & set(sys.modules))"
    assert run_python("-c", script) == ""


def test_modules_have_names_that_say_something():
    words = {path: path.parent.name if path.name == "__init__.py" else path.stem for path in MODULES}
    shape = re.compile(r"__main__|[a-z0-9]+(_[a-z0-9]+)?")
    assert not [place(path) for path, word in words.items() if word in DRAWERS or not shape.fullmatch(word)]


def test_files_are_short():
    lengths = {place(path): len(path.read_bytes().splitlines()) for path in [*MODULES, *BENCHMARKS]}
    assert not {
        name: length for name, length in lengths.items() if length > MAX_LINES and not name.startswith(LONGER)
    }


def test_whatever_is_raised_belongs_to_the_family():
    """Or is caught in the same file."""
    breaches = []
    for path in MODULES:
        handled = [node.type for node in ast.walk(parse(path)) if isinstance(node, ast.ExceptHandler)]
        caught = {getattr(name, "id", "") for kind in handled if kind for name in ast.walk(kind)}
        raised = [node.exc for node in ast.walk(parse(path)) if isinstance(node, ast.Raise) and node.exc]
        names = [(getattr(exc, "func", exc), exc.lineno) for exc in raised]
        strangers = STRANGERS - caught
        breaches += [f"{place(path)}:{line}" for name, line in names if getattr(name, "id", "") in strangers]
    assert not breaches


def test_only_the_command_line_prints():
    found = {place(path): called(parse(path)) for path in MODULES if room_of(module_name(path)) != "cli"}
    assert not [f"{name}:{calls['print']}" for name, calls in found.items() if "print" in calls]


def test_no_test_sleeps():
    found = {place(path): called(parse(path)) for path in TESTS}
    assert not [f"{name}:{calls['sleep']}" for name, calls in found.items() if "sleep" in calls]


def keys_of(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield the keys of a recipe in their order, and whether a comment is beside or above each."""
    above = table = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if header := re.match(r"\[+([\w.-]+)\]+", line):
            table = header[1]
        elif table.endswith(".mix"):
            continue  # sources' names
        elif key := re.match(r"([\w-]+)\s*=", line):
            yield key[1], above.startswith("#") or bool(re.search(r"\s#\s+\S", line))
        above = line


@pytest.mark.parametrize("path", RECIPES, ids=place)
def test_every_key_of_a_recipe_is_explained_where_it_first_stands(path):
    """In the recipe itself or in quick.toml, which explains them all; a key means the same in every table."""
    quick = HOUSE / "recipes" / "quick.toml"
    explained = {key for key, commented in keys_of(quick) if commented} if path != quick else set()
    missing = []
    for key, commented in keys_of(path):
        if commented:
            explained.add(key)
        elif key not in explained:
            missing.append(key)
    assert not missing


def test_quick_explains_every_key():
    """Of a [[source]] only the most needed ones; reference.toml and text/sources.py have the others."""
    found = {key for key, _ in keys_of(HOUSE / "recipes" / "quick.toml")}
    kinds = (Upbringing, TokenizerSettings, LlamaSettings, AlpacaSettings, StageSettings)
    tables = {"source", "tokenizer", "llama", "alpaca", "pretrain", "finetune", "distill"}
    keys = {spec.name for kind in kinds for spec in dataclasses.fields(kind)} - tables
    assert keys - found <= {"tokens", "steps"}  # the other two budgets, named beside minutes


def test_links_in_the_pages_lead_somewhere():
    broken = []
    for page in PAGES:
        targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        broken += [
            f"{place(page)}: {target}"
            for target in targets
            if "://" not in target and not (page.parent / target).exists()
        ]
    assert not broken


def test_the_readme_fits():
    assert len((HOUSE / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_the_version_is_the_same_everywhere():
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert run_python("-c", "import camelid; print(camelid.__version__)") == project["version"]
    assert f"\n## {project['version']} " in (HOUSE / "CHANGELOG.md").read_text(encoding="utf-8")


def test_generated_pages_are_not_stale():
    """`make docs` writes them from the results that the benchmarks stored."""
    assert run_python("benchmarks/docs.py", "--check") == ""


def run_python(*arguments: str) -> str:
    run = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=HOUSE)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout.strip()
