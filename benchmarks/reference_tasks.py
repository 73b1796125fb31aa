"""Measure what the reference pair can do, on held-out real records, beside baselines, with 95 % intervals.

    python benchmarks/reference_tasks.py pairs/reference --data-root DATA
    python benchmarks/reference_tasks.py pairs/reference --data-root DATA --limit 40 --preview FOLDER

DATA is what the pair was raised on, as for `camelid train`, and multi30k where that is at hand. What is asked
stands in reference_asked.py, the baselines in reference_baselines.py. Answers are greedy, from the native
engine in int8, as `camelid chat` has it. A run that was cut off goes on; a preview stores nothing.
"""

import argparse
import dataclasses
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import reference_asked
import reference_tables
import stored
from reference_asked import Part

from camelid.compare.contest import Contestant, Outcome, hold_contest
from camelid.compare.intervals import Difference, Figure, pair_sums
from camelid.compare.latency import time_apart
from camelid.compare.metrics import find_metric
from camelid.compare.score import Score
from camelid.compare.scoring import prompt_ids
from camelid.compare.task import Item, Task
from camelid.compare.verdict import Judged, judge_task, settle
from camelid.errors import CamelidError, DataError
from camelid.files import write_text
from camelid.model.pairfile import ROLES, read_pair_file
from camelid.route.folder import hash_pair
from camelid.text.tokenizer import Tokenizer

PACKAGES = ("numpy", "sacrebleu", "rouge-score", "scikit-learn")
LIMIT = 200  # items of a part
KEPT = stored.HOUSE / "runs" / "reference_tasks"  # what was answered, so that a second run goes on
TIMED = ("assistant", "tatoeba.en-de", "smalltalk.en", "stories")
TIMED_PROMPTS = 8  # of each of these
TIMED_TOKENS = 48  # of each answer
TIMED_ROUNDS = 3

# Parts taken together, their items as one set: what that is called, and how the parts' names begin.
TOGETHER = {
    "translation": ("Translation, six directions with English", ("tatoeba.",)),
    "pivot": ("Translation, six directions without English, never trained", ("pivot.",)),
    "multi30k": (
        "Translation of captions, four directions with English",
        ("multi30k.en-", "multi30k.de-en", "multi30k.fr-en"),
    ),
    "summaries": ("Summaries", ("abstracts", "titles")),
    "smalltalk": ("Small talk in four languages", ("smalltalk.",)),
    "multilingual": (
        "Talk in German, Spanish and French",
        tuple(f"{kind}.{lang}" for kind in ("smalltalk", "village") for lang in reference_asked.MULTILINGUAL),
    ),
}


