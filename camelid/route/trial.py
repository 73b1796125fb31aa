"""Options, measured: the quality of both models in several weight types and at several settings of the dial.

What is known is not measured again: answers are kept where `compare` and `calibrate` keep theirs, times of
both in int8 are the sheet's. The rest is timed in turns, with these two as a yardstick: where the machine has
become quicker or slower since the sheet was made, the times of both kinds do not compare, and only the new
ones count.
"""

import datetime
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from camelid.compare.contest import Contestant, Late, ask, draw, enter
from camelid.compare.latency import Cost, time_in_turns
from camelid.compare.machine import describe_machine
from camelid.compare.metrics import find_metric
from camelid.compare.score import Score
from camelid.compare.scoring import prompt_ids
from camelid.compare.sheet import BUSY, NAME
from camelid.compare.task import Item, Task
from camelid.errors import CheckpointError, DataError
from camelid.files import hash_json, write_json
from camelid.generate.load import DEFAULT_WEIGHTS, LoadOptions
from camelid.generate.native_backend import NativeModel
from camelid.model.folder import read_json_object
from camelid.native import is_built
from camelid.native.packing import Weights
from camelid.route.choice import Option

MEASURED = "measured.json"
SHEET, ITEMS = "sheet", "items"  # folders, of a pair and of its sheet
WEIGHTS: tuple[Weights, ...] = ("int8", "int4", "bf16")
DIALS = (0.5, 0.1)

_FORMAT = 2  # of measured.json; what was written in another is measured again
_DRIFT = 1.25  # times measured at two moments compare if the machine was not slower than so by either

Say = Callable[[str], None]


@dataclass(frozen=True)
class Tried:
    """What there is to choose from: options by task, and in words where their figures come from."""

    options: dict[str, list[Option]]
    sources: tuple[str, ...]


@dataclass(frozen=True)
class _Way:
    """One way to answer: a model, loaded in some way, and who guesses for it."""

    contestant: Contestant
    weights: str
    dial: float = 1.0
    guesser: Contestant | None = None

    @property
    def option(self) -> Option:
        return Option(self.contestant.name, self.weights, self.dial, (), (), 0)

    def serves(self, task: Task) -> bool:
        """Tell whether it is a way of its own for a task: guesses play no part where nothing is generated."""
        return self.dial == 1 or task.kind == "generate"


@dataclass
class _Sheet:
    """What the pair's sheet tells of both models, loaded as a plain command loads them.

    seconds: by task and role, of the first prompts. memory_bytes: by role.
    """

    date: str
    seconds: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    memory_bytes: dict[str, int] = field(default_factory=dict)


def measure_options(
    pair: Path,
    contestants: Mapping[str, Contestant],
    tasks: Mapping[str, Task],
    *,
    limit: int,
    say: Say = lambda _: None,
) -> Tried:
    """Return each way to answer each task, measured on at most `limit` of its items.

    pair: where what is measured is kept. contestants: by role. say: is told what is being measured.

    Raises DataError when no item fits in both models' contexts, CheckpointError for a model that cannot be
    loaded.
    """
    both = (contestants["llama"], contestants["alpaca"])
    asked = {name: draw(task, both, limit, 0)[0] for name, task in tasks.items()}
    unasked = [task.title for name, task in tasks.items() if not any(item.target for item in asked[name])]
    tasks = {name: task for name, task in tasks.items() if task.title not in unasked}
    if not tasks:
        raise DataError(
            f"Nothing can be asked of {', '.join(unasked)}: no prompt fits in the contexts of both models. "
            "Raise a pair with a larger context, or hold out shorter records."
        )
    ways, late = _list_ways(both), _Kept(pair / SHEET / ITEMS)
    qualities = {
        name: {
            way.option.name: late.ask(way.contestant, task, asked[name], say) for way in ways if way.dial == 1
        }
        for name, task in tasks.items()
    }
    batches, fresh = _time(pair, ways, tasks, asked, say)
    sheet = _read_sheet(pair, both, tasks)
    drift = _compare_clocks(sheet, batches)
    trusted = sheet if sheet and 1 / _DRIFT <= drift <= _DRIFT else None
    options: dict[str, list[Option]] = {}
    for name, task in tasks.items():
        batch = batches[name]
        found = []
        for way in ways:
            if not way.serves(task):
                continue
            key = way.option.name
            timed = batch["options"][key]
            seconds, memory, source = timed["seconds"], timed["memory_bytes"], f"choose, {batch['date']}"
            if trusted and way.dial == 1 and way.weights == _plain() and name in trusted.seconds:
                role = way.contestant.name
                seconds, memory = trusted.seconds[name][role], trusted.memory_bytes[role]
                source = f"the sheet, {trusted.date}"
            own = timed["qualities"] if way.dial != 1 else qualities[name][key]
            found.append(
                replace(
                    way.option,
                    qualities=tuple(own),
                    seconds=tuple(seconds),
                    memory_bytes=int(memory),
                    timed_by=source,
                )
            )
        options[name] = found
    told = _tell(late, sheet, trusted, drift, batches, fresh)
    if unasked:
        told.append(f"Not asked, because no prompt fits in both contexts: {', '.join(unasked)}.")
    return Tried(options, tuple(told))


