"""A comparison as it is watched, and its sheet in the terminal."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from camelid.cli.screen import printable
from camelid.compare.words import list_costs, say_interval

_STYLES = ("magenta", "cyan")
_SHOWN_COSTS = 11  # rows of the costs, of which the rest stands in the sheet's files


class Bars:
    """Progress as bars, one after the other."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bar = None if progress.disable else progress.add_task("", total=None, visible=False)

    def begin(self, name: str, total: int) -> None:
        """Show a new bar."""
        if not self._progress.disable:
            self._bar = self._progress.add_task(name, total=total)

    def advance(self, count: int = 1) -> None:
        """Move the bar on."""
        if self._bar is not None:
            self._progress.advance(self._bar, count)


@contextlib.contextmanager
def show_progress() -> Iterator[Bars]:
    """Show bars on a terminal while the block runs; elsewhere nothing."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        yield Bars(progress)


def draw_sheet(console: Console, sheet: Mapping[str, Any], files: Sequence[Path]) -> None:
    """Print a sheet: verdicts, figures, costs, and where all of it stands."""
    names = [model["name"] for model in sheet["models"]]
    console.print(_figures(sheet, names))
    for task in sheet["tasks"]:
        style = _STYLES[names.index(task["verdict"])] if task["verdict"] else "dim"
        line = Text(f"{printable(task['title'])}: ", "bold")
        console.print(line.append(printable(task["words"]), style), soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for name, style in zip(names, _STYLES, strict=True):
        table.add_column(Text(name, style), justify="right")
    for label, cells in list_costs(list(sheet["models"]))[:_SHOWN_COSTS]:
        table.add_row(label, *cells)
    console.print(table)
    for note in sheet["notes"]:
        console.print(note, style="dim", markup=False)
    console.print(f"The sheet: {files[-1]}, and {', '.join(file.name for file in files[:-1])}.", markup=False)


def _figures(sheet: Mapping[str, Any], names: Sequence[str]) -> Table:
    table = Table(
        title=Text(printable(sheet["name"])), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("")
    table.add_column("metric")
    for name, style in zip(names, _STYLES, strict=True):
        table.add_column(Text(name, style), justify="right", no_wrap=True)
    table.add_column("difference", justify="right", no_wrap=True)
    table.add_column("95 % interval", justify="right", no_wrap=True)
    table.add_column("n", justify="right")
    for task in sheet["tasks"]:
        for place, judged in enumerate(task["metrics"]):
            style = "dim" if place else ""
            table.add_row(
                "" if place else Text(printable(task["title"])),
                Text(judged["title"], style),
                *(Text(figure["text"], style) for figure in judged["figures"].values()),
                Text(judged["difference"]["text"], style),
                Text(say_interval(judged, judged["difference"], signed=True), style),
                Text(str(judged["n"]), style),
            )
    return table
