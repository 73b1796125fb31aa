"""The sheet as one HTML page that needs nothing else: no script, no font, no picture from anywhere.

Whatever comes from data or a model is escaped. Colours never stand alone: a word says the same.
"""

import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from camelid.compare.charts import Bubble, draw_interval, draw_scatter
from camelid.compare.words import (
    UNKNOWN,
    call,
    list_costs,
    list_provenance,
    say_interval,
    say_p,
    say_size,
    say_span,
)
from camelid.text.languages import LANGUAGE_NAMES

Table = Mapping[str, Any]

_STYLE = Path(__file__).with_name("sheet.css")
_SIDES = ("first", "second")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def render_page(sheet: Table) -> str:
    """Return the sheet as a whole HTML document."""
    title = f"{_title(sheet)}, compared"
    parts = (_head(sheet), _verdicts(sheet), _scatter(sheet), _heat(sheet), _parts(sheet), _costs(sheet))
    body = "\n".join([*parts, _examples(sheet), _provenance(sheet)])
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="color-scheme" content="light dark">\n<title>{title}</title>\n'
        f"<style>\n{_STYLE.read_text(encoding='utf-8')}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _escape(text: object) -> str:
    """Return text that means itself in HTML; control characters, which HTML forbids, become visible."""
    shown = "".join(char if char >= " " or char in "\n\t" else chr(0x2400 + ord(char)) for char in str(text))
    return html.escape(shown, quote=True)


def _names(sheet: Table) -> list[str]:
    return [model["name"] for model in sheet["models"]]


def _call(name: str) -> str:
    return _escape(call(name))


def _title(sheet: Table) -> str:
    return " and ".join(_call(name) for name in _names(sheet))


def _side(sheet: Table, name: str | None) -> str:
    return _SIDES[_names(sheet).index(name)] if name else "none"


def _head(sheet: Table) -> str:
    items = sum(task["n"] for task in sheet["tasks"])
    machine = sheet["provenance"]["machine"]
    tasks = len(sheet["tasks"])
    return (
        f"<header>\n<h1>{_title(sheet)}, compared</h1>\n"
        f'<p class="lead">{_escape(sheet["name"])}: {items:,} questions of {tasks} '
        f"task{'s' * (tasks != 1)}, each asked of both, in {say_span(sheet['seconds'])} on "
        f"{_escape(machine['cores'])} cores, <time>{_escape(sheet['date'][:10])}</time>.</p>\n</header>"
    )


def _verdicts(sheet: Table) -> str:
    first, second = (_call(name) for name in _names(sheet))
    rows = []
    for task in sheet["tasks"]:
        head = task["metrics"][0]
        side = _side(sheet, task["verdict"])
        name = _call(task["verdict"]) if task["verdict"] else "No detectable difference"
        why = _why(task)
        picture = draw_interval(
            head["difference"],
            reverse=head["higher_is_better"],
            side=side,
            label=_escape(f"Difference in {head['title']}: {head['words']}"),
        )
        rows.append(
            f'<li><span class="task">{_escape(task["title"])}</span>'
            f'<span><span class="name {side}">{name}</span><span class="why">{_escape(why)}</span></span>'
            f"<span>{picture}</span></li>"
        )
    return (
        '<section aria-labelledby="verdicts">\n<h2 id="verdicts">Who is better at what</h2>\n'
        '<p class="soft">Both answered the same questions. A verdict is given only where the difference is '
        "more than chance would make; p-values are adjusted for the number of tasks. In the pictures the "
        f"upright line is no difference: left of it {first} is better, right of it {second}; each has a "
        f'scale of its own.</p>\n<ul class="verdicts">\n{_lines(rows)}\n</ul>\n</section>'
    )


def _why(task: Table) -> str:
    """Return a verdict's words without what they begin with, which stands above them."""
    if task["verdict"]:
        return str(task["words"]).partition(", ")[2]
    return (
        str(task["words"]).removeprefix("No detectable difference ").replace("(", "", 1).replace(")", "", 1)
    )


