"""camelid eval: tasks of lm-evaluation-harness, asked of one model or of both of a pair."""

import contextlib
import json
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camelid.cli.options import Folder, WeightTypes, find_model
from camelid.errors import RequestError, suggest

if TYPE_CHECKING:
    from rich.table import Table


def evaluate(
    folder: Folder,
    harness: Annotated[
        list[str],
        typer.Option(
            "--harness", help="Tasks of lm-evaluation-harness, with commas between, or several times."
        ),
    ],
    include_path: Annotated[
        Path | None,
        typer.Option(help="A folder with tasks of your own, as YAML; works offline.", show_default=False),
    ] = None,
    model: Annotated[
        str,
        typer.Option("--model", "-m", help="Of a pair this one only: llama or alpaca.", show_default=False),
    ] = "",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Ask at most so many items of each task.", show_default=False)
    ] = None,
    fewshot: Annotated[
        int | None,
        typer.Option(min=0, help="Show so many examples; by default what the task says.", show_default=False),
    ] = None,
    chat: Annotated[bool, typer.Option("--chat", help="Ask with the model's chat template.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Draw examples with this.")] = 0,
    weights: Annotated[
        WeightTypes | None,
        typer.Option("--weights", "-w", help="What weights are packed in.", show_default=False),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="How many; by default one per core.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write everything that the harness tells into this file.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Run tasks of lm-evaluation-harness on a model, or on both of a pair.

    The harness' own tasks fetch their data from the network; tasks of your own in --include-path need none.
    The numbers are those that camelid compare gives for the same items.
    """
    from camelid.cli.screen import open_console
    from camelid.files import write_text

    names = [name for given in harness for name in given.split(",") if name]
    found = {}
    for role, path in _models(folder, model).items():
        with contextlib.redirect_stdout(sys.stderr):  # where the harness prints, too
            found[role] = _run(
                path,
                names,
                weights and weights.value,
                threads,
                include_path=include_path,
                limit=limit,
                num_fewshot=fewshot,
                chat=chat,
                seed=seed,
            )
    if out:
        write_text(out, json.dumps(found, indent=2, ensure_ascii=False, default=str) + "\n")
    if as_json:
        results = {role: told["results"] for role, told in found.items()}
        print(json.dumps(results, indent=2, ensure_ascii=False, default=float))
        return
    open_console().print(draw({role: told["results"] for role, told in found.items()}))


def draw(found: dict[str, Any]) -> "Table":
    """Return the results of each model, side by side."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("task")
    table.add_column("metric")
    for name in found:
        table.add_column(Text(name), justify="right")
    first = next(iter(found.values()))
    for task, results in first.items():
        keys = [
            key for key, value in results.items() if "," in key and "_stderr" not in key and _is_number(value)
        ]
        for place, key in enumerate(keys):
            cells = (_say(told[task], key) for told in found.values())
            table.add_row("" if place else Text(task), Text(_say_metric(key)), *cells)
    return table


def _run(path: Path, names: list[str], weights: Any, threads: int | None, **settings: Any) -> dict[str, Any]:
    """Return what the harness finds; it says much on the way, of which nothing is kept."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from camelid.compare.harness import HarnessModel, run_harness

    return run_harness(HarnessModel(str(path), weights=weights, threads=threads), names, **settings)


def _models(folder: Path, model: str) -> dict[str, Path]:
    """Return the models to ask, by name.

    Raises CheckpointError when the folder is neither a model's nor a pair's, RequestError for another name.
    """
    from camelid.model.pairfile import ROLES, read_pair_file

    found = find_model(folder)
    if found is not None:
        if model:
            raise RequestError(f"{folder} is one model; --model chooses one of a pair. Leave it out.")
        return {folder.resolve().name: found}
    pair = read_pair_file(folder)
    if model and model not in ROLES:
        raise RequestError(f"A pair has no model {model!r}.{suggest(model, ROLES)}")
    return {role: folder / pair.roles[role].folder for role in ROLES if model in ("", role)}


def _is_number(value: object) -> bool:
    try:
        return not math.isnan(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def _say(results: dict[str, Any], key: str) -> str:
    name, _, filters = key.partition(",")
    spread = results.get(f"{name}_stderr,{filters}")
    value = f"{float(results[key]):.4f}"
    return f"{value} ± {float(spread):.4f}" if spread is not None and _is_number(spread) else value


def _say_metric(key: str) -> str:
    name, _, filters = key.partition(",")
    return name if filters == "none" else f"{name}, {filters}"
