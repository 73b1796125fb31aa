"""Labelled requests: what both models answered, how good it was, what it took, and what the Alpaca read.

The two answer the same held-out items; nobody else judges. Times are of one request at a time: measured on a
sample of the items, and from there by a line in the tokens of prompt and reply.
"""

import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camelid.compare.score import Score
from camelid.compare.scoring import fits, generate_together, prompt_ids, stream_scores
from camelid.compare.store import ScoreFile
from camelid.compare.task import Item, Task
from camelid.errors import DataError
from camelid.generate.backend import Backend
from camelid.generate.generation import Reading
from camelid.generate.native_backend import NativeModel
from camelid.generate.sampling import SamplingSettings
from camelid.route.features import Kind, length_of, plain_features, read_prompt
from camelid.route.votes import Vote
from camelid.text.chat import render_chat
from camelid.text.records import Message
from camelid.text.tokenizer import Tokenizer

Floats = NDArray[np.float64]
Progress = Callable[[str, int, int], None]  # what is done, how much of it, of how much
Keep = Callable[[str, Task], ScoreFile]  # where a role's answers to a task are kept

_TIMED = 12  # items of a task that are asked alone, to tell how long an answer takes


@dataclass(frozen=True)
class Evidence:
    """Labelled requests, in a random order that is always the same.

    requests: what was asked. kinds: task and language, as the data say. lengths: (N,) places in LENGTHS.
    features: (N, P), the hidden state and the plain features. qualities: (N, 2), of the Alpaca's answer and
        of the Llama's, from 0 to 1. first_s: (N,), the Alpaca's time to its first token. seconds: (N, 2), of
        whole answers, one request at a time.
    source: where the labels are from, "held-out items" or "votes".
    items: each request's task and item id; empty of votes.
    """

    requests: tuple[tuple[Message, ...], ...]
    kinds: tuple[Kind, ...]
    lengths: NDArray[np.int64]
    features: Floats
    qualities: Floats
    first_s: Floats
    seconds: Floats
    source: str = "held-out items"
    items: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.requests)

    def take(self, rows: NDArray[np.int64]) -> "Evidence":
        """Return some of the requests."""
        return Evidence(
            tuple(self.requests[row] for row in rows),
            tuple(self.kinds[row] for row in rows),
            self.lengths[rows],
            self.features[rows],
            self.qualities[rows],
            self.first_s[rows],
            self.seconds[rows],
            self.source,
            tuple(self.items[row] for row in rows) if self.items else (),
        )

    def reading(self, row: int) -> Reading:
        """Return what the Alpaca read in a request."""
        hidden, (entropy, margin, top) = self.features[row][:-5], self.features[row][-5:-2]
        return Reading(hidden.astype(np.float32), float(entropy), float(margin), float(top))


def collect(
    models: Mapping[str, Backend],
    tokenizers: Mapping[str, Tokenizer],
    tasks: Sequence[Task],
    *,
    limit: int | None = None,
    seed: int = 0,
    keep: Keep | None = None,
    progress: Progress | None = None,
) -> Evidence:
    """Return what both models, "alpaca" and "llama", make of at most `limit` items of each task.

    tokenizers: of both, mostly the same one. keep: where answers are kept; those that are there are not asked
    for again.

    Raises DataError when there is nothing to ask.
    """
    # Timed first: a prompt that was asked before is read from the cache, and would seem to take no time.
    times = {role: _time(models[role], tokenizers[role], tasks, seed) for role in models}
    rows: list[tuple[Item, Reading, Score, Score]] = []
    names: dict[str, str] = {}
    for task in tasks:
        items = [item for item in task.items(limit, seed) if item.messages]
        items = [
            item
            for item in items
            if all(fits(models[role].context, tokenizers[role], item) for role in models)
        ]
        if items:
            scores = {
                role: _ask(model, tokenizers[role], task, items, role, keep, progress)
                for role, model in models.items()
            }
            names |= dict.fromkeys((item.id for item in items), task.name)
            readings = _read_prompts(models["alpaca"], tokenizers["alpaca"], items, scores["alpaca"])
            rows += zip(items, readings, scores["alpaca"], scores["llama"], strict=True)
    if not rows:
        raise DataError(
            "There are no held-out conversations to ask, so nothing can be calibrated. camelid train writes "
            "them, and so does camelid pair with --data; a pair that was copied needs its held_out.jsonl too."
        )
    random.Random(seed).shuffle(rows)
    seconds = np.array(
        [
            [
                times[role](*_size(tokenizers[role], item, score))
                for role, score in (("alpaca", alpaca), ("llama", llama))
            ]
            for item, _, alpaca, llama in rows
        ]
    )
    first_s = [
        times["alpaca"](_size(tokenizers["alpaca"], item, alpaca)[0], 1) for item, _, alpaca, _ in rows
    ]
    return Evidence(
        tuple(item.messages for item, *_ in rows),
        tuple(Kind(item.task or "conversation", item.lang) for item, *_ in rows),
        np.array([length_of(item.messages) for item, *_ in rows], np.int64),
        np.array([_as_features(item.messages, reading) for item, reading, *_ in rows]),
        np.array([[alpaca.quality, llama.quality] for _, _, alpaca, llama in rows]),
        np.array(first_s),
        seconds,
        items=tuple((names[item.id], item.id) for item, *_ in rows),
    )


