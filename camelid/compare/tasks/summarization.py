"""Summarization: an article in a sentence, beside the one that somebody wrote; ROUGE-L decides."""

from collections.abc import Sequence

from camelid.compare.task import Task
from camelid.compare.tasks.turns import answers_of
from camelid.text.records import Record

NAME = "summarization"
RECORDS = ("summary", "summarization")


def make_task(records: Sequence[Record]) -> Task:
    """Return the task of all summaries among the records."""
    items = answers_of(records, RECORDS)
    return Task(
        NAME, "Summarization", ("rouge_l", "rouge_1", "rouge_2"), "generate", items, group_by="length"
    )
