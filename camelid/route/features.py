"""What can be told of a request before anybody answers it: its task and language, its length, what was read.

A recogniser knows the kinds of requests (task and language together) by their words; a reading is what the
Alpaca found at the end of the prompt anyway. Both cost microseconds: no second encoder, nothing is asked.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camelid.generate.backend import Backend
from camelid.generate.generation import Reading
from camelid.text.records import Message

Floats = NDArray[np.float64]

LENGTHS = ("short", "medium", "long")
NUM_PLAIN = 5  # features besides the hidden state: entropy, margin, top, characters, turns
_BORDERS = (200, 600)  # characters of a conversation
_EDGE = 120  # characters that are looked at where a turn begins, and where it ends
_COMMON_WORDS = 4096


@dataclass(frozen=True)
class Kind:
    """A kind of request: the task's name and the language of the answer, "und" where it is unknown."""

    task: str
    lang: str


def length_of(messages: Sequence[Message]) -> int:
    """Return the place in LENGTHS of a conversation."""
    num_chars = sum([len(turn.content) for turn in messages])
    return 0 if num_chars < _BORDERS[0] else 1 if num_chars < _BORDERS[1] else 2


def words_of(messages: Sequence[Message]) -> list[str]:
    """Return the words that tell what is asked: of the beginning and the end of the last user turn, and of
    the beginning of the first one."""
    asked = [turn.content for turn in messages if turn.role == "user"] or [messages[-1].content]
    last = asked[-1]
    text = last if len(last) <= 2 * _EDGE else f"{last[:_EDGE]} {last[-_EDGE:]}"
    if len(asked) > 1:
        text = f"{asked[0][:_EDGE]} {text}"
    return text.lower().split()


class Recognizer:
    """Tells the kind of a request by its words: naive Bayes over words, each counted once.

    Source: Maron 1961, "Automatic indexing"; McCallum and Nigam 1998, the multinomial model, for words that
    are there (those that are absent say nothing).
    """

    def __init__(self, kinds: Sequence[Kind], words: Sequence[str], weights: Floats, priors: Floats) -> None:
        """Take what `learn` found: weights (W, K) of words by kind, priors (K,), both logarithms."""
        self.kinds, self.words = tuple(kinds), tuple(words)
        self.weights, self.priors = weights, priors
        self._places = {word: place for place, word in enumerate(words)}

    @classmethod
    def learn(cls, requests: Sequence[Sequence[Message]], kinds: Sequence[Kind]) -> "Recognizer":
        """Return a recogniser of the kinds that requests are of; needs at least one request."""
        known = sorted(set(kinds), key=lambda kind: (kind.task, kind.lang))
        place = {kind: index for index, kind in enumerate(known)}
        seen: dict[str, int] = {}
        found = [set(words_of(request)) for request in requests]
        for words in found:
            for word in words:
                seen[word] = seen.get(word, 0) + 1
        common = sorted((word for word in seen if seen[word] > 1), key=lambda word: (-seen[word], word))
        common = common[:_COMMON_WORDS]
        row = {word: index for index, word in enumerate(common)}
        counts = np.zeros((len(common), len(known)))
        totals = np.zeros(len(known))
        for words, kind in zip(found, kinds, strict=True):
            totals[place[kind]] += 1
            for word in words:
                if word in row:
                    counts[row[word], place[kind]] += 1
        weights = np.log((counts + 0.1) / (totals + 1))
        return cls(known, common, weights, np.log((totals + 1) / (totals.sum() + len(known))))

    def recognize(self, messages: Sequence[Message]) -> int:
        """Return the place in `kinds` of a request; without a known word the most frequent kind's."""
        places = self._places
        rows = [places[word] for word in set(words_of(messages)) if word in places]
        if not rows:
            return int(self.priors.argmax())
        return int((np.add.reduce(self.weights.take(rows, 0)) + self.priors).argmax())


def plain_features(messages: Sequence[Message], reading: Reading) -> tuple[float, float, float, float, float]:
    """Return what is told of a request besides the hidden state, NUM_PLAIN numbers."""
    num_chars = sum([len(turn.content) for turn in messages])
    return reading.entropy, reading.margin, reading.top, math.log1p(num_chars), float(len(messages))


def read_prompt(model: Backend, token_ids: Sequence[int]) -> Reading:
    """Return what any backend reads in a prompt; where there is an engine, asking it to read costs less."""
    return as_reading(model.hidden(token_ids)[-1], model.logits(token_ids)[-1])


def as_reading(hidden: NDArray[np.float32], logits: NDArray[np.float32]) -> Reading:
    """Return a reading of what stands at the end of a prompt: hidden (D,), logits (V,)."""
    powers = logits.astype(np.float64) - float(logits.max())
    chances = np.exp(powers)
    total = chances.sum()
    chances /= total
    entropy = float(math.log(total) - (chances * powers).sum())
    second, first = np.partition(chances, -2)[-2:]
    return Reading(hidden.astype(np.float32), entropy, float(first - second), float(first))
