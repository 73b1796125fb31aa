"""Sentiment: one of the labels of a language, the likeliest; accuracy decides, macro-F1 stands beside it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from camelid.compare.task import Task
from camelid.compare.tasks.turns import answers_of
from camelid.text.records import Record

NAME = "sentiment"
RECORDS = ("sentiment",)


def make_task(records: Sequence[Record]) -> Task:
    """Return the task of all labelled texts among the records; their language's labels are the choices."""
    items = answers_of(records, RECORDS)
    labels = defaultdict(set)
    for item in items:
        labels[item.lang].add(item.target)
    chosen = tuple(replace(item, choices=tuple(sorted(labels[item.lang]))) for item in items)
    return Task(NAME, "Sentiment", ("accuracy", "macro_f1"), "choose", chosen, group_by="")
