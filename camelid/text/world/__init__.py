"""The built-in corpus: one small village told in English, Spanish, German and French.

Every record is drawn from a seed and its number alone: first the slots of a scene, which know no language,
then the language they are told in. The key names the slots, so that a scene is on one side of the split in
every language and task.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from camelid.errors import DataError, suggest
from camelid.text.records import Message, Record
from camelid.text.world import (
    articles,
    assistant,
    camelids,
    reviews,
    service,
    smalltalk,
    stories,
    translation,
)
from camelid.text.world.draws import Draws, Slots, slots_key
from camelid.text.world.grammar import LANGUAGES


@dataclass(frozen=True, slots=True)
class Task:
    """One kind of record: how its slots are drawn, how they are written, what its keys begin with."""

    draw: Callable[[Draws], Slots]
    write: Callable[[Slots, str, str], str | tuple[Message, ...]]
    weight: float


_TASKS = {
    "story": Task(stories.draw, stories.write, 12),
    "summary": Task(articles.draw, articles.write, 12),
    "translation": Task(translation.draw, translation.write, 40),
    "sentiment": Task(reviews.draw, reviews.write, 10),
    "assistant": Task(assistant.draw, assistant.write, 9),
    "smalltalk": Task(smalltalk.draw, smalltalk.write, 4),
    "service": Task(service.draw, service.write, 8),
    "camelids": Task(camelids.draw, camelids.write, 5),
}
TASKS = tuple(_TASKS)
_ARTICLE_AS_TEXT = 0.35  # the share of the summary task's records that are the bare article


def build_world(
    *, seed: int, num_records: int, languages: Sequence[str] = LANGUAGES, tasks: Sequence[str] = TASKS
) -> Iterator[Record]:
    """Yield records of the village; record i depends on the seed, i and the two choices only.

    Raises: DataError for an unknown language or task, and for translation with a single language (left out
    silently only where all tasks are meant by default).
    """
    _check("language", languages, LANGUAGES)
    _check("task", tasks, TASKS)
    if num_records < 0:
        raise DataError(f"num_records must be 0 or more; found {num_records}.")
    chosen = tuple(task for task in TASKS if task in tasks)
    if len(set(languages)) < 2 and "translation" in chosen:
        if chosen != TASKS:
            raise DataError(
                f"The task 'translation' needs at least two languages; found {list(languages)}. "
                "Add a language or leave the task out."
            )
        chosen = tuple(task for task in chosen if task != "translation")
    spoken = tuple(lang for lang in LANGUAGES if lang in languages)
    return (_record(seed, number, spoken, chosen) for number in range(num_records))


def _check(what: str, found: Sequence[str], known: Sequence[str]) -> None:
    if isinstance(found, str) or not found:
        raise DataError(
            f"Expected a list of one or more {what}s; found {found!r}; known: {', '.join(known)}."
        )
    for name in found:
        if name not in known:
            raise DataError(f"Unknown {what} {name!r} in the built-in corpus.{suggest(name, known)}")


def _record(seed: int, number: int, languages: tuple[str, ...], tasks: tuple[str, ...]) -> Record:
    draws = Draws(f"camelid world {seed} {number}")
    task = draws.weighted({name: _TASKS[name].weight for name in tasks})
    slots = _TASKS[task].draw(draws)
    tongues = Draws(f"camelid tongue {seed} {number}")
    lang = tongues.one(languages)
    others = [other for other in languages if other != lang] or [lang]
    other = tongues.one(others)
    key = slots_key("world", slots)
    if task == "summary" and tongues.chance(_ARTICLE_AS_TEXT):
        return Record(text=articles.article(slots, lang), lang=lang, task=task, key=key)
    told = _TASKS[task].write(slots, lang, other)
    if isinstance(told, str):
        return Record(text=told, lang=lang, task=task, key=key)
    source_lang = other if task == "translation" else ""
    return Record(messages=told, lang=lang, task=task, key=key, source_lang=source_lang)


__all__ = ["LANGUAGES", "TASKS", "build_world"]