class Told:
    """Progress in lines, which a log can hold too."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._name, self._total, self._done, self._next = "", 0, 0, 0.0

    def say(self, text: str) -> None:
        """Say that something begins."""
        print(f"{time.monotonic() - self._began:6.0f} s  {text}", file=sys.stderr, flush=True)

    def begin(self, name: str, total: int) -> None:
        """Be told that `total` things are to be done."""
        self._name, self._total, self._done, self._next = name, total, 0, 0.1
        self.say(f"{name}: {total}")

    def advance(self, count: int = 1) -> None:
        """Be told that so many of them are done."""
        self._done += count
        if self._total and self._done / self._total >= self._next:
            self.say(f"{self._name}: {self._done} of {self._total}")
            self._next = math.floor(10 * self._done / self._total + 1) / 10


@dataclass(frozen=True)
class Answered:
    """One part, or several together: the items, and the scores of both models and of the baselines."""

    task: Task
    where: str
    items: list[Item]
    scores: dict[str, list[Score]]
    beside: dict[str, list[Score]]
    left_out: int = 0


# --- measuring --------------------------------------------------------------------------------------------


def measure(folder: Path, data_root: Path, *, limit: int, seed: int, told: Told) -> dict[str, Any]:
    """Return all that is found of a pair, as plain values.

    Raises DataError when the data are not those that it was raised on.
    """
    file = read_pair_file(folder)
    told.say("reading the data")
    corpus = reference_asked.rebuild_corpus(file, folder, data_root)
    told.say("learning the baselines")
    parts = reference_asked.make_parts(corpus, file, data_root, limit=limit, seed=seed)
    if not parts:
        raise DataError(f"{folder} was raised on no source of recipes/reference.toml, which this is about.")
    del corpus
    one, two = (Contestant(role, folder / file.roles[role].folder) for role in ROLES)
    tasks = {part.task.name: part.task for part in parts}
    outcome = hold_contest((one, two), tasks, limit=None, seed=seed, keep=KEPT, progress=told, timed=False)
    told.say("judging")
    answered = collect(parts, outcome, one.tokenizer)
    judged = judge_all(answered)
    told.say("timing")
    return {
        "pair": file.name,
        "models": hash_pair(folder),
        "roles": {role: dataclasses.asdict(file.roles[role]) for role in ROLES},
        "limit": limit,
        "seed": seed,
        "parts": judged,
        "speed": time_both((one, two), answered),
    }


def collect(parts: Sequence[Part], outcome: Outcome, tokenizer: Tokenizer) -> dict[str, Answered]:
    """Return every part with all answers to it, and after them those that are taken together."""
    found = {}
    for part in parts:
        played = outcome.played.get(part.task.name)
        if played:
            beside = {
                name: [_score(part.task, item, answer(item), tokenizer) for item in played.items]
                for name, answer in part.beside.items()
            }
            found[part.task.name] = Answered(
                part.task, part.where, played.items, played.scores, beside, played.left_out
            )
    for name, (title, beginnings) in TOGETHER.items():
        members = [each for key, each in found.items() if key.startswith(beginnings)]
        if len(members) > 1:
            found[name] = _put_together(name, title, members)
    return found


def _score(task: Task, item: Item, reply: str, tokenizer: Tokenizer) -> Score:
    """Return a baseline's score; a story is cut where the models' are."""
    if task.kind == "read":
        reply = tokenizer.decode(tokenizer.encode(reply)[: task.max_tokens])
    return Score(item.id, reply=reply, finish="chosen" if item.choices else "stop")


def _put_together(name: str, title: str, members: Sequence[Answered]) -> Answered:
    shared = [each for each in members[0].beside if all(each in member.beside for member in members)]
    return Answered(
        dataclasses.replace(members[0].task, name=name, title=title),
        "; ".join(dict.fromkeys(place for member in members for place in member.where.split("; "))),
        [item for member in members for item in member.items],
        {role: [score for member in members for score in member.scores[role]] for role in ROLES},
        {each: [score for member in members for score in member.beside[each]] for each in shared},
        sum(member.left_out for member in members),
    )


def judge_all(answered: Mapping[str, Answered]) -> dict[str, Any]:
    """Return the figures of every part; whether the Llama or the Alpaca is ahead allows for their number."""
    evidence = {name: judge_task(each.task, each.items, each.scores) for name, each in answered.items()}
    members = {name: found for name, found in evidence.items() if name not in TOGETHER}
    whole = {name: found for name, found in evidence.items() if name in TOGETHER}
    settled = {**settle(members), **settle(whole)}
    return {name: _tell(answered[name], settled[name].judged) for name in answered}


def _tell(part: Answered, judged: Sequence[Judged]) -> dict[str, Any]:
    metrics = {each.metric: _tell_metric(each) for each in judged}
    told_all = judged[0].metric == "bits_per_byte"  # of what reads, no baseline has the first metric
    for name, scores in part.beside.items():
        for place, each in enumerate(judged):
            metric, told = find_metric(each.metric), metrics[each.metric]
            if metric.needs == "reading":
                continue
            if place == 0 or told_all:
                told["against"] = {**told.get("against", {}), name: _against(part, each.metric, name, told)}
            else:
                told["figures"][name] = {"value": _plain(metric.of(part.items, scores))}
    return {
        "title": part.task.title,
        "where": part.where,
        "left_out": part.left_out,
        "cut": {role: sum(score.finish == "length" for score in part.scores[role]) for role in ROLES},
        "metrics": metrics,
    }


def _tell_metric(judged: Judged) -> dict[str, Any]:
    return {
        "n": judged.n,
        "figures": {name: _span(figure) for name, figure in judged.figures.items()},
        "difference": _span(judged.difference),
        "better": judged.better,
    }


def _against(part: Answered, metric: str, baseline: str, told: dict[str, Any]) -> dict[str, str]:
    """Put a baseline's figure down; return whether each model is "ahead" of it, "behind", or neither, ""."""
    task = dataclasses.replace(part.task, metrics=(metric,))
    found = {}
    for role in ROLES:
        scores = {role: part.scores[role], baseline: part.beside[baseline]}
        judged = judge_task(task, part.items, scores).headline
        told["figures"][baseline] = _span(judged.figures[baseline])
        low, high = judged.difference.low, judged.difference.high
        if not find_metric(metric).higher:
            low, high = -high, -low
        found[role] = "ahead" if low > 0 else "behind" if high < 0 else ""
    return found


