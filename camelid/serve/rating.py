"""How much better one model's answers are liked than another's: a rating from votes, with intervals.

Bradley and Terry's model: the chance that i is preferred to j is 1 / (1 + exp(strength_j - strength_i)),
fitted by maximum likelihood with a weak prior, so that who has won every vote has a finite strength.

Sources: Bradley and Terry 1952, "Rank analysis of incomplete block designs", Biometrika 39; Hunter 2004, "MM
algorithms for generalized Bradley-Terry models", Annals of Statistics 32; Agresti 2013, "Categorical Data
Analysis", section 11.6 (as a logistic regression, with Wald's intervals).
Differs: a tie is half a win for each, which makes the intervals a little wider than they need be.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camelid.errors import RequestError, suggest

# The prior: as if each model had drawn so many contests with one of strength 0.
PRIOR_TIES = 0.5
CONFIDENCE = 0.95
_STEPS, _LONGEST_STEP, _CLOSE = 100, 2.0, 1e-10


@dataclass(frozen=True)
class Contest:
    """Two models that were compared once; `score` is the left one's: 1 won, 0.5 tied, 0 lost."""

    left: str
    right: str
    score: float


@dataclass(frozen=True)
class Standing:
    """One model among those compared.

    strength: in nats, their mean is 0; low, high: the ends of its interval.
    """

    model: str
    strength: float
    low: float
    high: float
    wins: int
    losses: int
    ties: int


@dataclass(frozen=True)
class Chance:
    """How probable it is that one model's answer is preferred to another's; low, high: its interval."""

    chance: float
    low: float
    high: float


@dataclass(frozen=True)
class Rating:
    """What the votes say, the strongest model first.

    covers: votes that were cast independently of each other. does not cover: one voter who votes the same
    way again and again; the intervals are then too narrow.
    """

    standings: tuple[Standing, ...]
    confidence: float
    _models: tuple[str, ...]
    _strengths: NDArray[np.float64]
    _covariance: NDArray[np.float64]

    def chance(self, model: str, other: str) -> Chance:
        """Return how probable it is that `model`'s answer is preferred to `other`'s, a tie counted half.

        Raises RequestError when there are no votes on one of them.
        """
        for name in (model, other):
            if name not in self._models:
                raise RequestError(f"There are no votes on {name!r}.{suggest(name, self._models)}")
        contrast = _one_hot(self._models, model) - _one_hot(self._models, other)
        lead = float(contrast @ self._strengths)
        margin = self._margin(contrast)
        return Chance(_logistic(lead), _logistic(lead - margin), _logistic(lead + margin))

    def _margin(self, contrast: NDArray[np.float64]) -> float:
        return _margin(contrast, self._covariance, self.confidence)


def rate(contests: Sequence[Contest], *, confidence: float = CONFIDENCE) -> Rating:
    """Return the rating of all models in `contests`; without any, an empty one.

    confidence: the share of such intervals that hold the truth, between 0 and 1.

    Raises RequestError for a contest of a model with itself, or a score or confidence out of range.
    """
    _check(contests, confidence)
    models = tuple(sorted({name for contest in contests for name in (contest.left, contest.right)}))
    scores = _tally(contests, models)
    strengths, information = _fit(scores)
    covariance = np.asarray(np.linalg.inv(information), dtype=np.float64)
    spread = np.eye(len(models)) - 1 / max(len(models), 1)  # against the mean of all
    standings = []
    for place, model in enumerate(models):
        strength = float(spread[place] @ strengths)
        margin = _margin(spread[place], covariance, confidence)
        counts = _count(contests, model)
        standings.append(Standing(model, strength, strength - margin, strength + margin, *counts))
    ordered = tuple(sorted(standings, key=lambda standing: (-standing.strength, standing.model)))
    return Rating(ordered, confidence, models, strengths, covariance)


def describe(rating: Rating) -> dict[str, Any]:
    """Return a rating as plain values: the standings, and of every two models how often one is preferred."""
    names = [standing.model for standing in rating.standings]
    pairs = []
    for place, model in enumerate(names):
        for other in names[place + 1 :]:
            pairs.append({"model": model, "other": other, **vars(rating.chance(model, other))})
    standings = [vars(standing) for standing in rating.standings]
    return {"confidence": rating.confidence, "standings": standings, "pairs": pairs}


def _check(contests: Sequence[Contest], confidence: float) -> None:
    if not 0 < confidence < 1:
        raise RequestError(f"confidence must be above 0 and below 1; found {confidence}. Usual is 0.95.")
    for contest in contests:
        if contest.left == contest.right:
            raise RequestError(f"A contest is between two models; found {contest.left!r} on both sides.")
        if contest.score not in (0.0, 0.5, 1.0):
            raise RequestError(f"A score is 1, 0.5 or 0; found {contest.score!r}.")


def _tally(contests: Sequence[Contest], models: tuple[str, ...]) -> NDArray[np.float64]:
    """Return how often the row's model was preferred to the column's."""
    places = {model: place for place, model in enumerate(models)}
    scores = np.zeros((len(models), len(models)))
    for contest in contests:
        left, right = places[contest.left], places[contest.right]
        scores[left, right] += contest.score
        scores[right, left] += 1 - contest.score
    return scores


def _fit(scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the likeliest strengths, and the information there is on them: Newton's steps, held short."""
    strengths = np.zeros(len(scores))
    information = np.eye(len(scores))
    contests = scores + scores.T
    for _ in range(_STEPS):
        chances = 1 / (1 + np.exp(strengths[None, :] - strengths[:, None]))
        own = 1 / (1 + np.exp(-strengths))
        gradient = (scores - contests * chances).sum(axis=1) + PRIOR_TIES * (0.5 - own)
        weights = contests * chances * chances.T
        information = np.diag(weights.sum(axis=1) + PRIOR_TIES * own * (1 - own)) - weights
        step = np.linalg.solve(information, gradient)
        strengths = strengths + step * min(
            1.0, _LONGEST_STEP / max(float(np.abs(step).max(initial=0)), 1e-300)
        )
        if np.abs(step).max(initial=0) < _CLOSE:
            break
    return strengths, information


def _count(contests: Sequence[Contest], model: str) -> tuple[int, int, int]:
    """Return how often a model won, lost and tied."""
    own = [contest.score for contest in contests if contest.left == model]
    own += [1 - contest.score for contest in contests if contest.right == model]
    return own.count(1.0), own.count(0.0), own.count(0.5)


def _margin(contrast: NDArray[np.float64], covariance: NDArray[np.float64], confidence: float) -> float:
    quantile = NormalDist().inv_cdf((1 + confidence) / 2)
    return quantile * math.sqrt(max(float(contrast @ covariance @ contrast), 0.0))


def _one_hot(models: tuple[str, ...], model: str) -> NDArray[np.float64]:
    return np.array([float(name == model) for name in models])


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value))
