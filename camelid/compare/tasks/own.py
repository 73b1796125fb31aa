"""A user's own task: a JSONL file, no code.

Each line is `{"input": …, "target": …}`; "input" is a text or a list of messages. "id", "lang" and "choices"
(a list, among which the target is) may be added. A first line without "input" is a header, which may say
"name", "metric" (or "metrics"), "chat", "fewshot", "max_tokens", and "choices" for all lines.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from camelid.compare.metrics import METRICS, find_metric
from camelid.compare.task import Item, Kind, Task, make_item
from camelid.errors import DataError, RequestError, suggest
from camelid.text.languages import UNKNOWN, language_code
from camelid.text.records import Message
from camelid.text.turns import as_messages

_COLUMNS = ("input", "target", "id", "lang", "choices")
_HEADER = ("name", "metric", "metrics", "chat", "fewshot", "max_tokens", "choices")
_EXAMPLE = '{"input": "…", "target": "…"}'


def load_task(path: Path | str, *, metrics: Sequence[str] = (), chat: bool | None = None) -> Task:
    """Return the task in a file.

    metrics, chat: used instead of what the header says, if given.

    Raises DataError for a file that is missing or empty, a line that is no item, an id that is there twice,
    a target that is none of its choices, and a metric that is not known or needs choices.
    """
    path = Path(path)
    header, rows = _read(path)
    chat = bool(header.get("chat", True)) if chat is None else chat
    items = [_as_item(path, number, row, header, chat) for number, row in rows]
    _check_ids(path, [number for number, _ in rows], items)
    names = tuple(metrics) or _metrics_of(header)
    kind, names = _judge(path, items, names)
    return Task(
        str(header.get("name") or path.stem),
        str(header.get("name") or path.stem).replace("_", " ").capitalize(),
        names,
        kind,
        tuple(items),
        max_tokens=_number(path, header, "max_tokens", 128),
        chat=chat,
        num_fewshot=_number(path, header, "fewshot", 0),
    )


def _read(path: Path) -> tuple[dict[str, Any], list[tuple[int, dict[str, Any]]]]:
    """Return the header, and each other line with its number."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        raise DataError(f"There is no task file {path}. Check the path.") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} must be UTF-8; it is not. Save it as UTF-8.") from None
    rows = [(number, _parse(path, number, line)) for number, line in enumerate(lines, 1) if line.strip()]
    header: dict[str, Any] = {}
    if rows and "input" not in rows[0][1] and rows[0][1] and set(rows[0][1]) <= set(_HEADER):
        header = rows.pop(0)[1]
    if not rows:
        raise DataError(f"{path} has no items. Write one line {_EXAMPLE} for each.")
    return header, rows


def _parse(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DataError(
            f"{path}, line {number} is no JSON ({error}). Write one object in a line: {_EXAMPLE}."
        ) from None
    if not isinstance(row, dict):
        raise DataError(f"{path}, line {number} must be an object, such as {_EXAMPLE}; found {line[:40]!r}.")
    return row


def _as_item(path: Path, number: int, row: dict[str, Any], header: dict[str, Any], chat: bool) -> Item:
    where = f"{path}, line {number}"
    for column in row:
        if column not in _COLUMNS:
            raise DataError(
                f"{where} has the column {column!r}, which a task does not have.{suggest(column, _COLUMNS)}"
            )
    for column in ("input", "target"):
        if row.get(column) in (None, ""):
            raise DataError(f"{where} has no {column!r}. Each line needs both: {_EXAMPLE}.")
    target = _text(where, "target", row["target"])
    choices = row.get("choices", header.get("choices", []))
    if not isinstance(choices, list) or len(choices) == 1:
        raise DataError(f"{where}: choices must be a list of two or more; found {choices!r}.")
    labels = tuple(_text(where, "choices", choice) for choice in choices)
    if labels and target not in labels:
        raise DataError(
            f"{where}: the target {target!r} is none of the choices.{suggest(target, labels)} "
            "Add it to the choices, or mend it."
        )
    try:
        lang = language_code(str(row.get("lang") or UNKNOWN))
        messages, text = _ask(row["input"], chat)
    except (DataError, RequestError) as error:
        raise DataError(f"{where}: {error}") from None
    item = replace(make_item(target, messages=messages, text=text, lang=lang), choices=labels)
    return replace(item, id=str(row.get("id") or item.fingerprint))


def _ask(asked: Any, chat: bool) -> tuple[tuple[Message, ...], str]:
    """Return what is asked as messages, or as a text."""
    if chat:
        return as_messages(asked), ""
    if not isinstance(asked, str):
        raise DataError("a task without chat template takes texts; found messages. Say chat in its header.")
    return (), asked.rstrip()


def _text(where: str, column: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise DataError(f"{where}: {column} must be text; found {type(value).__name__}. Write it in quotes.")
    return str(value)


def _check_ids(path: Path, numbers: Sequence[int], items: Sequence[Item]) -> None:
    seen: dict[str, int] = {}
    for number, item in zip(numbers, items, strict=True):
        if item.id in seen:
            raise DataError(
                f"{path}, lines {seen[item.id]} and {number} have the same id or the same content "
                f"({item.id!r}). Each item counts once: rename one, or leave it out."
            )
        seen[item.id] = number


def _metrics_of(header: dict[str, Any]) -> tuple[str, ...]:
    named = header.get("metrics") or header.get("metric") or ()
    return (named,) if isinstance(named, str) else tuple(str(name) for name in named)


def _judge(path: Path, items: Sequence[Item], names: tuple[str, ...]) -> tuple[Kind, tuple[str, ...]]:
    """Return how answers are come by, and the metrics: the wished for, or those that fit."""
    chosen = [bool(item.choices) for item in items]
    if any(chosen) and not all(chosen):
        raise DataError(
            f"{path}: only {sum(chosen)} of {len(chosen)} items have choices. Give them to all, once in the "
            'header ({"choices": […]}), or to none.'
        )
    names = names or (("accuracy", "macro_f1") if all(chosen) else ("exact_match", "chrf"))
    needs = {find_metric(name).needs for name in names}
    if needs == {"reading"}:
        return "read", names
    if all(chosen) and not needs & {"reply"}:
        return "choose", names
    without = [name for name in names if find_metric(name).needs == "label"]
    if without and not all(chosen):
        known = ", ".join(name for name, metric in METRICS.items() if metric.needs != "label")
        raise DataError(
            f"{path}: the metric {without[0]!r} is of items with choices; these have none. Give them "
            f'"choices", or take one of {known}.'
        )
    return "generate", names


def _number(path: Path, header: dict[str, Any], key: str, default: int) -> int:
    value = header.get(key, default)
    if type(value) is not int or value < 0:
        raise DataError(f"{path}: {key} in the header must be a whole number; found {value!r}.")
    return value
