"""A run as it is watched: a live picture in a terminal, plain lines elsewhere."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from camelid.cli.screen import say_duration
from camelid.train.progress import Status

LINE_S = 10.0  # between plain lines


def say_status(status: Status) -> str:
    """Return where a stage stands, in words."""
    steps = f"{status.step:,} of {status.total_steps:,}" if status.total_steps else f"{status.step:,}"
    return (
        f"step {steps} · loss {status.loss:.3f} · {status.tokens_per_s:,.0f} tokens/s · "
        f"{say_duration(max(0.0, status.seconds_left))} left"
    )


class PlainProgress:
    """A run as lines: one when something happens, and one every ten seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said_s = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to undo."""

    def begin(self, stage: str) -> None:
        """Say that a stage starts."""
        self._said_s = time.monotonic()
        self._say(f"{stage}: begins")

    def skip(self, stage: str) -> None:
        """Say that a stage is done already."""
        self._say(f"{stage}: unchanged, skipped")

    def step(self, status: Status) -> None:
        """Say where a stage stands, if the last line is long ago."""
        if time.monotonic() - self._said_s >= LINE_S:
            self._said_s = time.monotonic()
            self._say(f"{status.stage}: {status.share:.0%} · {say_status(status)}")

    def note(self, text: str) -> None:
        """Say one line."""
        self._say(f"  {text}")

    def end(self, stage: str, seconds: float) -> None:
        """Say that a stage is done."""
        self._say(f"{stage}: done in {say_duration(seconds)}")

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)


class LiveProgress:
    """A run as a picture of all stages, with a bar for the one that runs; notes scroll by above it."""

    def __init__(self, console: Console, stages: Sequence[str]) -> None:
        self._console, self._stages = console, stages
        self._ends: dict[str, str] = {}
        self._running = ""
        self._began_s = 0.0
        self._status: Status | None = None
        self._live = Live(console=console, get_renderable=self._draw, refresh_per_second=4)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the picture as it is at the end."""
        self._live.__exit__(kind, value, trace)

    def begin(self, stage: str) -> None:
        """Show that a stage runs."""
        self._running, self._status, self._began_s = stage, None, time.monotonic()

    def skip(self, stage: str) -> None:
        """Show that a stage is done already."""
        self._ends[stage] = "unchanged"

    def step(self, status: Status) -> None:
        """Show where a stage stands; drawn a few times a second, whatever the number of calls."""
        self._status = status

    def note(self, text: str) -> None:
        """Print one line above the picture."""
        self._console.print(f"  {text}", style="dim", markup=False)

    def end(self, stage: str, seconds: float) -> None:
        """Show that a stage is done."""
        self._ends[stage], self._running, self._status = say_duration(seconds), "", None

    def _draw(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        table.add_column(width=1)
        table.add_column(min_width=max(len(stage) for stage in self._stages))
        table.add_column()
        for stage in self._stages:
            table.add_row(*self._row(stage))
        return Group(table)

    def _row(self, stage: str) -> tuple[RenderableType, ...]:
        if stage in self._ends:
            return Text("✓", "green"), Text(stage), Text(self._ends[stage], "dim")
        if stage != self._running:
            return Text(" "), Text(stage, "dim"), Text("")
        if self._status is None:
            spent = time.monotonic() - self._began_s
            return Text("▸", "yellow"), Text(stage, "bold"), Text(f"{spent:.0f} s", "dim")
        bar = Table.grid(padding=(0, 1))
        share = min(max(self._status.share, 0.0), 1.0)
        figures = Text(f"{share:4.0%} {say_status(self._status)}", no_wrap=True, overflow="ellipsis")
        bar.add_row(ProgressBar(total=1.0, completed=share, width=20), figures)
        return Text("▸", "yellow"), Text(stage, "bold"), bar
