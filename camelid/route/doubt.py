"""Deferral, weighed: does the Llama do more for the same share of requests when some of them reach it late?

Part of the share is spent before the answer, by the predicted gain; the rest on replies in which the Alpaca
found a token of its own unlikely, from that token on. Greedy, on the native engine.

Source: Gupta et al. 2024, arXiv:2404.10136 (deferral on token log-probabilities: low ones, not their sum).
Differs: the Llama goes on from the first such token, and keeps what was said.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camelid.compare.metrics import find_metric
from camelid.compare.score import Score
from camelid.compare.scoring import prompt_ids
from camelid.compare.task import Item, Task
from camelid.generate.generation import Generation
from camelid.generate.native_backend import NativeModel
from camelid.generate.sampling import SamplingSettings
from camelid.route.curve import threshold_for
from camelid.route.evidence import Evidence
from camelid.text.tokenizer import Tokenizer

Floats = NDArray[np.float64]

_MOST = 400  # requests that are asked again
_PARTS = (0.75, 0.5, 0.25)  # of the share, spent before the answer
_SURE = 1.28  # standard errors: 90 of 100


@dataclass(frozen=True)
class Deferral:
    """What deferring would do. pays: whether it is surely better than spending all of the share before.

    threshold, doubt_below: of the best way to part the share. quality: mean qualities of the same requests,
        with deferral and without; se: the standard error of their difference. share: that reach the Llama.
    """

    pays: bool
    threshold: float
    doubt_below: float
    quality: tuple[float, float]
    se: float
    share: float
    requests: int

    def __str__(self) -> str:
        more = self.quality[0] - self.quality[1]
        verdict = "pays" if self.pays else "does not pay"
        return (
            f"Deferral {verdict}: {more:+.4f} of quality for the same share (standard error {self.se:.4f}), "
            f"on {self.requests} requests."
        )


def weigh_deferral(
    models: Mapping[str, NativeModel],
    tokenizer: Tokenizer,
    tasks: Sequence[Task],
    evidence: Evidence,
    gains: Floats,
    share: float,
) -> Deferral | None:
    """Return what deferring does for a share; None where there are too few generated answers to tell.

    gains: (N,), what a router that had not seen the requests predicted. models: "alpaca" and "llama".
    """
    known = {task.name: {item.id: item for item in task.items()} for task in tasks if task.kind == "generate"}
    rows = [row for row, (task, item) in enumerate(evidence.items) if item in known.get(task, ())][:_MOST]
    if len(rows) < 100 or not 0 < share < 1:
        return None
    asked = [(task, known[task][item]) for task, item in (evidence.items[row] for row in rows)]
    limits = {task.name: task.max_tokens for task in tasks}
    judge = {task.name: find_metric(task.metric).quality for task in tasks}
    prompts = [prompt_ids(tokenizer, item) for _, item in asked]
    most = [limits[task] for task, _ in asked]
    own = _answer(models["alpaca"], tokenizer, prompts, most)
    told = [[each.logprob for each in generation.logprobs] for generation in own]
    lows = np.array([min(values, default=0.0) for values in told])
    alpaca, llama = evidence.qualities[rows].T
    scores = gains[rows]
    plain = np.where(scores > threshold_for(scores, share), llama, alpaca)
    best: Deferral | None = None
    for part in _PARTS:
        threshold = threshold_for(scores, part * share)
        before = scores > threshold
        border = _border(lows[~before], share * len(rows) - before.sum())
        late = np.flatnonzero(~before & (lows < border))
        if not len(late):
            continue
        qualities = np.where(before, llama, alpaca)
        places = [next(i for i, value in enumerate(told[row]) if value < border) for row in late]
        begun = [own[row].tokens[:place] for row, place in zip(late, places, strict=True)]
        ended = _answer(
            models["llama"],
            tokenizer,
            [[*prompts[row], *said] for row, said in zip(late, begun, strict=True)],
            [most[row] - len(said) for row, said in zip(late, begun, strict=True)],
        )
        for row, said, generation in zip(late, begun, ended, strict=True):
            task, item = asked[row]
            qualities[row] = _judge(judge[task], tokenizer, item, [*said, *generation.tokens])
        more = qualities - plain
        found = Deferral(
            False,
            threshold,
            border,
            (float(qualities.mean()), float(plain.mean())),
            float(more.std(ddof=1) / math.sqrt(len(more))),
            float((before.sum() + len(late)) / len(rows)),
            len(rows),
        )
        if best is None or found.quality[0] > best.quality[0]:
            best = found
    if best is None:
        return None
    ahead = best.quality[0] - best.quality[1]
    return Deferral(**{**vars(best), "pays": ahead > 0 and ahead >= _SURE * best.se})


def _border(lows: Floats, room: float) -> float:
    """Return the log-probability below which so many replies have a token; at most `room` of them."""
    ranked = np.sort(lows)
    place = int(room)
    return float(ranked[place]) if place < len(ranked) else 0.0


def _judge(quality: object, tokenizer: Tokenizer, item: Item, tokens: Sequence[int]) -> float:
    assert callable(quality)
    return float(quality(item, Score(item.id, reply=tokenizer.decode(tokens), tokens=len(tokens))))


def _answer(
    model: NativeModel, tokenizer: Tokenizer, prompts: Sequence[Sequence[int]], most: Sequence[int]
) -> list[Generation]:
    """Return the ended requests, answered together."""
    generations = [
        model.engine.submit(
            prompt, SamplingSettings(max_tokens=limit, top_logprobs=0), stop_ids=tokenizer.stop_ids
        )
        for prompt, limit in zip(prompts, most, strict=True)
    ]
    while any(generation.finished is None for generation in generations):
        model.engine.step()
    return generations
