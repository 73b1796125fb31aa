"""What is written to the terminal: consoles, and text that cannot disturb one."""

import os
import sys
from typing import IO

from rich.console import Console

WIDTH = 100  # of output that goes to a file or a pipe

# A model may write any character: those that would move the cursor or change colours are shown instead.
_CONTROLS = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"}
_CONTROLS |= {0x7F: "\u2421"} | {code: "\ufffd" for code in range(0x80, 0xA0)}


def open_console(file: IO[str] | None = None) -> Console:
    """Return a console for standard output, or for a file."""
    file = file or sys.stdout
    width = None if file.isatty() or "COLUMNS" in os.environ else WIDTH
    return Console(file=file, width=width, highlight=False, emoji=False)


def printable(text: str) -> str:
    """Return `text` with control characters made visible."""
    return text.translate(_CONTROLS)


def write(piece: str) -> None:
    """Write a piece of a model's text at once: as it is to a file or a pipe, `printable` to a terminal."""
    sys.stdout.write(printable(piece) if sys.stdout.isatty() else piece)
    sys.stdout.flush()


def say_duration(seconds: float) -> str:
    """Return seconds in words: "0.4 s", "48 s", "3 min 20 s", "1 h 05 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def say_bytes(number: float) -> str:
    """Return a size in words, decimal units: "812 kB", "14.2 MB"."""
    for unit in ("B", "kB", "MB"):
        if number < 999.5:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.3g} GB" if number < 1000 else f"{number:,.0f} GB"


def shorten(text: str, width: int) -> str:
    """Return the beginning of a text on one line, with "…" where something is left out."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"