def _scatter(sheet: Table) -> str:
    bubbles = [
        Bubble(
            number,
            _SIDES[place],
            1000 * task["seconds"][model["name"]],
            task["quality"][model["name"]],
            model["peak_bytes"],
        )
        for number, task in enumerate(sheet["tasks"], 1)
        for place, model in enumerate(sheet["models"])
        if task["seconds"][model["name"]] and task["quality"][model["name"]] is not None
    ]
    if not bubbles:
        return ""
    key = _lines(
        f"<li><b>{number}</b> {_escape(task['title'])}</li>" for number, task in enumerate(sheet["tasks"], 1)
    )
    one, two = sheet["models"]
    picture = draw_scatter(
        bubbles, "Quality of answers against their time; every figure stands in the tables"
    )
    return (
        '<section aria-labelledby="time">\n<h2 id="time">Quality and time</h2>\n'
        f'<figure>\n{picture}\n<ol class="key">\n{key}\n</ol>\n<figcaption>'
        f'<span class="name first">{_call(one["name"])}</span> (round, {say_size(one["peak_bytes"])}) and '
        f'<span class="name second">{_call(two["name"])}</span> (square, {say_size(two["peak_bytes"])}); the '
        "area is the memory of the whole process. Time is the median of whole answers, asked one at a time; "
        "quality is the mean of each task’s deciding metric, item by item, from 0 to 1."
        "</figcaption>\n</figure>\n</section>"
    )


def _heat(sheet: Table) -> str:
    rows = []
    for task in sheet["tasks"]:
        rows.append(_part_row(f"{_escape(task['title'])} <small>n = {task['n']}</small>"))
        rows += [_heat_row(sheet, metric, deciding=not place) for place, metric in enumerate(task["metrics"])]
    caption = "The deeper the colour, the better the figure. The metric in bold decides."
    return (
        '<section aria-labelledby="figures">\n<h2 id="figures">Every figure</h2>\n'
        f"{_scroll('Every figure', _figures_table(sheet, rows, caption))}\n</section>"
    )


def _figures_table(sheet: Table, rows: Sequence[str], caption: str) -> str:
    last = '<th scope="col">difference</th><th scope="col" class="wide">p, adjusted</th>'
    return (
        f'<table>\n<caption><span class="caption">{caption} Below each figure its 95 % interval.'
        "</span></caption>\n"
        f"{_columns(sheet, last)}\n<tbody>\n{_lines(rows)}\n</tbody>\n</table>"
    )


def _columns(sheet: Table, more: str = "") -> str:
    """Return a table's head: a column for each model, and more."""
    heads = "".join(
        f'<th scope="col"><span class="name {side}">{_call(name)}</span></th>'
        for name, side in zip(_names(sheet), _SIDES, strict=True)
    )
    return f'<thead><tr><th scope="col"><span class="hidden">what</span></th>{heads}{more}</tr></thead>'


def _part_row(title: str) -> str:
    return f'<tr><th class="task" scope="rowgroup" colspan="5">{title}</th></tr>'


def _heat_row(sheet: Table, metric: Table, *, deciding: bool = False, label: str = "") -> str:
    cells = "".join(
        f'<td class="heat {side}" style="--heat: {_warmth(metric, figure):.2f}">{_escape(figure["text"])}'
        f"<small>{_escape(say_interval(metric, figure))}</small></td>"
        for figure, side in zip(metric["figures"].values(), _SIDES, strict=True)
    )
    difference = metric["difference"]
    better = f"{_call(metric['better'])} better" if metric["better"] else "none detectable"
    kind = ' class="deciding"' if deciding else ""
    return (
        f'<tr{kind}><th scope="row">{_escape(label or metric["title"])}</th>{cells}'
        f"<td>{_escape(difference['text'])}"
        f"<small>{_escape(say_interval(metric, difference, signed=True))}</small>"
        f'<small class="{_side(sheet, metric["better"])}">{better}</small></td>'
        f'<td class="wide">{say_p(metric["p_adjusted"])}</td></tr>'
    )


def _warmth(metric: Table, figure: Table) -> float:
    """Return how good a figure is, from 0 to 1."""
    value = figure["value"]
    if value is None:
        return 0.0
    if metric["unit"] == "bits":
        return float(4.0**-value)
    share = value / 100 if metric["unit"] == "points" else value
    good = share if metric["higher_is_better"] else 1 - share
    return float(good**2)  # so that the eye sees more of what differs near the top


