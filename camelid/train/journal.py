"""What a stage writes down while it runs: metrics.jsonl, and TensorBoard's files where that is installed.

A resumed run drops the lines after the checkpoint that it takes up, so that no step is there twice.
"""

import json
import logging
from pathlib import Path
from types import TracebackType
from typing import Any

from camelid.files import write_text

NAME = "metrics.jsonl"


class Journal:
    """Lines of numbers, each with the step that it belongs to; use it as a context."""

    def __init__(self, folder: Path, *, step: int) -> None:
        """Open the journal in `folder`, keeping what was written up to `step`."""
        self._path = folder / NAME
        kept = [line for line in _lines(self._path) if json.loads(line)["step"] <= step]
        write_text(self._path, "".join(line + "\n" for line in kept))
        self._file = open(self._path, "a", encoding="utf-8")  # noqa: SIM115 (closed by __exit__)
        self._board = _open_board(folder / "tensorboard", step)

    def write(self, step: int, **values: Any) -> None:
        """Add a line; numbers and tables of numbers also go to TensorBoard."""
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._file.flush()
        if self._board is None:
            return
        for name, value in values.items():
            parts = value if isinstance(value, dict) else {"": value}
            for key, number in parts.items():
                self._board.add_scalar(f"{name}/{key}".rstrip("/"), number, step)

    def __enter__(self) -> "Journal":
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the files."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def read_journal(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of a stage's metrics.jsonl, the oldest first."""
    return [json.loads(line) for line in _lines(folder / NAME)]


def _lines(path: Path) -> list[str]:
    """Return the whole lines of a file; a half one at the end is what a kill left."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    return text[: text.rfind("\n") + 1].splitlines()


def _open_board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    return SummaryWriter(str(folder), purge_step=step + 1)
