"""Translation, each direction apart: chrF decides, BLEU stands beside it, both sacrebleu's."""

from collections.abc import Sequence

from camelid.compare.task import Task
from camelid.compare.tasks.turns import answers_of
from camelid.text.records import Record

NAME = "translation"
RECORDS = ("translation",)


def make_task(records: Sequence[Record]) -> Task:
    """Return the task of all translations among the records."""
    return Task(
        NAME,
        "Translation",
        ("chrf", "bleu", "exact_match"),
        "generate",
        answers_of(records, RECORDS),
        group_by="direction",
    )