def _span(figure: Figure | Difference) -> dict[str, float | None]:
    return {name: _plain(getattr(figure, name)) for name in ("value", "low", "high")}


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 5)


# --- speed ------------------------------------------------------------------------------------------------


def time_both(contestants: Sequence[Contestant], answered: Mapping[str, Answered]) -> dict[str, Any]:
    """Return each model's speed after the first token, alone on the machine, and their ratio.

    They take turns, and of each answer the fastest run counts, so that a busy minute speaks against neither.
    """
    runs = [[_time(each, answered) for each in contestants] for _ in range(TIMED_ROUNDS)]
    fastest = [np.min([run[place] for run in runs], axis=0) for place in range(len(contestants))]
    both = np.hstack([np.column_stack([np.full(len(found), TIMED_TOKENS - 1.0), found]) for found in fastest])
    speeds = {
        role: pair_sums(rows, rows, lambda sums: sums[:, 0] / sums[:, 1]).first
        for role, rows in zip(ROLES, (both[:, :2], both[:, 2:]), strict=True)
    }
    ratio = pair_sums(both, both, lambda sums: sums[:, 1] / sums[:, 3]).first
    return {
        "prompts": len(both),
        "tokens_per_s": {role: _span(figure) for role, figure in speeds.items()},
        "times_faster": _span(ratio),
    }


def _time(contestant: Contestant, answered: Mapping[str, Answered]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the seconds that the tokens after the first take, of an answer to each prompt."""
    asked = {name: answered[name] for name in TIMED if name in answered}
    most = contestant.config.max_position_embeddings - TIMED_TOKENS
    prompts = {
        name: [
            prompt_ids(contestant.tokenizer, item)[:most]
            for item in [item for item in each.items if item.target][:TIMED_PROMPTS]
        ]
        for name, each in asked.items()
    }
    cost = time_apart(
        contestant.folder,
        prompts,
        dict.fromkeys(asked, TIMED_TOKENS),
        stop_ids=(),  # both say as many, so that the times are of the same places
        sizes=contestant.tokenizer.num_bytes,
        loading=contestant.loading,
    )
    return np.array([each.total_s - each.first_token_s for each in cost.all_timings])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pair", type=Path)
    parser.add_argument("--data-root", type=Path, required=True, help="where the sources of its recipe begin")
    parser.add_argument("--limit", type=int, default=LIMIT, help="ask at most so many items of each part")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--preview", type=Path, help="write the tables there; store nothing")
    options = parser.parse_args()
    told = Told()
    try:
        data = measure(options.pair, options.data_root, limit=options.limit, seed=options.seed, told=told)
    except CamelidError as error:
        sys.exit(str(error))
    told.say("done")
    print(reference_tables.render_mission(data))
    if options.preview:
        write_text(options.preview / "reference_tasks.md", reference_tables.render(data) + "\n")
        print(f"wrote {options.preview / 'reference_tasks.md'}", file=sys.stderr)
    else:
        path = stored.store("reference_tasks", data, packages=PACKAGES)
        print(f"stored {path}; now: make docs", file=sys.stderr)


if __name__ == "__main__":
    main()
