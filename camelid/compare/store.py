"""Scores on disk, item by item, so that a comparison that was cut off goes on where it was.

One JSONL file for a model and a task; its name holds a hash of the model and of how the task is asked, and
each line one of what was asked. So a score is used again only where nothing that it depends on has changed.
"""

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from camelid.compare.score import Score
from camelid.compare.task import Item, Task
from camelid.errors import CamelidError
from camelid.files import hash_json, open_atomic
from camelid.generate.load import LoadOptions
from camelid.native import is_built

SCORING = 1  # raised when scoring changes, so that old scores are not mixed with new ones

_WRITE_S = 5.0


def identify(model_hash: str, loading: LoadOptions) -> list[str]:
    """Return what tells a model, loaded like this, from others."""
    engine = "native" if is_built() else "torch"
    return [model_hash, engine, *(f"{key}={value}" for key, value in loading.items())]


class ScoreFile:
    """The scores that one model has of one task so far; leaving the block writes what is new."""

    def __init__(self, folder: Path, name: str, model: Sequence[str], task: Task) -> None:
        """Read what is there.

        model: what tells the model from others: its hash, what its weights are packed in.
        """
        settings = [SCORING, *model, task.name, task.kind, task.metrics, task.max_tokens, task.chat]
        words = re.sub(r"[^\w.-]+", "-", f"{task.name}.{name}").lstrip(".")
        self.path = folder / f"{words}.{hash_json(settings)[:8]}.jsonl"
        self._rows = _read(self.path)
        self._unwritten = 0
        self._written_s = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is new, whatever ended the block."""
        if self._unwritten:
            self._write()

    def find(self, item: Item) -> Score | None:
        """Return the score of an item; None where it was never asked, or not in these words."""
        row = self._rows.get(item.id)
        if row is None or row["asked"] != item.fingerprint:
            return None
        return Score.from_dict({key: value for key, value in row.items() if key != "asked"})

    def add(self, item: Item, score: Score) -> None:
        """Keep a score; it is on disk some seconds later, or when the block is left."""
        self._rows[item.id] = {"asked": item.fingerprint, **score.to_dict()}
        self._unwritten += 1
        if time.monotonic() - self._written_s > _WRITE_S:
            self._write()

    def _write(self) -> None:
        with open_atomic(self.path) as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in self._rows.values())
        self._unwritten, self._written_s = 0, time.monotonic()


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """Return the rows of a file by item; none of one that is missing or damaged, which is then made anew."""
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for row in rows:
            Score.from_dict({key: value for key, value in row.items() if key != "asked"})
        return {row["item"]: row for row in rows if "asked" in row}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, CamelidError):
        return {}
