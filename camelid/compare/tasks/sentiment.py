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
    """Return the task of all labelled texts among the records.

    The choices are the labels of their language; those of all languages where it has only one.
    """
    items = answers_of(records, RECORDS)
    labels = defaultdict(set)
    for item in items:
        labels[item.lang].add(item.target)
    every = tuple(sorted(set().union(*labels.values())))
    known = {lang: tuple(sorted(found)) if len(found) > 1 else every for lang, found in labels.items()}
    chosen = tuple(replace(item, choices=known[item.lang]) for item in items) if len(every) > 1 else ()
    return Task(NAME, "Sentiment", ("accuracy", "macro_f1"), "choose", chosen)
