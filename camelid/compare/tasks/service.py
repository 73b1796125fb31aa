"""Customer service: the intent, or the answer; whether it is the data's own word for word decides."""

from collections.abc import Sequence

from camelid.compare.task import Task
from camelid.compare.tasks.turns import answers_of
from camelid.text.records import Record

NAME = "service"
RECORDS = ("service", "customer service", "intent")


def make_task(records: Sequence[Record]) -> Task:
    """Return the task of all service conversations among the records."""
    return Task(
        NAME,
        "Customer service",
        ("exact_match", "chrf", "bits_per_byte"),
        "generate",
        answers_of(records, RECORDS),
        group_by="turns",
    )
