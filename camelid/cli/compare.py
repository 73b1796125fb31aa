"""camelid compare: two models on the same tasks, and the sheet of what that shows."""

import json
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camelid.cli.options import WeightTypes, find_model
from camelid.errors import DataError, RecipeError, suggest

if TYPE_CHECKING:
    from camelid.compare.contest import Contestant
    from camelid.compare.task import Task

LIMIT = 200


def compare(
    folder: Annotated[Path, typer.Argument(metavar="PAIR|MODEL", help="A pair, or the first model.")],
    other: Annotated[
        Path | None, typer.Argument(metavar="MODEL", help="The second model.", show_default=False)
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", help="This built-in task only; may be given several times.", show_default=False
        ),
    ] = None,
    lang: Annotated[str, typer.Option("--lang", help="This language only.", show_default=False)] = "",
    limit: Annotated[int, typer.Option(min=1, help="Ask at most so many items of each task.")] = LIMIT,
    own: Annotated[
        list[Path] | None,
        typer.Option(
            "--task",
            help='A task of your own, a JSONL file of {"input": …, "target": …}; may be given several times. '
            "Without --only, it alone is asked.",
            show_default=False,
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help="Judge the --task by this; the first decides.", show_default=False),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Feed the built-in tasks from a data file, not the held-out records.", show_default=False
        ),
    ] = None,
    fewshot: Annotated[
        int | None,
        typer.Option(min=0, help="Show so many items with answers before each.", show_default=False),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Ask in plain text, without the chat template.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Draw the items with this.")] = 0,
    weights: Annotated[
        WeightTypes | None,
        typer.Option("--weights", "-w", help="What weights are packed in.", show_default=False),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="How many; by default one per core.")] = None,
    measure: Annotated[bool, typer.Option(help="Measure what answers cost, too.")] = True,
    out: Annotated[
        Path | None,
        typer.Option(help="Where the sheet goes; by default into the pair's folder.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the sheet as JSON.")] = False,
) -> None:
    """Compare the two of a pair, or any two models, on named tasks, and write the sheet.

    Generation, summarization, translation, sentiment, service and conversation are asked with the pair's
    held-out records, and in each language apart. Every figure has an interval, every difference is paired on
    the same items. The sheet is sheet.json, sheet.md and sheet.html. A run that was cut off goes on.
    """
    from camelid.cli.contest import draw_sheet, show_progress
    from camelid.cli.screen import open_console
    from camelid.compare.contest import hold_contest
    from camelid.compare.sheet import make_sheet, write_sheet
    from camelid.files import lock_folder, sweep

    began = time.monotonic()
    name, contestants = open_contestants(folder, other, weights and weights.value, threads)
    tasks = choose_tasks(
        [each.folder for each in contestants], only or [], own or [], metric or [], data=data, lang=lang
    )
    tasks = {key: _ask_as(task, fewshot, plain) for key, task in tasks.items()}
    place = out or (folder / "sheet" if other is None else Path("sheets") / name)
    with lock_folder(place), show_progress() as progress:
        sweep(place)
        outcome = hold_contest(
            contestants, tasks, limit=limit, seed=seed, keep=place / "items", progress=progress, timed=measure
        )
        command = f"camelid {shlex.join(sys.argv[1:])}"
        sheet = make_sheet(outcome, name=name, command=command, seconds=time.monotonic() - began)
        files = write_sheet(place, sheet)
    if as_json:
        print(json.dumps(sheet, ensure_ascii=False, indent=2))
        return
    draw_sheet(open_console(), sheet, files)


def open_contestants(
    folder: Path, other: Path | None, weights: str | None, threads: int | None
) -> "tuple[str, tuple[Contestant, Contestant]]":
    """Return what the two together are called, and the two.

    Raises CheckpointError when a folder is no model or pair, RecipeError when it takes one more.
    """
    from camelid.compare.contest import Contestant
    from camelid.model.pairfile import ROLES, read_pair_file

    loading: Any = {key: value for key, value in (("weights", weights), ("threads", threads)) if value}
    first = find_model(folder)
    if other is None:
        if first is not None:
            raise RecipeError(f"{folder} is one model. Name the one to compare it with, too, or a pair.")
        pair = read_pair_file(folder)
        one, two = (
            Contestant(role, folder / entry.folder, entry if entry.is_told else None, loading)
            for role, entry in ((role, pair.roles[role]) for role in ROLES)
        )
        return pair.name, (one, two)
    second = find_model(other)
    for given, found in ((folder, first), (other, second)):
        if found is None:
            read_pair_file(given)  # complains of what is neither
            raise RecipeError(
                f"{given} is a pair. Compare it alone, or name one of its models: {given}/llama."
            )
    names = [given.resolve().name for given in (folder, other)]
    if names[0] == names[1]:
        names = [f"{given.resolve().parent.name}-{given.resolve().name}" for given in (folder, other)]
    if names[0] == names[1]:
        names[1] += "-again"
    one, two = (
        Contestant(name, found, loading=loading)
        for name, found in zip(names, (first, second), strict=True)
        if found is not None
    )
    return f"{names[0]}-and-{names[1]}", (one, two)


def choose_tasks(
    folders: list[Path], only: list[str], own: list[Path], metrics: list[str], *, data: Path | None, lang: str
) -> "dict[str, Task]":
    """Return the tasks to ask, by name: the built-in ones that are wished for and fed, and the user's own.

    Raises DataError when there is nothing to ask, RecipeError for a task or metric of another name.
    """
    from camelid.compare.metrics import find_metric
    from camelid.compare.tasks import find_tasks, load_task

    if metrics and not own:
        raise RecipeError("--metric judges a task of your own. Add --task FILE, or leave it out.")
    for name in metrics:
        find_metric(name)
    tasks: dict[str, Task] = {}
    if only or not own or data:
        found = next((tasks for folder in folders if (tasks := find_tasks(folder, data))), {})
        if not found:
            raise DataError(
                "There is nothing to ask: no held-out records lie beside the models. "
                "Give a task of your own with --task FILE, or any data with --data FILE."
            )
        for name in only:
            if name not in found:
                raise RecipeError(f"There is no data for a task {name!r} here.{suggest(name, found)}")
        tasks = {name: task for name, task in found.items() if not only or name in only}
    for path in own:
        task = load_task(path, metrics=metrics)
        if task.name in tasks:
            raise RecipeError(
                f"Two tasks are called {task.name!r}. Rename {path}, or give it a name in its header."
            )
        tasks[task.name] = task
    return _in_language(tasks, lang) if lang else tasks


def _in_language(tasks: "dict[str, Task]", lang: str) -> "dict[str, Task]":
    from camelid.compare.tasks import split_by_language
    from camelid.text.languages import LANGUAGE_NAMES, language_code

    views, code = split_by_language(tasks), language_code(lang)
    if code not in views:
        known = ", ".join(LANGUAGE_NAMES.get(each, each) for each in views) or "not known"
        raise DataError(f"No item is in {LANGUAGE_NAMES.get(code, code)}; the languages are: {known}.")
    return {task.name: task for task in views[code].values()}


def _ask_as(task: "Task", fewshot: int | None, plain: bool) -> "Task":
    """Return a task as it is to be asked."""
    from dataclasses import replace

    task = replace(task, num_fewshot=task.num_fewshot if fewshot is None else fewshot)
    return task.in_plain_text() if plain else task
