"""Conversation: the last answer of talks of one turn or many, given all that was said before.

Every conversation counts that no other task takes. chrF of the answer decides; an answer that is the
data's own word for word, and the bits per byte of the data's answer, stand beside it.
"""

from collections.abc import Sequence

from camelid.compare.task import Task
from camelid.compare.tasks.turns import answers_but
from camelid.text.records import Record

NAME = "conversation"


def make_task(records: Sequence[Record], taken: Sequence[str]) -> Task:
    """Return the task of all conversations whose records' task is not `taken` by another."""
    return Task(
        NAME,
        "Conversation",
        ("chrf", "exact_match", "bits_per_byte"),
        "generate",
        answers_but(records, taken),
        group_by="turns",
    )
