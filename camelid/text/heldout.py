"""The held-out records that a pair folder keeps as text, to be read and asked: one JSON object in a line."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from camelid.errors import DataError, RequestError
from camelid.files import open_atomic
from camelid.text.records import Record
from camelid.text.turns import as_messages

HELD_OUT = "held_out.jsonl"


def write_held_out(folder: Path, records: Iterable[tuple[str, Record]]) -> None:
    """Write records, each with its source's name, into a pair folder."""
    with open_atomic(folder / HELD_OUT) as file:
        for source, record in records:
            file.write(json.dumps(_as_line(record, source), ensure_ascii=False) + "\n")


def read_held_out(path: Path) -> list[Record]:
    """Return the records of such a file, in their order; of none, or an empty one, no records.

    Raises DataError when it is damaged.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    records = []
    for number, line in enumerate(lines, 1):
        try:
            records.append(_as_record(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError, RequestError) as error:
            raise DataError(
                f"{path}, line {number} is no held-out record ({error}). Copy the file anew, or run the same "
                "camelid train command again."
            ) from None
    return records


def _as_line(record: Record, source: str) -> dict[str, Any]:
    told = (
        {"messages": [{"role": turn.role, "content": turn.content} for turn in record.messages]}
        if record.is_chat
        else {"text": record.text}
    )
    line = {**told, "lang": record.lang, "task": record.task, "source": source}
    return {**line, "source_lang": record.source_lang} if record.source_lang else line


def _as_record(table: dict[str, Any]) -> Record:
    text = str(table.get("text") or "")
    return Record(
        text=text,
        messages=() if text else as_messages(table["messages"]),
        lang=str(table["lang"]),
        task=str(table["task"]),
        source_lang=str(table.get("source_lang") or ""),
    )
