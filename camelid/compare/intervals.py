"""How sure a figure is: intervals of one model's figure, and of the difference of two on the same items.

Right or wrong: Wilson's interval; of paired shares Bonett and Price's, and McNemar's exact test. Everything
else: a paired bootstrap over items, of sums rather than of means, so that BLEU and its like are drawn as
whole sets. Its percentiles are widened for small sets. What they cover: benchmarks/interval_coverage.py.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Pool = Callable[[Floats], Floats]

CONFIDENCE = 0.95
RESAMPLES = 2000

_NORMAL = NormalDist()
_ROWS_AT_ONCE = 500  # resamples whose weights are in memory together


@dataclass(frozen=True)
class Figure:
    """A value, and between what it lies with the confidence that was asked for; NaN where nobody can say."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """By how much the first exceeds the second on the same items.

    p: how likely a difference at least so large is where there is none; two-sided.
    """

    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Pairing:
    """Both figures and their difference. test: what tells the difference, in words."""

    first: Figure
    second: Figure
    difference: Difference
    test: str


def pair_shares(
    first: Sequence[bool] | NDArray[np.bool_],
    second: Sequence[bool] | NDArray[np.bool_],
    *,
    confidence: float = CONFIDENCE,
) -> Pairing:
    """Return how two compare who were right or wrong on the same items.

    Source: Wilson 1927; McNemar 1947, exact as in Fay 2010 (R Journal 2/1); Bonett & Price 2012
    (J. Educ. Behav. Stat. 37), the adjusted Wald interval.
    """
    one, two = np.asarray(first, bool), np.asarray(second, bool)
    n = len(one)
    only_first, only_second = int((one & ~two).sum()), int((two & ~one).sum())
    difference = Difference(
        (only_first - only_second) / n if n else math.nan,
        *_bonett_price(only_first, only_second, n, confidence),
        mcnemar(only_first, only_second),
    )
    figures = (wilson(int(one.sum()), n, confidence), wilson(int(two.sum()), n, confidence))
    return Pairing(*figures, difference, "McNemar's exact test")


def pair_sums(
    first: Floats,
    second: Floats,
    pool: Pool,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Pairing:
    """Return how two compare whose items' rows, (N, K), are summed and pooled into a figure.

    The same items are drawn for both. Of fewer than two items, or of none that count, there are no intervals.

    Source: Koehn 2004 (W04-3250), the paired bootstrap; Hesterberg 2015, arXiv:1411.5279, section 4.3, the
    expanded percentile interval; the p-value is that of the bootstrap moved to no difference.
    """
    values = [float(pool(total(rows))[0]) for rows in (first, second)]
    value = values[0] - values[1]
    n = len(first)
    if n < 2 or math.isnan(value):
        nothing = (math.nan, math.nan)
        one, two = (Figure(each, *nothing) for each in values)
        return Pairing(one, two, Difference(value, *nothing, 1.0), "paired bootstrap")
    drawn = _draw((first, second), pool, resamples, seed)
    spans = [_span(figures, n, confidence) for figures in (*drawn, drawn[0] - drawn[1])]
    moved = np.abs(drawn[0] - drawn[1] - value) * math.sqrt(n / (n - 1))
    reached = int((~(moved < abs(value) - 1e-12)).sum())  # what cannot be told speaks for no difference
    difference = Difference(value, *spans[2], (1 + reached) / (1 + resamples))
    return Pairing(Figure(values[0], *spans[0]), Figure(values[1], *spans[1]), difference, "paired bootstrap")


def total(rows: Floats) -> Floats:
    """Return the sums of the columns, (1, K), each rounded once: a mean is exact to the last digit."""
    return np.array([[math.fsum(column) for column in rows.T]])


def wilson(right: int, n: int, confidence: float = CONFIDENCE) -> Figure:
    """Return a share with Wilson's interval; NaN of none."""
    if not n:
        return Figure(math.nan, math.nan, math.nan)
    z = _NORMAL.inv_cdf((1 + confidence) / 2)
    share = right / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Figure(share, max(0.0, centre - half), min(1.0, centre + half))


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided probability of so uneven a split of the items that only one got right."""
    n, least = only_first + only_second, min(only_first, only_second)
    if only_first == only_second:
        return 1.0
    ways = tail = 1
    for k in range(least):
        ways = ways * (n - k) // (k + 1)
        tail += ways
    return min(1.0, float(Fraction(2 * tail, 2**n)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for being so many, so that the chance of any false alarm stays the same.

    Source: Holm 1979, Scand. J. Statist. 6.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, least = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = least
    return adjusted


def _bonett_price(only_first: int, only_second: int, n: int, confidence: float) -> tuple[float, float]:
    if not n:
        return math.nan, math.nan
    z = _NORMAL.inv_cdf((1 + confidence) / 2)
    one, two = (only_first + 1) / (n + 2), (only_second + 1) / (n + 2)
    half = z * math.sqrt((one + two - (one - two) ** 2) / (n + 2))
    return max(-1.0, one - two - half), min(1.0, one - two + half)


def _draw(sets: Sequence[Floats], pool: Pool, resamples: int, seed: int) -> list[Floats]:
    """Return for each set its figure on items that are drawn anew, the same for all sets."""
    generator = np.random.default_rng(seed)
    n = len(sets[0])
    drawn: list[list[Floats]] = [[] for _ in sets]
    for begun in range(0, resamples, _ROWS_AT_ONCE):
        size = min(_ROWS_AT_ONCE, resamples - begun)
        weights = generator.multinomial(n, np.full(n, 1 / n), size=size).astype(np.float64)
        for figures, rows in zip(drawn, sets, strict=True):
            figures.append(pool(weights @ rows))
    return [np.concatenate(figures) for figures in drawn]


def _span(figures: Floats, n: int, confidence: float) -> tuple[float, float]:
    """Return the percentiles of bootstrapped figures that make up an interval, widened for a small set."""
    reach = _student((1 + confidence) / 2, n - 1) * math.sqrt(n / (n - 1))
    known = figures[~np.isnan(figures)]
    if not len(known):
        return math.nan, math.nan
    low, high = np.quantile(known, [_NORMAL.cdf(-reach), _NORMAL.cdf(reach)])
    return float(low), float(high)


def _student(probability: float, freedom: int) -> float:
    """Return a quantile of Student's t, by its expansion in the normal one.

    Source: Abramowitz & Stegun 1964, 26.7.5.
    """
    z = _NORMAL.inv_cdf(probability)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return float(z + sum(term / freedom**power for power, term in enumerate(terms, 1)))
