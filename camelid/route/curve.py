"""The deferral curve: the mean quality against the share of requests that the Llama answers.

Beside a router's stand always the constants, the random mix and the oracle, which knows both qualities.

Source: Gupta et al. 2024, arXiv:2404.10136 (the curve and its area); Ong et al. 2024, arXiv:2406.18665 (APGR,
CPT). Differs: the area is over every request, not over ten thresholds, and CPT is the first crossing of a
curve that may go down again, not an interpolation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Mean qualities, (N + 1,), with the Llama answering 0, 1, … N requests, the largest scores first."""

    qualities: Floats

    @property
    def area(self) -> float:
        """Return the mean quality over all shares."""
        return float((self.qualities[:-1] + self.qualities[1:]).mean() / 2)

    @property
    def recovered(self) -> float:
        """Return the average performance gap recovered: the area, 0 at always-Alpaca and 1 at always-Llama.

        A random mix has 0.5. NaN where both are equally good.
        """
        weak, strong = float(self.qualities[0]), float(self.qualities[-1])
        return (self.area - weak) / (strong - weak) if strong != weak else float("nan")

    def at(self, share: float) -> float:
        """Return the quality at a share of requests."""
        places = np.linspace(0, 1, len(self.qualities))
        return float(np.interp(share, places, self.qualities))

    def share_for(self, part: float) -> float:
        """Return the least share that recovers a part of the gap, CPT; 1 where none does."""
        weak, strong = self.qualities[0], self.qualities[-1]
        wished = weak + part * (strong - weak)
        reached = self.qualities >= wished if strong >= weak else self.qualities <= wished
        return float(np.argmax(reached) / (len(self.qualities) - 1)) if reached.any() else 1.0

    def points(self, num: int = 21) -> list[tuple[float, float]]:
        """Return (share, quality) at evenly spaced shares."""
        return [(float(share), self.at(float(share))) for share in np.linspace(0, 1, num)]


def draw_curve(scores: Floats, alpaca: Floats, llama: Floats) -> Curve:
    """Return the curve of scores, (N,): the larger, the sooner the Llama is asked.

    Requests of the same score count in the mean of all orders, so ties bring neither luck nor misfortune.
    """
    order = np.argsort(-scores, kind="stable")
    gains, ranked = (llama - alpaca)[order], scores[order]
    _, starts, counts = np.unique(-ranked, return_index=True, return_counts=True)
    evened = np.repeat(np.add.reduceat(gains, starts) / counts, counts)
    return Curve(float(alpaca.mean()) + np.concatenate([[0.0], np.cumsum(evened)]) / len(scores))


def compare_areas(
    first: Floats, second: Floats, alpaca: Floats, llama: Floats, *, draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Return by how much the area of the first scores exceeds that of the second, and how surely it does.

    The second number is the share of bootstrap draws of the requests, the same for both, in which it does.
    """
    difference = draw_curve(first, alpaca, llama).area - draw_curve(second, alpaca, llama).area
    generator = np.random.default_rng(seed)
    ahead = 0
    for _ in range(draws):
        rows = generator.integers(0, len(first), len(first))
        one = draw_curve(first[rows], alpaca[rows], llama[rows]).area
        ahead += one > draw_curve(second[rows], alpaca[rows], llama[rows]).area
    return difference, ahead / draws


def apgr(scores: Floats, alpaca: Floats, llama: Floats, *, bins: int = 10) -> float:
    """Return the average performance gap recovered as RouteLLM computes it: over thresholds at ten quantiles.

    Source: lm-sys/RouteLLM, routellm/evals/evaluate.py; both ends are part of the curve.
    """
    thresholds = np.unique(np.quantile(scores, np.linspace(0, 1, bins + 1)))[::-1]
    weak, strong = float(alpaca.mean()), float(llama.mean())
    shares, means = [0.0], [weak]
    for threshold in thresholds:
        asked = scores >= threshold
        shares.append(float(asked.mean()))
        means.append(float(np.where(asked, llama, alpaca).mean()))
    area = sum(
        (shares[place + 1] - shares[place]) * (means[place] + means[place + 1]) / 2
        for place in range(len(shares) - 1)
    )
    return (area - weak) / (strong - weak)


def threshold_for(gains: Sequence[float] | Floats, share: float) -> float:
    """Return the threshold above which at most this share of gains lies; a larger share has no higher one."""
    ranked = np.sort(np.asarray(gains, np.float64))[::-1]
    num = int(np.floor(share * len(ranked) + 1e-9))
    if num >= len(ranked):
        return -np.inf
    return float(ranked[num])
