"""camelid choose: which model, weight type and dial meet a user's limits on a task."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camelid.cli.options import PairFolder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from camelid.route.choice import Limits, Option


def choose(
    folder: PairFolder,
    task: Annotated[str, typer.Option(help="The task's name, such as translation.")],
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
    limit: Annotated[int, typer.Option(min=2, help="Measure on at most so many items.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Recommend one of a pair for a task: the Llama or the Alpaca, a weight type, a setting of the dial.

    What is not known yet is measured on the pair's held-out items, and kept. Says what speaks for it and what
    would change the advice. When nothing meets the limits, says what comes nearest; the exit status is 1.
    """
    from camelid.cli.screen import open_console
    from camelid.compare.tasks import find_tasks
    from camelid.errors import DataError, RequestError, suggest
    from camelid.pair import Pair
    from camelid.route.choice import Limits, advise
    from camelid.route.trial import measure_options

    limits = Limits(
        None if max_latency_ms is None else max_latency_ms / 1000,
        None if max_memory_mb is None else max_memory_mb * 1e6,
        min_quality,
        second_costs,
    )
    pair = Pair(folder)
    tasks = {name: each for name, each in find_tasks(folder).items() if each.kind != "read"}
    if not tasks:
        raise DataError(
            f"{folder} has no held-out conversations to measure on. camelid train writes them; a pair that "
            "was copied needs its held_out.jsonl too."
        )
    if task not in tasks:
        raise RequestError(f"This pair has no task {task!r} to measure.{suggest(task, tasks)}")
    options = measure_options(
        folder,
        {role: speaker.folder for role, speaker in pair.speakers.items()},
        {role: speaker.tokenizer for role, speaker in pair.speakers.items()},
        tasks[task],
        limit=limit,
        say=lambda name: print(f"measuring {name} …", file=sys.stderr),
    )
    advice = advise(options, limits)
    if as_json:
        told: dict[str, Any] = {
            "task": task,
            "metric": tasks[task].metric,
            **advice.to_dict(),
            "options": [{**option.to_dict(), "missed": sorted(limits.missed(option))} for option in options],
        }
        print(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        console = open_console()
        console.print(_draw(options, limits, f"{tasks[task].title}, by {tasks[task].metric}"))
        for line in advice.words:
            console.print(line, markup=False, soft_wrap=True)
    if not advice.met:
        raise typer.Exit(1)


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