class _Kept:
    """Asks models, and keeps what they answer; counts what was known, and what was not."""

    def __init__(self, keep: Path) -> None:
        self.keep, self.known, self.asked = keep, 0, 0

    def ask(self, contestant: Contestant, task: Task, items: Sequence[Item], say: Say) -> list[float]:
        late = Late(contestant)

        def tell() -> None:
            say(f"asking {contestant.name}, {_say_weights(contestant)}: {task.name}")

        scores = ask(late, task, items, self.keep, before=tell)
        self.asked += late.asked
        self.known += len(items) - late.asked
        return [score.quality for score in scores]


def _plain() -> str:
    """Return what weights are packed in where nothing is said."""
    return DEFAULT_WEIGHTS if is_built() else "float32"


def _say_weights(contestant: Contestant) -> str:
    return contestant.loading.get("weights") or _plain()


def _list_ways(both: tuple[Contestant, Contestant]) -> list[_Way]:
    """Return all ways to answer, the plain ones first."""
    if not is_built():
        return [_Way(each, "float32") for each in both]
    ways = []
    for each in both:
        for weights in WEIGHTS:
            loading = LoadOptions() if weights == DEFAULT_WEIGHTS else LoadOptions(weights=weights)
            ways.append(_Way(replace(each, loading=loading), weights))
    llama, alpaca = both
    if llama.tokenizer.fingerprint == alpaca.tokenizer.fingerprint:
        ways += [_Way(llama, DEFAULT_WEIGHTS, dial, alpaca) for dial in DIALS]
    return ways


def _time(
    pair: Path,
    ways: Sequence[_Way],
    tasks: Mapping[str, Task],
    asked: Mapping[str, Sequence[Item]],
    say: Say,
) -> tuple[dict[str, Any], bool]:
    """Return what was timed of each task, all ways in turns, and whether anything was timed now."""
    known, machine = _read(pair), hash_json(describe_machine())
    hashes = [[way.option.name, way.contestant.hash] for way in ways]
    keys = {
        name: hash_json(
            [name, task.metric, task.max_tokens, [item.fingerprint for item in asked[name]], hashes, machine]
        )
        for name, task in tasks.items()
    }
    missing = {name: task for name, task in tasks.items() if keys[name] not in known}
    if missing:
        say(f"timing {len(ways)} ways to answer in turns: {', '.join(missing)}")
        questions = {name: (task, asked[name]) for name, task in missing.items()}
        entrants = {
            way.option.name: replace(
                enter(way.contestant, questions),
                guesser=way.guesser.folder if way.guesser else None,
                dial=way.dial,
            )
            for way in ways
        }
        costs = time_in_turns(entrants)
        for name, task in missing.items():
            known[keys[name]] = {
                "task": name,
                "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
                "waited": max((cost.waited or 0.0 for cost in costs.values()), default=0.0),
                "options": {
                    way.option.name: _note(way, costs[way.option.name], task, asked[name])
                    for way in ways
                    if way.serves(task)
                },
            }
        write_json(pair / MEASURED, {"format": _FORMAT, "batches": known})
    return {name: known[keys[name]] for name in tasks}, bool(missing)


def _note(way: _Way, cost: Cost, task: Task, items: Sequence[Item]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "seconds": [timing.total_s for timing in cost.timings[task.name]],
        "memory_bytes": cost.peak_bytes,
    }
    return {**told, "qualities": _turn_dial(way, task, items)} if way.dial != 1 else told


