"""Two models on the same tasks: each asked everything, one after the other, then judged and timed.

Only items whose prompts fit in both contexts are asked; the others are counted. What was asked before, and
has not changed since, is taken from disk (`store`).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from camelid.compare.latency import Cost, Entrant, time_in_turns
from camelid.compare.machine import hash_model
from camelid.compare.metrics import find_metric
from camelid.compare.score import Score
from camelid.compare.scoring import fits, prompt_ids, stream_scores
from camelid.compare.store import ScoreFile, identify
from camelid.compare.task import Item, Task
from camelid.compare.verdict import Evidence, judge_task, settle
from camelid.errors import RequestError
from camelid.generate.backend import Backend
from camelid.generate.load import LoadOptions, load_model
from camelid.model.config import DecoderConfig
from camelid.model.folder import read_config
from camelid.model.pairfile import RoleFile
from camelid.text.tokenizer import Tokenizer, check_tokenizer_fits

TIMED_PROMPTS = 24  # of each task


class Progress(Protocol):
    """Who is told how far a comparison is."""

    def begin(self, name: str, total: int) -> None:
        """Be told that `total` things are to be done, under a name."""

    def advance(self, count: int = 1) -> None:
        """Be told that so many of them are done."""


@dataclass
class Contestant:
    """One of the two: a model folder under a name.

    raised: how it was, where a pair says it. loading: the options of `load_model`.
    """

    name: str
    folder: Path
    raised: RoleFile | None = None
    loading: LoadOptions = field(default_factory=LoadOptions)

    @cached_property
    def config(self) -> DecoderConfig:
        """The model's shape.

        Raises CheckpointError when the folder is no model's.
        """
        return read_config(self.folder)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer.

        Raises TokenizerError when it is missing or another model's.
        """
        tokenizer = Tokenizer.load(self.folder)
        check_tokenizer_fits(tokenizer, self.config.vocab_size)
        return tokenizer

    @cached_property
    def hash(self) -> str:
        """What stands for weights, shape and tokenizer."""
        return hash_model(self.folder)

    @cached_property
    def disk_bytes(self) -> int:
        """The size of all its files."""
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())


@dataclass(frozen=True)
class Played:
    """One task as it was asked: its items, both models' scores in the items' order, and what they show.

    left_out: items whose prompt does not fit in a context.
    """

    task: Task
    items: list[Item]
    scores: dict[str, list[Score]]
    left_out: int
    evidence: Evidence

    def cut(self, name: str) -> int:
        """Return how many of a model's answers were cut at the task's limit."""
        return sum(score.finish == "length" for score in self.scores[name])


@dataclass(frozen=True)
class Outcome:
    """All that a comparison found.

    costs: by model; empty when nothing was timed. unasked: tasks of which no prompt fits in both contexts.
    """

    contestants: tuple[Contestant, Contestant]
    played: dict[str, Played]
    costs: dict[str, Cost]
    limit: int | None
    seed: int
    unasked: tuple[str, ...] = ()

    @property
    def same_tokenizer(self) -> bool:
        """Tell whether both cut text into the same tokens."""
        one, two = self.contestants
        return one.tokenizer.fingerprint == two.tokenizer.fingerprint

    @property
    def same_model(self) -> bool:
        """Tell whether both are the same."""
        one, two = self.contestants
        return one.hash == two.hash


def hold_contest(
    contestants: tuple[Contestant, Contestant],
    tasks: Mapping[str, Task],
    *,
    limit: int | None,
    seed: int,
    keep: Path,
    progress: Progress,
    timed: bool = True,
) -> Outcome:
    """Return what asking both models all tasks shows.

    limit: the most items of each task. keep: the folder of the scores. timed: measure what answers cost, too.

    Raises RequestError when a task takes conversations and a model has no chat template, and when no prompt
    fits in both contexts, DataError when a task has nothing to ask, CheckpointError when a model cannot be
    loaded, MissingExtraError when a metric's package is not installed.
    """
    for contestant in contestants:
        _check_template(contestant, tasks)
    for name in {name for task in tasks.values() for name in task.metrics}:
        find_metric(name).signature()  # complains of a missing package before anybody is asked
    asked = {name: draw(task, contestants, limit, seed) for name, task in tasks.items()}
    unasked = [task.title for name, task in tasks.items() if not asked[name][0]]
    tasks = {name: task for name, task in tasks.items() if asked[name][0]}
    if not tasks:
        contexts = " and ".join(str(each.config.max_position_embeddings) for each in contestants)
        raise RequestError(
            f"No prompt of {', '.join(unasked)} fits in the contexts of both models ({contexts} tokens). "
            "Shorten the prompts, or use fewer --fewshot examples."
        )
    scores: dict[str, dict[str, list[Score]]] = {name: {} for name in tasks}
    for contestant in contestants:
        total = sum(len(items) for items, _ in asked.values())
        progress.begin(f"asking {contestant.name}", total)
        model = Late(contestant)
        for name, task in tasks.items():
            scores[name][contestant.name] = ask(model, task, asked[name][0], keep, advance=progress.advance)
    costs = _time_both(contestants, tasks, asked, progress) if timed else {}
    evidence = settle({name: judge_task(tasks[name], asked[name][0], scores[name]) for name in tasks})
    played = {
        name: Played(tasks[name], asked[name][0], scores[name], asked[name][1], evidence[name])
        for name in tasks
    }
    return Outcome(contestants, played, costs, limit, seed, tuple(unasked))


