"""Generation: how well documents are read, and how a model goes on with them when it is left alone.

Bits per byte decide; repetition and diversity are those of a continuation of the first sentences.
"""

import re
from collections.abc import Sequence

from camelid.compare.task import Task, make_item, without_repeats
from camelid.text.records import Record

NAME = "generation"

_BEGINNING_CHARS = 60  # a document is gone on with after whole sentences of at least so many


def make_task(records: Sequence[Record]) -> Task:
    """Return the task of all documents among the records."""
    items = []
    for record in records:
        if not record.is_chat:
            beginning, rest = cut_beginning(record.text)
            item = make_item(
                rest,
                text=beginning,
                document=record.text,
                lang=record.lang,
                task=record.task,
                meta={"kind": record.task or "text"},
            )
            items.append(item)
    return Task(
        NAME,
        "Generation",
        ("bits_per_byte", "repetition", "distinct_2"),
        "read",
        without_repeats(items),
        max_tokens=64,
        chat=False,
    )


def cut_beginning(text: str) -> tuple[str, str]:
    """Return the first sentences of a text, and the rest with the blank before it; no rest if it is short."""
    for end in re.finditer(r"[.!?…][”\"»’']?(?=\s)|\n", text):
        if end.end() >= _BEGINNING_CHARS:
            return text[: end.end()].rstrip("\n"), text[end.end() :]
    return text, ""