def _turn_dial(way: _Way, task: Task, items: Sequence[Item]) -> list[float]:
    """Return the qualities that a setting of the dial gives."""
    assert way.guesser is not None
    llama, tokenizer = NativeModel(way.contestant.folder), way.contestant.tokenizer
    llama.let_guess(NativeModel(way.guesser.folder))
    judge = find_metric(task.metric).quality
    qualities = []
    for item in items:
        prompt = prompt_ids(tokenizer, item)
        tokens = list(
            llama.generate(prompt, stop_ids=tokenizer.stop_ids, dial=way.dial, max_tokens=task.max_tokens)
        )
        score = Score(item.id, reply=tokenizer.decode(tokens), tokens=len(tokens))
        qualities.append(float(judge(item, score)))
    return qualities


def _read(pair: Path) -> dict[str, Any]:
    """Return what was timed before; nothing when that is damaged, or of an earlier camelid."""
    try:
        told = read_json_object(pair / MEASURED) if (pair / MEASURED).is_file() else {}
        return dict(told["batches"]) if told.get("format") == _FORMAT else {}
    except (CheckpointError, KeyError, TypeError, ValueError):
        return {}


def _read_sheet(pair: Path, both: Sequence[Contestant], tasks: Mapping[str, Task]) -> _Sheet | None:
    """Return the sheet's times of these models on this machine, loaded plainly; None where it has none."""
    try:
        told = read_json_object(pair / SHEET / NAME)
        machine = told["provenance"]["machine"]
        models = {model["name"]: model for model in told["models"]}
        fitting = machine == describe_machine() and all(
            models[each.name]["hash"] == each.hash
            and models[each.name]["dtype"] == _plain()
            and models[each.name]["threads"] in (None, machine["cores"])
            for each in both
        )
        if not fitting:
            return None
        sheet = _Sheet(str(told["date"])[:10])
        sheet.memory_bytes = {each.name: int(models[each.name]["peak_bytes"]) for each in both}
        for row in told["tasks"]:
            task = tasks.get(row["name"])
            if task and _asks_alike(row, task):
                times = {each.name: row["timings"][each.name]["total_ms"] for each in both}
                if all(times.values()):
                    sheet.seconds[task.name] = {
                        role: [ms / 1000 for ms in found] for role, found in times.items()
                    }
        return sheet if sheet.seconds else None
    except (CheckpointError, KeyError, TypeError, ValueError):
        return None  # made by an earlier camelid, or by hand


def _asks_alike(row: Mapping[str, Any], task: Task) -> bool:
    """Tell whether a task of a sheet was asked as it is asked here."""
    told = (row["data"], row["chat_template"], row["num_fewshot"], row["max_tokens"], row["seed"])
    return told == (task.fingerprint, task.chat, task.num_fewshot, task.max_tokens, 0)


def _compare_clocks(sheet: _Sheet | None, batches: Mapping[str, Any]) -> float:
    """Return how many times as long the same answers took when options were timed as in the sheet."""
    ratios = [
        new / old
        for name, by_role in (sheet.seconds if sheet else {}).items()
        for role, seconds in by_role.items()
        for new, old in zip(
            batches[name]["options"][Option(role, _plain(), 1.0, (), (), 0).name]["seconds"],
            seconds,
            strict=False,
        )
        if old > 0
    ]
    return statistics.median(ratios) if ratios else 1.0


def _tell(
    late: _Kept,
    sheet: _Sheet | None,
    trusted: _Sheet | None,
    drift: float,
    batches: Mapping[str, Any],
    fresh: bool,
) -> list[str]:
    """Return in words where the figures come from."""
    answers = late.known + late.asked
    new = f"{late.asked:,} were asked now" if late.asked else "none was asked again"
    told = [f"Of {answers:,} answers {late.known:,} were known from compare, calibrate or before; {new}."]
    dates = " and ".join(sorted({batch["date"] for batch in batches.values()}))
    when = f"{'now' if fresh else dates}, all in turns"
    if trusted:
        told.append(
            f"Times of both in {_plain()}: the sheet's, of {trusted.date}. Others: measured {when}, when "
            f"answers took {drift:.2f}× as long as in the sheet."
        )
    elif sheet:
        told.append(
            f"Times: measured {when}. Those of the sheet, of {sheet.date}, are left out: answers took "
            f"{drift:.2g}× as long as then, so the two do not compare."
        )
    else:
        told.append(f"Times: measured {when}; no sheet has any of these weights on this machine.")
    waited = max(batch["waited"] for batch in batches.values())
    if waited > BUSY:
        share = f"{waited:.0%}".replace("%", " %")
        told.append(
            f"The machine was busy then: a model waited for a processor up to {share} of its "
            f"time. To time again on a quiet one, delete {MEASURED} in the pair's folder."
        )
    return told