def weigh_votes(
    votes: Sequence[Vote], alpaca: Backend, tokenizer: Tokenizer, kind: Callable[[Sequence[Message]], Kind]
) -> Evidence:
    """Return votes as labelled requests; how long answers take is not in them.

    kind: tells the kind of a request. A prompt that does not fit in the context is left out.

    Raises DataError when none fits.
    """
    rows = []
    for messages, worth, other in votes:
        ids = render_chat(tokenizer, messages, add_generation_prompt=True)
        if len(ids) < alpaca.context:
            rows.append((messages, _as_features(messages, read_prompt(alpaca, ids)), worth, other))
    if not rows:
        raise DataError("None of the votes' prompts fits in the model's context. Collect votes on this pair.")
    random.Random(0).shuffle(rows)
    nothing = np.zeros(len(rows))
    return Evidence(
        tuple(messages for messages, *_ in rows),
        tuple(kind(messages) for messages, *_ in rows),
        np.array([length_of(messages) for messages, *_ in rows], np.int64),
        np.array([features for _, features, *_ in rows]),
        np.array([[worth, other] for *_, worth, other in rows]),
        nothing,
        np.zeros((len(rows), 2)),
        "votes",
    )


def _ask(
    model: Backend,
    tokenizer: Tokenizer,
    task: Task,
    items: Sequence[Item],
    role: str,
    keep: Keep | None,
    progress: Progress | None,
) -> list[Score]:
    with keep(role, task) if keep else contextlib.nullcontext() as file:
        found = {item.id: score for item in items if file and (score := file.find(item))}
        missing = {item.id: item for item in items if item.id not in found}
        for score in stream_scores(model, tokenizer, task, list(missing.values()), readings=role == "alpaca"):
            found[score.item] = score
            if file:
                file.add(missing[score.item], score)
            if progress:
                progress(f"{task.name}, {role}", len(found) - len(items) + len(missing), len(missing))
    return [found[item.id] for item in items]


def _read_prompts(
    model: Backend, tokenizer: Tokenizer, items: Sequence[Item], scores: Sequence[Score]
) -> list[Reading]:
    """Return what the Alpaca read in each prompt; where that was not kept, it reads it again."""
    missing = [item for item, score in zip(items, scores, strict=True) if score.reading is None]
    prompts = [(item.id, prompt_ids(tokenizer, item)) for item in missing]
    if isinstance(model, NativeModel):
        one = SamplingSettings(max_tokens=1)
        asked = generate_together(model, prompts, one, stop_ids=tokenizer.stop_ids, read=True)
        again = {name: generation.reading for name, generation in asked}
    else:
        again = {name: read_prompt(model, prompt) for name, prompt in prompts}
    readings = [score.reading or again[item.id] for item, score in zip(items, scores, strict=True)]
    return [reading for reading in readings if reading is not None]


def _size(tokenizer: Tokenizer, item: Item, score: Score) -> tuple[int, int]:
    """Return how many tokens the prompt has, and the answer, or what would be right where it was chosen."""
    prompt = score.prompt_tokens or len(prompt_ids(tokenizer, item))
    return prompt, score.tokens or len(tokenizer.encode(item.target))


def _as_features(messages: Sequence[Message], reading: Reading) -> Floats:
    return np.concatenate([reading.hidden.astype(np.float64), plain_features(messages, reading)])


def _time(
    model: Backend, tokenizer: Tokenizer, tasks: Sequence[Task], seed: int
) -> Callable[[int, int], float]:
    """Return how long one answer takes to itself, by the tokens of prompt and reply, from a sample."""
    rows, seconds = [], []
    for task in tasks:
        if task.kind != "generate":
            continue
        items = [item for item in task.items(_TIMED, seed + 1) if item.messages]
        items = [item for item in items if fits(model.context, tokenizer, item)]
        for score in stream_scores(model, tokenizer, task, items, alone=True):
            if score.tokens > 0:
                rows.append((1.0, float(score.prompt_tokens), float(score.tokens)))
                seconds.append(score.seconds)
    if not rows:
        return lambda prompt_tokens, tokens: 0.0
    line = _fit_line(np.array(rows), np.array(seconds))
    return lambda prompt_tokens, tokens: float(line[0] + line[1] * prompt_tokens + line[2] * tokens)


def _fit_line(rows: Floats, seconds: Floats) -> Floats:
    """Return base, per prompt token and per reply token; none is negative.

    By least absolute deviations, since a busy machine makes a few answers very slow; iteratively reweighted.
    """
    kept = [0, 1, 2]
    line = np.zeros(3)
    while kept:
        weights = np.ones(len(rows))
        for _ in range(20):
            found, *_ = np.linalg.lstsq(rows[:, kept] * weights[:, None], seconds * weights, rcond=None)
            away = np.abs(seconds - rows[:, kept] @ found)
            weights = 1 / np.sqrt(np.maximum(away, 1e-3 * float(np.median(seconds)) + 1e-9))
        if (found >= 0).all():
            line[kept] = found
            break
        kept.remove(kept[int(found.argmin())])
    return line
