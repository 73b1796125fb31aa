"""Items into scores: one model asked all of a task, many at once where the native engine answers.

Greedy, so that a second run says the same; alone or among others makes no difference to an answer.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from camelid.compare.metrics import Needs, find_metric
from camelid.compare.reading import log_softmax_at
from camelid.compare.score import Finish, Score
from camelid.compare.task import Item, Task
from camelid.generate.backend import Backend
from camelid.generate.generation import Generation
from camelid.generate.native_backend import NativeModel
from camelid.generate.sampling import SamplingSettings
from camelid.text.chat import render_chat
from camelid.text.tokenizer import Tokenizer

_AT_ONCE = 64  # requests in the engine; more wait for room and gain nothing


def score_items(
    model: Backend,
    tokenizer: Tokenizer,
    task: Task,
    items: Sequence[Item],
    *,
    alone: bool = False,
    logprobs: bool = False,
    readings: bool = False,
) -> list[Score]:
    """Return the score of each item, in their order; see `stream_scores`."""
    found = {
        score.item: score
        for score in stream_scores(
            model, tokenizer, task, items, alone=alone, logprobs=logprobs, readings=readings
        )
    }
    return [found[item.id] for item in items]


def stream_scores(
    model: Backend,
    tokenizer: Tokenizer,
    task: Task,
    items: Sequence[Item],
    *,
    alone: bool = False,
    logprobs: bool = False,
    readings: bool = False,
) -> Iterator[Score]:
    """Yield the score of each item as soon as it is known; ids must differ.

    alone: one after the other, so that the times are those of a request that has the machine to itself.
    logprobs: tell the log-probability of each token of a reply. readings: tell what the model read in the
        prompt, where it generates on the native engine.

    Raises RequestError when the task takes conversations and the model has no chat template.
    """
    asker = _Asker(model, tokenizer, task, logprobs, readings)
    metric = find_metric(task.metric)
    by_id = {item.id: item for item in items}
    for reply in asker.ask_one_by_one(items) if alone else asker.ask(items):
        item = by_id[reply.item]
        score = asker.read(item, reply) if asker.reads else reply
        yield replace(score, quality=float(metric.quality(item, score)))


def fits(context: int, tokenizer: Tokenizer, item: Item) -> bool:
    """Tell whether a context of so many tokens has room for an item's prompt and a token more."""
    return bool(item.document) or len(prompt_ids(tokenizer, item)) < context


def prompt_ids(tokenizer: Tokenizer, item: Item) -> list[int]:
    """Return the tokens of what is asked: a conversation before its answer, or the beginning of a text."""
    if item.messages:
        return render_chat(tokenizer, item.messages, add_generation_prompt=True)
    return [tokenizer.bos_id, *tokenizer.encode(item.text)]


def choice_ids(tokenizer: Tokenizer, item: Item) -> list[tuple[list[int], list[int]]]:
    """Return for each choice the tokens before it and its own.

    Of a plain text prompt and choice, with a blank between, are encoded as one text and then cut, as
    lm-evaluation-harness does (api/model.py, `_encode_pair`).
    """
    before = prompt_ids(tokenizer, item)
    if item.messages:
        return [(before, tokenizer.encode(choice)) for choice in item.choices]
    wholes = [[tokenizer.bos_id, *tokenizer.encode(f"{item.text} {choice}")] for choice in item.choices]
    return [(whole[: len(before)], whole[len(before) :]) for whole in wholes]


def weigh_choices(model: Backend, pairs: Sequence[tuple[list[int], list[int]]]) -> list[tuple[float, bool]]:
    """Return the log-probability of each choice after what stands before it, and whether it is the likeliest
    continuation token by token.

    Of what does not fit in the context the beginning is left out.
    """
    wholes = [(before + own, len(own)) for before, own in pairs]
    cut = [(whole[-(model.context + 1) :], min(size, model.context)) for whole, size in wholes]
    known: dict[tuple[int, ...], NDArray[np.float32]] = {}
    weighed = []
    for whole, _ in sorted(cut, key=lambda pair: -len(pair[0])):
        fed = tuple(whole[:-1])
        if not any(longer[: len(fed)] == fed for longer in known):
            known[fed] = model.logits(fed)
    for whole, size in cut:
        fed = tuple(whole[:-1])
        logits = next(rows for longer, rows in known.items() if longer[: len(fed)] == fed)
        rows = logits[len(fed) - size : len(fed)].astype(np.float64)
        said = np.asarray(whole[-size:])
        likeliest = bool((rows.argmax(axis=1) == said).all())
        weighed.append((float(log_softmax_at(rows, said).sum()), likeliest))
    return weighed


def generate_together(
    model: NativeModel,
    prompts: Sequence[tuple[str, list[int]]],
    settings: SamplingSettings,
    *,
    stop_ids: Sequence[int],
    read: bool = False,
) -> Iterator[tuple[str, Generation]]:
    """Yield the name and the finished answer of each prompt as soon as the engine has it.

    Raises what ended an answer, if it ended with an error; the others are then cancelled.
    """
    waiting = list(reversed(prompts))
    running: dict[str, Generation] = {}
    try:
        while waiting or running:
            while waiting and len(running) < _AT_ONCE:
                name, prompt = waiting.pop()
                running[name] = model.engine.submit(prompt, settings, stop_ids=stop_ids, read=read)
            model.engine.step()
            for name in [name for name, generation in running.items() if generation.finished]:
                generation = running.pop(name)
                if generation.error:
                    raise generation.error
                yield name, generation
    finally:
        for generation in running.values():
            model.engine.cancel(generation)


