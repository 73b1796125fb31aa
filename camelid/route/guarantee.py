"""A threshold with a promise: "at most so much quality lost, with this confidence", without assuming a shape.

Theorem (Angelopoulos, Bates, Candès, Jordan and Lei 2021, "Learn then Test", arXiv:2110.01052, theorem 1,
with fixed sequence testing). Let candidates be in an order fixed before the labels are seen, and p_j a valid
p-value of the hypothesis "candidate j loses `max_loss` or more in the mean". Accept candidates one after the
other as long as p_j <= 1 - confidence. Then, with a probability of at least `confidence` over the draw of the
labelled requests, every accepted candidate loses less than `max_loss`.

Assumes: the labelled requests and those to come are independent draws from one distribution; the predictions
and the candidates were made without these labels; losses lie in [-1, 1]. Covers the mean loss over requests.
Does not cover a single request, a single task, or traffic that has become another.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camelid.errors import DataError, RequestError

Floats = NDArray[np.float64]

THEOREM = (  # the docstring above, for those who read the output only
    "The theorem: Learn then Test (Angelopoulos et al. 2021, theorem 1) with fixed sequence testing: over "
    "the draw of the labelled requests, what was accepted loses less than promised, with that confidence."
)
ASSUMED = (
    "It assumes that these requests and those to come are independent draws from one distribution, and that "
    "what was tested was made without their labels. It covers the mean over requests; not a single request, "
    "a single task, or traffic that has become another."
)

_STAKES = np.concatenate([np.geomspace(0.004, 0.5, 15), [0.7, 0.9, 0.97]])  # shares of the largest stake


@dataclass(frozen=True)
class Promise:
    """What testing a row of candidates gave.

    place: of the last accepted candidate; None when none was, which is an answer: it cannot be met.
    p_values: of the candidates that were tested, the first refused one included.
    bound: which p-value: "exact binomial" or "betting".
    """

    place: int | None
    p_values: tuple[float, ...]
    bound: str


def keep_promise(losses: Floats, *, max_loss: float, confidence: float) -> Promise:
    """Return the last of a row of candidates that loses less than `max_loss`, with this confidence.

    losses: (N, J), what each labelled request loses under each candidate, in [-1, 1]; candidates from the
        strictest, which loses least, to the most permissive.

    Raises RequestError for a number out of its range, DataError when there are too few requests for any
    candidate to pass, however well it did.
    """
    check_wish(max_loss, confidence)
    needed = num_needed(max_loss, confidence)
    if len(losses) < needed:
        raise DataError(
            f"A loss of at most {max_loss:g} with confidence {confidence:g} needs at least {needed} labelled "
            f"requests to judge by; found {len(losses)}. Add held-out records, or allow a larger loss or a "
            "lower confidence."
        )
    if np.abs(losses).max(initial=0) > 1:
        raise DataError("Losses must lie between -1 and 1. Scale the qualities to lie between 0 and 1.")
    binary = bool(np.isin(losses, (0, 1)).all())
    p_values: list[float] = []
    for column in losses.T:
        p_values.append(
            binomial_p(int(column.sum()), len(column), max_loss) if binary else betting_p(column, max_loss)
        )
        if p_values[-1] > 1 - confidence:
            break
    accepted = sum(1 for p in p_values if p <= 1 - confidence)
    bound = "exact binomial" if binary else "betting"
    return Promise(accepted - 1 if accepted else None, tuple(p_values), bound)


def check_wish(max_loss: float, confidence: float) -> None:
    """Check what is asked for.

    Raises RequestError for a number out of its range.
    """
    if not 0 < max_loss < 1:
        raise RequestError(f"The largest loss must lie between 0 and 1; found {max_loss}. Try 0.02.")
    if not 0.5 <= confidence < 1:
        raise RequestError(f"The confidence must be at least 0.5 and below 1; found {confidence}. Try 0.9.")


def num_needed(max_loss: float, confidence: float) -> int:
    """Return how many requests without any loss it takes for a candidate to pass."""
    return math.ceil(math.log(1 - confidence) / math.log1p(-max_loss))


def binomial_p(num_lost: int, num: int, max_loss: float) -> float:
    """Return the probability of so few losses if each request were lost with probability `max_loss`.

    Exact for losses of 0 or 1; the p-value that belongs to the upper bound of Clopper and Pearson 1934.
    """
    logs = [
        math.lgamma(num + 1)
        - math.lgamma(k + 1)
        - math.lgamma(num - k + 1)
        + k * math.log(max_loss)
        + (num - k) * math.log1p(-max_loss)
        for k in range(num_lost + 1)
    ]
    top = max(logs)
    return min(1.0, math.exp(top) * math.fsum(math.exp(log - top) for log in logs))


def betting_p(losses: Floats, max_loss: float) -> float:
    """Return a p-value of "the mean loss is `max_loss` or more", for losses in [-1, 1].

    The reciprocal of what bets on smaller losses have won, the mean over a fixed set of stakes. Under the
    hypothesis no bet wins in the mean, so by Markov's inequality this is a p-value; it adapts to the spread
    of the losses, and does not depend on their order.

    Source: Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting",
    arXiv:2010.09686, section 4. Differs: stakes are mixed, not chosen as one goes, so that order is nothing.
    """
    gains = max_loss - np.asarray(losses, np.float64)
    largest = 1 / (1 - max_loss)  # the stake that a loss of 1 would take whole
    logs = np.log1p(np.outer(_STAKES * largest, gains)).sum(axis=1)
    top = float(logs.max())
    wealth_log = top + math.log(float(np.exp(logs - top).mean()))
    return min(1.0, math.exp(-min(wealth_log, 700.0)) if wealth_log > 0 else 1.0)


def clopper_pearson(num_lost: int, num: int, confidence: float) -> float:
    """Return the upper bound that a rate stays below with this confidence, after `num_lost` of `num`.

    Source: Clopper and Pearson 1934, Biometrika 26; one-sided.
    """
    if num_lost >= num:
        return 1.0
    low, high = num_lost / num, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if middle <= 0 or binomial_p(num_lost, num, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def lose(llama: Floats, routed: Floats, *, net: bool = True) -> Floats:
    """Return what each request loses against always asking the Llama, (N, J).

    llama: (N,) qualities of the Llama's answers; routed: (N, J), of those that each candidate gives.
    net: what the Alpaca does better counts against what it does worse, so the loss is that of the mean
        quality; else only what it does worse counts, which promises more and is met less often.
    """
    differences: Floats = llama[:, None] - routed
    return differences if net else np.maximum(differences, 0)