def _parts(sheet: Table) -> str:
    """Return each task's languages and other parts, folded up."""
    folded = []
    for task in sheet["tasks"]:
        if not task["groups"]:
            continue
        metric = task["metrics"][0]["title"]
        rows = []
        for by in dict.fromkeys(group["by"] for group in task["groups"]):
            rows.append(_part_row(f"By {_escape(by)}"))
            rows += [
                _heat_row(sheet, group, label=f"{group['name']}, n = {group['n']}")
                for group in task["groups"]
                if group["by"] == by
            ]
        table = _scroll(f"{task['title']} in parts", _figures_table(sheet, rows, f"{_escape(metric)}."))
        said = f"{len(task['groups'])} parts, {_escape(metric)}"
        folded.append(
            f"<details>\n<summary>{_escape(task['title'])}<span>{said}</span></summary>\n{table}\n</details>"
        )
    if not folded:
        return ""
    return (
        '<section aria-labelledby="parts">\n<h2 id="parts">Language by language</h2>\n'
        '<p class="soft">The deciding metric in each language, direction, or kind of prompt; p-values are '
        f"adjusted for the parts of each division together.</p>\n{_lines(folded)}\n</section>"
    )


def _costs(sheet: Table) -> str:
    rows = []
    for label, cells in list_costs(list(sheet["models"])):
        told = "".join(f"<td>{_escape(cell)}</td>" for cell in cells)
        rows.append(f'<tr><th scope="row">{_escape(label)}</th>{told}</tr>')
    table = (
        "<table>\n<caption>Measured in this run, each model in a process of its own, both in turns, one "
        "answer at a time. Each prompt was asked once: p95 is the time that one answer in twenty exceeds."
        f"</caption>\n{_columns(sheet)}\n<tbody>\n{_lines(rows)}\n</tbody>\n</table>"
    )
    return (
        '<section aria-labelledby="costs">\n<h2 id="costs">What it costs</h2>\n'
        f"{_scroll('What it costs', table)}\n</section>"
    )


def _examples(sheet: Table) -> str:
    folded = [
        f"<details{' open' if not place else ''}>\n<summary>{_escape(task['title'])}"
        f"<span>{len(task['examples'])} of {task['n']}</span></summary>\n"
        f"{_lines(_example(sheet, task, example) for example in task['examples'])}\n</details>"
        for place, task in enumerate(task for task in sheet["tasks"] if task["examples"])
    ]
    if not folded:
        return ""
    return (
        '<section aria-labelledby="examples">\n<h2 id="examples">Answers that differ most</h2>\n'
        '<p class="soft">Those of each task where the quality of the two is farthest apart, each model ahead '
        f"in turn.</p>\n{_lines(folded)}\n</section>"
    )


def _example(sheet: Table, task: Table, example: Table) -> str:
    asked, right = ("begins", "really went on") if task["kind"] == "read" else ("asked", "right")
    lang = f' lang="{_escape(example["lang"])}"' if example["lang"] in LANGUAGE_NAMES else ""

    def said(text: str) -> str:
        return f'<dd dir="auto"{lang}>{_escape(text.strip()) or UNKNOWN}</dd>'

    answers = "".join(
        f'<div><dt class="{side}">{_call(name)} · quality {example["qualities"][name]:.2f}</dt>'
        f"{said(example['replies'][name])}</div>"
        for name, side in zip(_names(sheet), _SIDES, strict=True)
    )
    return (
        f'<div class="example"><dl><div class="asked"><dt>{asked}</dt>{said(example["prompt"])}</div>'
        f'<div class="right"><dt>{right}</dt>{said(example["target"])}</div>{answers}</dl></div>'
    )


def _provenance(sheet: Table) -> str:
    notes = _lines(f"<li>{_escape(note)}</li>" for note in sheet["notes"])
    rows = _lines(
        f'<tr><th scope="row">{_escape(label)}</th><td class="words">{_escape(text)}</td></tr>'
        for label, text in list_provenance(sheet)
    )
    version = sheet["provenance"]["versions"].get("camelid", "")
    return (
        '<section aria-labelledby="from">\n<h2 id="from">Where this comes from</h2>\n'
        f'<ul class="notes">\n{notes}\n</ul>\n<table class="facts">\n<caption>Everything needed to do it '
        f"again.</caption>\n<tbody>\n{rows}\n</tbody>\n</table>\n</section>\n"
        f"<footer>camelid {_escape(version)}. The same as data: sheet.json beside this page.</footer>"
    )


def _scroll(label: str, table: str) -> str:
    said = f'role="region" tabindex="0" aria-label="Table: {_escape(label)}"'
    return f'<div class="scroll" {said}>\n{table}\n</div>'


def _lines(parts: Iterable[str]) -> str:
    return "\n".join(parts)