@dataclass
class _Asker:
    """One model, asked the items of one task."""

    model: Backend
    tokenizer: Tokenizer
    task: Task
    logprobs: bool
    readings: bool

    def __post_init__(self) -> None:
        self.sizes = np.asarray(self.tokenizer.num_bytes)
        needs: set[Needs] = {find_metric(name).needs for name in self.task.metrics}
        self.reads = "reading" in needs
        self.generates = "reply" in needs
        self.settings = SamplingSettings(
            max_tokens=self.task.max_tokens, top_logprobs=0 if self.logprobs else None
        )

    def ask(self, items: Sequence[Item]) -> Iterator[Score]:
        """Yield the answers without their quality, many at once where the engine can."""
        if self.task.kind == "choose":
            yield from map(self._choose, items)
        elif not self.generates:
            yield from (Score(item.id, finish="read") for item in items)
        elif isinstance(self.model, NativeModel):
            yield from self._generate_together(self.model, items)
        else:
            yield from map(self._generate, items)

    def ask_one_by_one(self, items: Sequence[Item]) -> Iterator[Score]:
        """Yield the answers without their quality, each asked when the one before is there."""
        for item in items:
            yield from self.ask([item])

    def read(self, item: Item, score: Score) -> Score:
        """Return the score with what reading the target took."""
        if item.document:
            ids, first = [self.tokenizer.bos_id, *self.tokenizer.encode(item.document)], 1
            ids.append(self.tokenizer.eos_id)
        else:
            prompt = prompt_ids(self.tokenizer, item)
            target = item.target if item.messages else f" {item.target}"
            ids, first = [*prompt, *self.tokenizer.encode(target), self.tokenizer.end_id], len(prompt)
        ids = ids[: self.model.context + 1]
        if first >= len(ids):
            return replace(score, finish="too long")
        said = np.asarray(ids[first:])
        rows = self.model.logits(ids[:-1])[first - 1 :].astype(np.float64)
        nats = -float(log_softmax_at(rows, said).sum())
        return replace(score, nats=nats, num_bytes=int(self.sizes[said].sum()))

    def _choose(self, item: Item) -> Score:
        pairs = choice_ids(self.tokenizer, item)
        if min(len(before) for before, _ in pairs) > self.model.context:
            return Score(item.id, finish="too long")
        weights = [weight for weight, _ in weigh_choices(self.model, pairs)]
        best = max(range(len(weights)), key=weights.__getitem__)
        return Score(
            item.id,
            reply=item.choices[best],
            finish="chosen",
            prompt_tokens=len(pairs[0][0]),
            logprobs=tuple(weights),
        )

    def _generate(self, item: Item) -> Score:
        """Return the answer of a backend that answers one request at a time."""
        prompt = self._prompt(item)
        if prompt is None:
            return Score(item.id, finish="read" if self._is_silent(item) else "too long")
        began = time.perf_counter()
        first_s, tokens = 0.0, []
        settings = {"max_tokens": self.task.max_tokens}
        for token_id in self.model.generate(prompt, stop_ids=self.tokenizer.stop_ids, **settings):  # type: ignore[arg-type]
            first_s = first_s or time.perf_counter() - began
            tokens.append(token_id)
        seconds = time.perf_counter() - began
        limit = min(self.task.max_tokens, self.model.context - len(prompt))
        finish: Finish = "length" if len(tokens) == limit else "stop"
        told = self._weigh_reply(prompt, tokens) if self.logprobs else ()
        text = self.tokenizer.decode(tokens)
        return Score(
            item.id,
            reply=text,
            finish=finish,
            prompt_tokens=len(prompt),
            tokens=len(tokens),
            first_token_s=first_s or seconds,
            seconds=seconds,
            logprobs=told,
        )

    def _weigh_reply(self, prompt: list[int], tokens: list[int]) -> tuple[float, ...]:
        if not tokens:
            return ()
        rows = self.model.logits([*prompt, *tokens[:-1]])[len(prompt) - 1 :].astype(np.float64)
        return tuple(float(value) for value in log_softmax_at(rows, np.asarray(tokens)))

    def _generate_together(self, model: NativeModel, items: Sequence[Item]) -> Iterator[Score]:
        """Yield the answers as the engine has them, and first those that are known without it."""
        asked = [(item.id, self._prompt(item)) for item in items]
        silent = {item.id for item in items if self._is_silent(item)}
        for name, prompt in asked:
            if prompt is None:
                yield Score(name, finish="read" if name in silent else "too long")
        prompts = [(name, prompt) for name, prompt in asked if prompt is not None]
        generated = generate_together(
            model, prompts, self.settings, stop_ids=self.tokenizer.stop_ids, read=self.readings
        )
        for name, generation in generated:
            yield self._collect(name, generation)

    def _collect(self, name: str, generation: Generation) -> Score:
        started = generation.started_s or generation.submitted_s
        finished = generation.finished_s or started
        return Score(
            name,
            reply=self.tokenizer.decode(generation.tokens),
            finish="length" if generation.finished == "length" else "stop",
            prompt_tokens=len(generation.prompt),
            tokens=len(generation.tokens),
            first_token_s=(generation.first_token_s or finished) - started,
            seconds=finished - started,
            logprobs=tuple(told.logprob for told in generation.logprobs),
            reading=generation.reading,
        )

    def _prompt(self, item: Item) -> list[int] | None:
        """Return the tokens of what is asked; None when it does not fit, or there is nothing to ask for."""
        if self._is_silent(item):
            return None
        ids = prompt_ids(self.tokenizer, item)
        return ids if len(ids) + 1 <= self.model.context else None

    def _is_silent(self, item: Item) -> bool:
        """Tell whether an item is only read: a document too short to be gone on with."""
        return bool(item.document) and not item.target
