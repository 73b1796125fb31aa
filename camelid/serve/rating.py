"""How much better one model's answers are liked than another's: a rating from votes, with intervals.

Bradley and Terry's model: the chance that i is preferred to j is 1 / (1 + exp(strength_j - strength_i)),
fitted by maximum likelihood with a weak prior, so that who has won every vote has a finite strength. The
intervals are those of the profile likelihood: Wald's would call ten votes of ten undecided.

Sources: Bradley and Terry 1952, "Rank analysis of incomplete block designs", Biometrika 39; Hunter 2004, "MM
algorithms for generalized Bradley-Terry models", Annals of Statistics 32; Venzon and Moolgavkar 1988, "A
method for computing profile-likelihood-based confidence intervals", Applied Statistics 37.
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

Array = NDArray[np.float64]

# The prior: as if each model had drawn so many contests with one of strength 0.
PRIOR_TIES = 0.5
CONFIDENCE = 0.95
_STEPS, _LONGEST_STEP, _CLOSE = 100, 2.0, 1e-10
_SEARCHES, _CLOSE_ROOT = 60, 1e-6  # for an interval's end


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
    _fit: "_Fit"

    def chance(self, model: str, other: str) -> Chance:
        """Return how probable it is that `model`'s answer is preferred to `other`'s, a tie counted half.

        Raises RequestError when there are no votes on one of them.
        """
        for name in (model, other):
            if name not in self._models:
                raise RequestError(f"There are no votes on {name!r}.{suggest(name, self._models)}")
        contrast = np.array([float(name == model) - float(name == other) for name in self._models])
        lead, low, high = self._fit.interval(contrast, self.confidence)
        return Chance(_logistic(lead), _logistic(low), _logistic(high))


def rate(contests: Sequence[Contest], *, confidence: float = CONFIDENCE) -> Rating:
    """Return the rating of all models in `contests`; without any, an empty one.

    confidence: the share of such intervals that hold the truth, between 0 and 1.

    Raises RequestError for a contest of a model with itself, or a score or confidence out of range.
    """
    _check(contests, confidence)
    models = tuple(sorted({name for contest in contests for name in (contest.left, contest.right)}))
    fit = _Fit(_tally(contests, models))
    spread = np.eye(len(models)) - 1 / max(len(models), 1)  # against the mean of all
    standings = [
        Standing(model, *fit.interval(spread[place], confidence), *_count(contests, model))
        for place, model in enumerate(models)
    ]
    ordered = tuple(sorted(standings, key=lambda standing: (-standing.strength, standing.model)))
    return Rating(ordered, confidence, models, fit)


def describe(rating: Rating) -> dict[str, Any]:
    """Return a rating as plain values: the standings, and of every two models how often one is preferred."""
    names = [standing.model for standing in rating.standings]
    pairs = []
    for place, model in enumerate(names):
        for other in names[place + 1 :]:
            pairs.append({"model": model, "other": other, **vars(rating.chance(model, other))})
    standings = [vars(standing) for standing in rating.standings]
    return {"confidence": rating.confidence, "standings": standings, "pairs": pairs}


class _Fit:
    """The likeliest strengths for scores, (models, models): how often the row's was preferred."""

    def __init__(self, scores: Array) -> None:
        self._scores = scores
        self._strengths = self._maximize(np.zeros(len(scores)))
        self._best = self._likelihood(self._strengths)

    def interval(self, contrast: Array, confidence: float) -> tuple[float, float, float]:
        """Return a contrast of the strengths, and the ends of its interval.

        An end is where the likelihood, the other strengths at their likeliest, has fallen by half the square
        of the normal quantile.
        """
        found = float(contrast @ self._strengths)
        quantile = NormalDist().inv_cdf((1 + confidence) / 2)
        return found, self._find_end(contrast, found, -quantile), self._find_end(contrast, found, quantile)

    def _find_end(self, contrast: Array, found: float, quantile: float) -> float:
        """Return where the signed root of the deviance, nearly a straight line, reaches the quantile."""
        goal = abs(quantile)
        inner, at_inner, outer = 0.0, 0.0, math.copysign(1.0, quantile)
        while (at_outer := self._root(contrast, found, outer)) < goal:
            inner, at_inner, outer = outer, at_outer, 2 * outer
        for _ in range(_SEARCHES):
            end = inner + (outer - inner) * (goal - at_inner) / (at_outer - at_inner)
            reached = self._root(contrast, found, end)
            if abs(reached - goal) < _CLOSE_ROOT:
                break
            if reached < goal:
                inner, at_inner = end, reached
            else:
                outer, at_outer = end, reached
        return found + end

    def _root(self, contrast: Array, found: float, margin: float) -> float:
        strengths = self._maximize(self._strengths, contrast, found + margin)
        return math.sqrt(max(2 * (self._best - self._likelihood(strengths)), 0.0))

    def _likelihood(self, strengths: Array) -> float:
        chances = -np.logaddexp(0, strengths[None, :] - strengths[:, None])
        prior = np.logaddexp(0, strengths) + np.logaddexp(0, -strengths)
        return float((self._scores * chances).sum() - PRIOR_TIES / 2 * prior.sum())

    def _maximize(self, start: Array, contrast: Array | None = None, value: float = 0.0) -> Array:
        """Return the likeliest strengths, of those whose contrast has the value if one is given."""
        strengths = start
        contests = self._scores + self._scores.T
        size = len(start)
        for _ in range(_STEPS):
            chances = 1 / (1 + np.exp(strengths[None, :] - strengths[:, None]))
            own = 1 / (1 + np.exp(-strengths))
            gradient = (self._scores - contests * chances).sum(axis=1) + PRIOR_TIES * (0.5 - own)
            weights = contests * chances * chances.T
            system = np.diag(weights.sum(axis=1) + PRIOR_TIES * own * (1 - own)) - weights
            if contrast is not None:
                system = np.block([[system, contrast[:, None]], [contrast[None, :], np.zeros((1, 1))]])
                gradient = np.append(gradient, value - contrast @ strengths)
            step = np.linalg.solve(system, gradient)[:size]
            longest = float(np.abs(step).max(initial=0))
            strengths = strengths + step * min(1.0, _LONGEST_STEP / max(longest, _CLOSE))
            if longest < _CLOSE:
                break
        return strengths


def _check(contests: Sequence[Contest], confidence: float) -> None:
    if not 0 < confidence < 1:
        raise RequestError(f"confidence must be above 0 and below 1; found {confidence}. Usual is 0.95.")
    for contest in contests:
        if contest.left == contest.right:
            raise RequestError(f"A contest is between two models; found {contest.left!r} on both sides.")
        if contest.score not in (0.0, 0.5, 1.0):
            raise RequestError(f"A score is 1, 0.5 or 0; found {contest.score!r}.")


def _tally(contests: Sequence[Contest], models: tuple[str, ...]) -> Array:
    """Return how often the row's model was preferred to the column's."""
    places = {model: place for place, model in enumerate(models)}
    scores = np.zeros((len(models), len(models)))
    for contest in contests:
        left, right = places[contest.left], places[contest.right]
        scores[left, right] += contest.score
        scores[right, left] += 1 - contest.score
    return scores


def _count(contests: Sequence[Contest], model: str) -> tuple[int, int, int]:
    """Return how often a model won, lost and tied."""
    own = [contest.score for contest in contests if contest.left == model]
    own += [1 - contest.score for contest in contests if contest.right == model]
    return own.count(1.0), own.count(0.0), own.count(0.5)


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value))
