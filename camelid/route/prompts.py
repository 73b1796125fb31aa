"""The gain from the prompt's text alone, where neither model can be asked to read it.

Two steps, both kernel ridge. First a head for each model's quality, on the shape of prompts and on their
words; what it says of a labelled prompt is what it says when that prompt is left out. Then the gain, from
what the two heads say: where the Alpaca is likely right there is little to gain, and where both are likely
wrong there is little too, which a difference of two heads cannot say.

Source: Wolpert 1992, "Stacked generalization"; two heads and their difference: Ding et al. 2024,
arXiv:2404.14618. Differs: the second step.
"""

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camelid.route.shape import shape_of

Floats = NDArray[np.float64]

_FLATNESS = 5.0  # of the heads: what the ridge adds to each prompt's likeness to itself
_SECOND_FLATNESS, _SECOND_REACH = 6.0, 0.05
_SHAPE_REACHES = (0.3, 0.1)  # of the Gaussian kernels, per feature of variance 1
_WORD_REACH = 0.7
_MOST_AWAY = 4.0  # standard deviations, beyond which a feature tells no more
_ROWS = 1024  # prompts that are compared at a time


@dataclass(frozen=True)
class PromptGain:
    """What was learnt from labelled prompts. Inductive: it has seen no prompt besides these."""

    words: "_Words"
    shapes: Floats
    centre: Floats
    spread: Floats
    heads: Floats
    means: Floats
    told: Floats
    told_centre: Floats
    told_spread: Floats
    second: Floats
    mean: float

    def predict(self, prompts: Sequence[str]) -> Floats:
        """Return the gain to be expected of each prompt, (N,)."""
        found = []
        for first in range(0, len(prompts), _ROWS):
            part = list(prompts[first : first + _ROWS])
            shapes = _scale(shape_of(part), self.centre, self.spread)
            alike = _likeness(shapes, self.shapes, self.words.compare(part))
            told = _scale(self.means + alike @ self.heads, self.told_centre, self.told_spread)
            found.append(self.mean + _gauss(told, self.told, _SECOND_REACH) @ self.second)
        return np.concatenate(found) if found else np.zeros(0)


def learn_prompts(prompts: Sequence[str], alpaca: Floats, llama: Floats) -> PromptGain:
    """Return what labelled prompts teach: alpaca, llama are the qualities of the answers, (N,)."""
    words = _Words.learn(prompts)
    raw = shape_of(list(prompts))
    centre, spread = raw.mean(axis=0), raw.std(axis=0)
    spread[spread == 0] = np.inf  # a feature that is always the same tells nothing
    shapes = _scale(raw, centre, spread)
    alike = _likeness(shapes, shapes, words.compare(prompts))
    qualities = np.column_stack([alpaca, llama])
    means = qualities.mean(axis=0)
    heads, left_out = _ridge(alike, qualities - means, _FLATNESS)
    said = means + left_out
    told_centre, told_spread = said.mean(axis=0), said.std(axis=0) + 1e-9
    told = _scale(said, told_centre, told_spread)
    gain = (llama - alpaca).astype(np.float64)
    second, _ = _ridge(_gauss(told, told, _SECOND_REACH), (gain - gain.mean())[:, None], _SECOND_FLATNESS)
    return PromptGain(
        words,
        shapes,
        centre,
        spread,
        heads,
        means,
        told,
        told_centre,
        told_spread,
        second[:, 0],
        float(gain.mean()),
    )


class _Words:
    """Words and pairs of words of prompts, weighted by how rare they are, each prompt of length 1."""

    def __init__(self, places: dict[str, int], weights: Floats, rows: NDArray[np.float32]) -> None:
        self.places, self.weights, self.rows = places, weights, rows

    @classmethod
    def learn(cls, prompts: Sequence[str]) -> "_Words":
        seen = Counter(gram for prompt in prompts for gram in set(_grams(prompt)))
        kept = sorted(gram for gram, count in seen.items() if count > 1)
        weights = np.array([1 + math.log((1 + len(prompts)) / (1 + seen[gram])) for gram in kept])
        words = cls(
            {gram: place for place, gram in enumerate(kept)}, weights, np.zeros((0, len(kept)), np.float32)
        )
        words.rows = words.weigh(prompts)
        return words

    def weigh(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        """Return prompts as rows."""
        rows = np.zeros((len(prompts), len(self.places)), np.float32)
        for row, prompt in zip(rows, prompts, strict=True):
            counts = Counter(self.places[gram] for gram in _grams(prompt) if gram in self.places)
            for place, count in counts.items():
                row[place] = (1 + math.log(count)) * self.weights[place]
            row /= max(float(np.linalg.norm(row)), 1e-9)
        return rows

    def compare(self, prompts: Sequence[str]) -> Floats:
        """Return how alike prompts are to those that were learnt from, by their words, 0 to 1."""
        cosines = (self.weigh(prompts) @ self.rows.T).astype(np.float64)
        return np.asarray(np.exp(-_WORD_REACH * (2 - 2 * cosines)), np.float64)


def _grams(prompt: str) -> list[str]:
    words = "".join(c if c.isalnum() else " " for c in prompt.lower()).split()
    return [*words, *(f"{one} {two}" for one, two in itertools.pairwise(words))]


def _likeness(one: Floats, other: Floats, by_words: Floats) -> Floats:
    wide, wider = (_gauss(one, other, reach / one.shape[1]) for reach in _SHAPE_REACHES)
    return 0.3 * wide + 0.3 * wider + 0.4 * by_words * wide


def _scale(values: Floats, centre: Floats, spread: Floats) -> Floats:
    scaled: Floats = np.clip((values - centre) / spread, -_MOST_AWAY, _MOST_AWAY)
    return scaled


def _gauss(one: Floats, other: Floats, reach: float) -> Floats:
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None] - 2 * one @ other.T
    return np.asarray(np.exp(-reach * np.maximum(squares, 0)), np.float64)


def _ridge(alike: Floats, wanted: Floats, flatness: float) -> tuple[Floats, Floats]:
    """Return weights of the labelled prompts, and what is said of each when it is left out."""
    inverse = np.linalg.inv(alike + flatness * np.eye(len(alike)))
    weights = inverse @ wanted
    return weights, wanted - weights / np.diag(inverse)[:, None]
