"""The multilingual view: every task once more for each language, over the same items."""

from collections.abc import Mapping
from dataclasses import replace

from camelid.compare.task import Task, group_items
from camelid.text.languages import LANGUAGE_NAMES, UNKNOWN


def split_by_language(tasks: Mapping[str, Task]) -> dict[str, dict[str, Task]]:
    """Return for each language the tasks that have items in it; "und" is none."""
    languages: dict[str, dict[str, Task]] = {}
    for name, task in tasks.items():
        for lang, places in group_items(task.pool, lambda item: item.lang).items():
            if lang != UNKNOWN:
                pool = tuple(task.pool[place] for place in places)
                title = f"{task.title}, {LANGUAGE_NAMES.get(lang, lang)}"
                languages.setdefault(lang, {})[name] = replace(
                    task, name=f"{name}.{lang}", title=title, pool=pool
                )
    return dict(sorted(languages.items()))