class Late:
    """A model that is loaded when it is first asked: it may be that everything is known already.

    asked: how many items it was asked, that were not known.
    """

    def __init__(self, contestant: Contestant) -> None:
        """Take whose model it is."""
        self.contestant, self.asked = contestant, 0

    @cached_property
    def model(self) -> Backend:
        """The model.

        Raises CheckpointError when it cannot be loaded.
        """
        return load_model(self.contestant.folder, **self.contestant.loading)


def _check_template(contestant: Contestant, tasks: Mapping[str, Task]) -> None:
    chats = [task.name for task in tasks.values() if task.chat]
    if chats and contestant.tokenizer.template is None:
        raise RequestError(
            f"{contestant.folder} has no chat template, which {chats[0]} is asked with. Ask in plain text: "
            "--plain."
        )


def draw(
    task: Task, contestants: Sequence[Contestant], limit: int | None, seed: int
) -> tuple[list[Item], int]:
    """Return the items to ask, at most `limit`, and how many did not fit before there were enough."""
    kept: list[Item] = []
    left_out = 0
    for item in task.items(seed=seed):
        if limit is not None and len(kept) == limit:
            break
        if all(fits(each.config.max_position_embeddings, each.tokenizer, item) for each in contestants):
            kept.append(item)
        else:
            left_out += 1
    return kept, left_out


def ask(
    late: Late,
    task: Task,
    items: Sequence[Item],
    keep: Path,
    *,
    before: Callable[[], object] = lambda: None,
    advance: Callable[[int], object] = lambda _: None,
) -> list[Score]:
    """Return a model's scores of items, in their order; those that are kept on disk are not asked again.

    keep: the folder of the scores. before: is called before anything is asked. advance: is told how many more
    scores there are.

    Raises CheckpointError when the model cannot be loaded.
    """
    contestant = late.contestant
    with ScoreFile(keep, contestant.name, identify(contestant.hash, contestant.loading), task) as file:
        found = {item.id: score for item in items if (score := file.find(item))}
        advance(len(found))
        missing = [item for item in items if item.id not in found]
        late.asked += len(missing)
        by_id = {item.id: item for item in missing}
        if missing:
            before()
            for score in stream_scores(late.model, contestant.tokenizer, task, missing):
                file.add(by_id[score.item], score)
                found[score.item] = score
                advance(1)
    return [found[item.id] for item in items]


def _time_both(
    contestants: Sequence[Contestant],
    tasks: Mapping[str, Task],
    asked: Mapping[str, tuple[list[Item], int]],
    progress: Progress,
) -> dict[str, Cost]:
    questions = {name: (task, asked[name][0]) for name, task in tasks.items()}
    entrants = {each.name: enter(each, questions) for each in contestants}
    total = sum(len(prompts) for each in entrants.values() for prompts in each.prompts.values())
    progress.begin("timing", total)
    return time_in_turns(entrants, advance=progress.advance)


def enter(contestant: Contestant, questions: Mapping[str, tuple[Task, Sequence[Item]]]) -> Entrant:
    """Return a model as it is timed: asked the first items of each task, of those that ask for something."""
    tokenizer, context = contestant.tokenizer, contestant.config.max_position_embeddings
    return Entrant(
        contestant.folder,
        {
            name: [
                prompt_ids(tokenizer, item)[: context - 1]
                for item in [item for item in items if item.target][:TIMED_PROMPTS]
            ]
            for name, (_, items) in questions.items()
        },
        {name: _longest(task, tokenizer) for name, (task, _) in questions.items()},
        sorted(tokenizer.stop_ids),
        list(tokenizer.num_bytes),
        contestant.loading,
    )


def _longest(task: Task, tokenizer: Tokenizer) -> int:
    """Return the most tokens that an answer of a task has: of choices, the longest."""
    choices = {choice for item in task.pool for choice in item.choices}
    if task.kind != "choose" or not choices:
        return task.max_tokens
    return max(len(ids) for ids in tokenizer.encode_many(sorted(choices)))


def quality_of(scores: Sequence[Score]) -> float:
    """Return the mean quality of answers, from 0 to 1."""
    return sum(score.quality for score in scores) / len(scores) if scores else math.nan
