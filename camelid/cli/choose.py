"""camelid choose: which model, weight type and dial meet a user's limits on a task."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camelid.cli.options import PairFolder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.table import Table

    from camelid.compare.task import Task
    from camelid.route.choice import Advice, Limits, Option
    from camelid.route.trial import Tried


def choose(
    folder: PairFolder,
    task: Annotated[
        str,
        typer.Option(help="The task's name, such as translation; by default each one.", show_default=False),
    ] = "",
    max_latency_ms: Annotated[
        float | None, typer.Option(help="95 of 100 answers take at most so long.")
    ] = None,
    max_memory_mb: Annotated[
        float | None, typer.Option(help="The process takes at most so much, in millions of bytes.")
    ] = None,
    min_quality: Annotated[
        float | None,
        typer.Option(help="The mean quality by the task's metric, from 0 to 1, is at least this."),
    ] = None,
    second_costs: Annotated[
        float, typer.Option(help="How much quality a second is worth: 0.001 gives a thousandth for one.")
    ] = 0.0,
    limit: Annotated[int, typer.Option(min=2, help="Judge by at most so many items.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Recommend one of a pair for a task: the Llama or the Alpaca, a weight type, a setting of the dial.

    What compare and calibrate found is used; what is not known yet is measured on the pair's held-out items,
    and kept. Says where figures are from, what speaks for the advice, and what would change it. When nothing
    meets the limits, says what comes nearest; the exit status is 1.
    """
    from camelid.route.choice import Limits, advise

    limits = Limits(
        None if max_latency_ms is None else max_latency_ms / 1000,
        None if max_memory_mb is None else max_memory_mb * 1e6,
        min_quality,
        second_costs,
    )
    tasks, tried = _try(folder, task, limit)
    advice = {name: advise(options, limits) for name, options in tried.options.items()}
    router = _tell_router(folder)
    if as_json:
        told = [_describe(tasks[name], tried.options[name], each, limits) for name, each in advice.items()]
        known = {"sources": list(tried.sources), "auto": router or None}
        print(json.dumps({**(told[0] if task else {"tasks": told}), **known}, ensure_ascii=False, indent=2))
    else:
        _print(tasks, tried, advice, limits, router, whole=bool(task))
    if not all(each.met for each in advice.values()):
        raise typer.Exit(1)


def _try(folder: "Path", task: str, limit: int) -> "tuple[dict[str, Task], Tried]":
    """Return the tasks to advise on, and the options for them.

    Raises DataError without held-out items, RequestError for a task of another name.
    """
    from camelid.compare.contest import Contestant
    from camelid.compare.tasks import find_tasks
    from camelid.errors import DataError, RequestError, suggest
    from camelid.files import lock_folder
    from camelid.pair import Pair
    from camelid.route.trial import SHEET, measure_options

    pair = Pair(folder)
    tasks = find_tasks(folder)
    if not tasks:
        raise DataError(
            f"{folder} has no held-out records to measure on. camelid train writes them, and so does "
            "camelid pair with --data; a pair that was copied needs its held_out.jsonl too."
        )
    if task and task not in tasks:
        raise RequestError(f"This pair has no task {task!r} to measure.{suggest(task, tasks)}")
    contestants = {role: Contestant(role, speaker.folder) for role, speaker in pair.speakers.items()}
    tasks = {name: each for name, each in tasks.items() if task in ("", name)}
    with lock_folder(folder / SHEET):
        tried = measure_options(
            folder, contestants, tasks, limit=limit, say=lambda words: print(f"{words} …", file=sys.stderr)
        )
    return tasks, tried


def _tell_router(folder: "Path") -> str:
    """Return what calibration found of the router, over all tasks together; "" without a router."""
    from camelid.errors import CheckpointError
    from camelid.route.folder import load_router

    try:
        router = load_router(folder)
    except CheckpointError:  # of other weights: it says nothing of these
        return ""
    if router is None or not router.evidence.get("answer"):
        return ""
    found = str(router.evidence["answer"]).removeprefix("Met: ")
    return f"For requests of all kinds, --model auto chooses one by one; as calibrated, {found}"


def _describe(
    task: "Task", options: "Sequence[Option]", advice: "Advice", limits: "Limits"
) -> dict[str, Any]:
    return {
        "task": task.name,
        "metric": task.metric,
        **advice.to_dict(),
        "options": [{**option.to_dict(), "missed": sorted(limits.missed(option))} for option in options],
    }


def _print(
    tasks: "dict[str, Task]",
    tried: "Tried",
    advice: "dict[str, Advice]",
    limits: "Limits",
    router: str,
    *,
    whole: bool,
) -> None:
    """Print the advice; whole: with the table of all that was measured, for one task."""
    from rich.text import Text

    from camelid.cli.screen import open_console

    console = open_console()
    for name, each in advice.items():
        if whole:
            title = f"{tasks[name].title}, by {tasks[name].metric}"
            console.print(_draw(tried.options[name], limits, title))
        else:
            console.print(Text(tasks[name].title, "bold"))
        for line in each.words:
            console.print(line, markup=False, soft_wrap=True)
        if not whole:
            console.print()
    for line in (*tried.sources, router):
        if line:
            console.print(line, style="dim", markup=False, soft_wrap=True)


def _draw(options: "Sequence[Option]", limits: "Limits", title: str) -> "Table":
    """Return what was measured as a table."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(("", "quality", "mean time", "95 of 100 within", "memory", "misses")):
        table.add_column(column, justify="right" if 0 < place < 5 else "left", no_wrap=True)
    for option in options:
        table.add_row(
            option.name,
            f"{option.quality:.3f} ± {option.margin:.3f}",
            f"{1000 * option.mean_s:.1f} ms",
            f"{1000 * option.p95_s:.1f} ms",
            f"{option.memory_bytes / 1e6:.0f} MB",
            ", ".join(limits.missed(option)) or "–",
        )
    return table
