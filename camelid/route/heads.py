"""Two calibrated heads on the Alpaca's own reading: what they add to the task table, for either's answer.

Ridge regression of the qualities that the table does not explain, with the strength chosen by leave-one-out,
which for ridge needs no second fit; then one factor per head, so that what it says is right in the mean.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_STRENGTHS = np.geomspace(0.01, 100.0, 13)  # of the penalty, per request and feature of variance 1


@dataclass(frozen=True)
class Heads:
    """Weights (2, P) and offsets (2,) of the Alpaca's and the Llama's head, on features as they come.

    strength: of the penalty that was chosen. factors: by which the heads were scaled to be calibrated, (2,).
    """

    weights: Floats
    offsets: Floats
    strength: float
    factors: Floats

    def predict(self, features: Floats) -> Floats:
        """Return what the heads add for many requests: (N, P) gives (N, 2)."""
        added: Floats = features @ self.weights.T + self.offsets
        return added


def fit_heads(features: Floats, rest: Floats) -> tuple[Heads, Floats]:
    """Return heads, and what they say of each request when it is left out of the fit, (N, 2).

    features: (N, P). rest: (N, 2), qualities less what the table says.
    """
    centre, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    scaled = (features - centre) / spread / np.sqrt(features.shape[1])
    left, sizes, right = np.linalg.svd(scaled, full_matrices=False)
    mean = rest.mean(axis=0)
    inner = left.T @ (rest - mean)
    best: tuple[float, float, Floats] | None = None
    for strength in _STRENGTHS:
        kept = sizes**2 / (sizes**2 + strength)
        said = left @ (kept[:, None] * inner)
        lever = np.minimum((left**2 * kept).sum(axis=1) + 1 / len(rest), 0.999)[:, None]
        out = rest - (rest - mean - said) / (1 - lever)
        wrong = ((out - rest)[:, 1] - (out - rest)[:, 0]) ** 2
        if best is None or wrong.mean() < best[0]:
            best = (float(wrong.mean()), float(strength), out)
    assert best is not None
    _, strength, out = best
    factors = _calibrate(out, rest)
    weights = (right.T @ ((sizes / (sizes**2 + strength))[:, None] * inner)).T
    weights = factors[:, None] * weights / spread / np.sqrt(features.shape[1])
    offsets = mean - weights @ centre
    return Heads(weights, offsets, strength, factors), mean + factors * (out - mean)


def _calibrate(said: Floats, true: Floats) -> Floats:
    """Return the factor for each head by which it is right in the mean, between 0 and 1.

    Platt's scaling (1999) for qualities that are no classes: a line instead of a sigmoid, from what the heads
    say of requests that they were not fitted to.
    """
    away = said - said.mean(axis=0)
    spread = (away**2).sum(axis=0)
    factors: Floats = np.clip(
        (away * (true - true.mean(axis=0))).sum(axis=0) / np.maximum(spread, 1e-12), 0, 1
    )
    return factors
