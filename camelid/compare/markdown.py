"""The sheet as Markdown, to be pasted where others read."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from camelid.compare.words import (
    UNKNOWN,
    call,
    list_costs,
    list_provenance,
    say_interval,
    say_ms,
    say_p,
)


def render_markdown(sheet: Mapping[str, Any]) -> str:
    """Return the sheet as Markdown."""
    models = sheet["models"]
    names = [model["name"] for model in models]
    parts = [
        f"# {_plain(' and '.join(call(name) for name in names))}, compared",
        "## Verdicts",
        "\n".join(f"- **{_plain(task['title'])}:** {_plain(task['words'])}." for task in sheet["tasks"]),
        "## Every figure",
        _table(
            ["task", "metric", *names, "difference", "p, adjusted", "n"],
            [_row(task, judged) for task in sheet["tasks"] for judged in task["metrics"]],
        ),
    ]
    groups = [group for task in sheet["tasks"] for group in _groups(task)]
    if groups:
        head = ["task", "part", *names, "difference", "verdict", "n"]
        parts += ["## In parts", _table(head, groups)]
    parts += [
        "## What answers cost",
        _table(["", *names], [[label, *cells] for label, cells in list_costs(models)]),
    ]
    if any(seconds is not None for task in sheet["tasks"] for seconds in task["seconds"].values()):
        rows = [
            [task["title"], *(say_ms(_ms(task["seconds"][name])) for name in names)]
            for task in sheet["tasks"]
        ]
        parts += ["The median time of a whole answer:", _table(["task", *names], rows)]
    parts += ["## Answers that differ most", *_examples(sheet["tasks"], names)]
    parts += ["## Where this comes from", "\n".join(f"- {_plain(note)}" for note in sheet["notes"])]
    parts += [_table(["", ""], list_provenance(sheet))]
    return "\n\n".join(parts) + "\n"


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds


def _row(task: Mapping[str, Any], judged: Mapping[str, Any]) -> list[str]:
    figures = [f"{figure['text']} ({say_interval(judged, figure)})" for figure in judged["figures"].values()]
    difference = f"{judged['difference']['text']} ({say_interval(judged, judged['difference'], signed=True)})"
    return [
        task["title"],
        judged["title"],
        *figures,
        difference,
        say_p(judged["p_adjusted"]),
        str(judged["n"]),
    ]


def _groups(task: Mapping[str, Any]) -> list[list[str]]:
    return [
        [
            task["title"],
            group["name"],
            *(figure["text"] for figure in group["figures"].values()),
            group["difference"]["text"],
            group["better"] or "no detectable difference",
            str(group["n"]),
        ]
        for group in task["groups"]
    ]


def _examples(tasks: Iterable[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    parts = []
    for task in tasks:
        for example in task["examples"][:2]:
            said = [("asked", example["prompt"]), ("right", example["target"])]
            said += [(name, example["replies"][name]) for name in names]
            lines = [f"> **{_plain(label)}** {_plain(text) or UNKNOWN}" for label, text in said]
            parts.append(f"{_plain(task['title'])}:\n\n" + "\n>\n".join(lines))
    return parts or ["None: all answers are the same."]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text if set(text) == {"-"} else _plain(text)


def _plain(text: str) -> str:
    """Return a text on one line, in which nothing is Markdown or HTML."""
    line = " ".join(str(text).split())
    return re.sub(r"([\\`*_{}\[\]<>#|~!&$])", r"\\\1", line)
