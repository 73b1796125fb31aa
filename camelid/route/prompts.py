"""The gain from the prompt's text alone, where neither model can be asked to read it.

Two steps, both kernel ridge. First a head for each model's quality, on the shape of prompts and on their
words; what it says of a labelled prompt is what it says when that prompt is left out. Then the gain, from
what the two heads say: where the Alpaca is likely right there is little to gain, and where both are likely
wrong there is little too, which a difference of two heads cannot say.

Source: Wolpert 1992, "Stacked generalization"; two heads and their difference: Ding et al. 2024,
arXiv:2404.14618. Differs: the second step.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camelid.route.shape import shape_of

Floats = NDArray[np.float64]

_FLATNESS = 3.0  # of the heads: what the ridge adds to each prompt's likeness to itself
_SECOND_FLATNESS, _SECOND_REACH = 6.0, 0.05
_SHAPE_REACHES = (0.3, 0.1)  # of the Gaussian kernels, on shapes of length 1 in the mean
_WORD_REACH = 0.7
_TOPICS, _COMMON_WORDS = 100, 8192
_LEAST_WEIGHT = 0.05  # of a feature that no quality goes along with
_MOST_AWAY = 4.0  # standard deviations, beyond which a feature tells no more
_ROWS = 1024  # prompts that are compared at a time


@dataclass(frozen=True)
class PromptGain:
    """What was learnt from labelled prompts, and from whatever others were given without labels."""

    topics: "_Topics"
    topics_known: Floats
    shapes: Floats
    centre: Floats
    spread: Floats
    weights: Floats
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
            shapes = _scale(shape_of(part), self.centre, self.spread) * self.weights
            alike = _likeness(shapes, self.shapes, self.topics.place(part), self.topics_known)
            told = _scale(self.means + alike @ self.heads, self.told_centre, self.told_spread)
            found.append(self.mean + _gauss(told, self.told, _SECOND_REACH) @ self.second)
        return np.concatenate(found) if found else np.zeros(0)


def learn_prompts(
    prompts: Sequence[str], alpaca: Floats, llama: Floats, *, unlabelled: Sequence[str] = ()
) -> PromptGain:
    """Return what labelled prompts teach: alpaca, llama are the qualities of the answers, (N,).

    unlabelled: other prompts, such as a server has seen, from which topics are learnt besides.
    """
    topics = _Topics.learn([*prompts, *unlabelled])
    known = topics.place(prompts)
    raw = shape_of(list(prompts))
    centre, spread = raw.mean(axis=0), raw.std(axis=0)
    spread[spread == 0] = np.inf  # a feature that is always the same tells nothing
    qualities = np.column_stack([alpaca, llama])
    shapes = _scale(raw, centre, spread)
    weights = _weigh(shapes, qualities)
    shapes = shapes * weights
    alike = _likeness(shapes, shapes, known, known)
    means = qualities.mean(axis=0)
    heads, left_out = _ridge(alike, qualities - means, _FLATNESS)
    said = means + left_out
    told_centre, told_spread = said.mean(axis=0), said.std(axis=0) + 1e-9
    told = _scale(said, told_centre, told_spread)
    gain = (llama - alpaca).astype(np.float64)
    second, _ = _ridge(_gauss(told, told, _SECOND_REACH), (gain - gain.mean())[:, None], _SECOND_FLATNESS)
    return PromptGain(
        topics,
        known,
        shapes,
        centre,
        spread,
        weights,
        heads,
        means,
        told,
        told_centre,
        told_spread,
        second[:, 0],
        float(gain.mean()),
    )


class _Topics:
    """Directions in which the words of prompts vary most: latent semantic analysis.

    Source: Deerwester et al. 1990; the directions by Halko, Martinsson and Tropp 2011, algorithm 4.4.
    """

    def __init__(self, places: dict[str, int], rarity: Floats) -> None:
        self.places, self.rarity = places, rarity
        self.directions = np.zeros((len(places), 0), np.float32)

    @classmethod
    def learn(cls, prompts: Sequence[str]) -> "_Topics":
        seen = Counter(word for prompt in prompts for word in set(_words(prompt)))
        kept = sorted((word for word in seen if seen[word] > 1), key=lambda word: (-seen[word], word))
        kept = kept[:_COMMON_WORDS]
        rarity = np.array([1 + math.log((1 + len(prompts)) / (1 + seen[word])) for word in kept])
        topics = cls({word: place for place, word in enumerate(kept)}, rarity)
        rows = topics.weigh(prompts)
        size = min(_TOPICS, *rows.shape)
        start = np.random.default_rng(0).normal(size=(rows.shape[1], min(size + 10, rows.shape[1])))
        basis = start.astype(np.float32)
        for _ in range(5):
            basis = np.linalg.qr(rows.T @ (rows @ basis))[0]
        _, _, right = np.linalg.svd(rows @ basis, full_matrices=False)
        topics.directions = basis @ right[:size].T
        return topics

    def weigh(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        """Return prompts as rows: words weighted by how rare they are, each row of length 1."""
        rows = np.zeros((len(prompts), len(self.places)), np.float32)
        for row, prompt in zip(rows, prompts, strict=True):
            counts = Counter(self.places[word] for word in _words(prompt) if word in self.places)
            for place, count in counts.items():
                row[place] = (1 + math.log(count)) * self.rarity[place]
            row /= max(float(np.linalg.norm(row)), 1e-9)
        return rows

    def place(self, prompts: Sequence[str]) -> Floats:
        """Return where prompts lie among the topics, (N, topics), each of length 1."""
        placed = (self.weigh(prompts) @ self.directions).astype(np.float64)
        return np.asarray(placed / np.maximum(np.linalg.norm(placed, axis=1, keepdims=True), 1e-9))


def _words(prompt: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in prompt.lower()).split()


def _weigh(shapes: Floats, qualities: Floats) -> Floats:
    """Return weights of the features by how much qualities go along with them; shapes then have length 1."""
    away = shapes - shapes.mean(axis=0)
    sizes = np.sqrt((away**2).sum(axis=0))[:, None] * np.sqrt(
        ((qualities - qualities.mean(axis=0)) ** 2).sum(axis=0)
    )
    along = away.T @ (qualities - qualities.mean(axis=0)) / np.maximum(sizes, 1e-9)
    weights = np.sqrt((along**2).sum(axis=1)) + _LEAST_WEIGHT
    length = math.sqrt(float(((shapes * weights) ** 2).sum(axis=1).mean()))
    return np.asarray(weights / max(length, 1e-9))


def _likeness(one: Floats, other: Floats, topics: Floats, other_topics: Floats) -> Floats:
    near, far = (_gauss(one, other, reach) for reach in _SHAPE_REACHES)
    return 0.35 * near + 0.3 * far + 0.35 * near * _gauss(topics, other_topics, _WORD_REACH)


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
