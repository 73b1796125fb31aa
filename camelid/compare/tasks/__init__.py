"""The tasks: what both models are asked, one file for each built-in one, and `own` for a user's.

The built-in ones are fed from a pair's held-out records, or from any data file. They must not know who
answers, nor how answers are judged beyond the names of metrics.
"""

from collections.abc import Sequence
from pathlib import Path

from camelid.compare.reading import find_text, read_text
from camelid.compare.task import Item, Kind, Task
from camelid.compare.tasks import conversation, generation, sentiment, service, summarization, translation
from camelid.compare.tasks.multilingual import split_by_language
from camelid.compare.tasks.own import load_task
from camelid.text.records import Record

__all__ = ["Item", "Kind", "Task", "find_tasks", "load_task", "make_tasks", "split_by_language"]

NAMED = (summarization, translation, sentiment, service)


def find_tasks(folder: Path, data: Path | None = None) -> dict[str, Task]:
    """Return the built-in tasks that a pair's held-out records can feed, by name; or those of a data file.

    Raises DataError when the data cannot be read.
    """
    path = data or find_text(folder)
    return make_tasks(read_text(path)) if path else {}


def make_tasks(records: Sequence[Record]) -> dict[str, Task]:
    """Return the built-in tasks that have items among the records, by name."""
    taken = [name for module in NAMED for name in module.RECORDS]
    tasks = [
        generation.make_task(records),
        *(module.make_task(records) for module in NAMED),
        conversation.make_task(records, taken),
    ]
    return {task.name: task for task in tasks if task.pool}
