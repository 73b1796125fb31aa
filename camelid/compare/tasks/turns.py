"""Conversations among records as items: all that was said is the prompt, the last answer the target."""

from collections.abc import Collection, Iterable

from camelid.compare.task import Item, ask_last, make_item, without_repeats
from camelid.text.languages import UNKNOWN
from camelid.text.records import Record

_LENGTHS = ((200, "short"), (600, "medium"))  # characters of a prompt, below which it is called so


def answers_of(records: Iterable[Record], tasks: Collection[str]) -> tuple[Item, ...]:
    """Return the conversations that teach one of these tasks."""
    return _as_items(record for record in records if record.task in tasks)


def answers_but(records: Iterable[Record], tasks: Collection[str]) -> tuple[Item, ...]:
    """Return the conversations that teach none of these tasks."""
    return _as_items(record for record in records if record.task not in tasks)


def _as_items(records: Iterable[Record]) -> tuple[Item, ...]:
    return without_repeats(item for record in records if (item := _as_item(record)))


def _as_item(record: Record) -> Item | None:
    asked = ask_last(record.messages) if record.is_chat else None
    if asked is None:
        return None
    turns, target = asked
    num_chars = sum(len(turn.content) for turn in turns)
    users = sum(1 for turn in turns if turn.role == "user")
    meta = {
        "kind": record.task or "conversation",
        "turns": "one turn" if users <= 1 else "several turns",
        "length": next((name for limit, name in _LENGTHS if num_chars < limit), "long"),
    }
    if record.source_lang and record.source_lang != UNKNOWN:
        meta["direction"] = f"{record.source_lang}→{record.lang}"
    return make_item(target, messages=turns, lang=record.lang, task=record.task, meta=meta)
