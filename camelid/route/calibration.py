"""A threshold in the user's units: a share of requests, a latency, or a loss with a confidence.

What cannot be met is an answer, and says how near one can come.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camelid.errors import DataError, RequestError
from camelid.route.curve import draw_curve, threshold_for
from camelid.route.evidence import Evidence
from camelid.route.features import Recognizer
from camelid.route.guarantee import ASSUMED, THEOREM, check_wish, keep_promise, lose, num_needed
from camelid.route.learning import Contest, contest, decide_all, learn, make_router
from camelid.route.router import Router

Floats = NDArray[np.float64]

_SHARES = np.linspace(1, 0, 41)  # candidates of a promise, from the strictest
_LADDER = (0.005, 0.01, 0.02, 0.05, 0.1)  # losses that a promise is looked for besides the one that is wished


@dataclass(frozen=True)
class Target:
    """What is wished; exactly one of share, p95_s and max_loss is given.

    share: of requests that the Llama answers. p95_s: seconds that 95 of 100 answers take at most.
    max_loss, confidence: mean quality lost against always asking the Llama, and how surely not more.
    """

    share: float | None = None
    p95_s: float | None = None
    max_loss: float | None = None
    confidence: float = 0.9

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises RequestError for one out of its range, and unless there is one wish.
        """
        given = [value for value in (self.share, self.p95_s, self.max_loss) if value is not None]
        if len(given) != 1:
            raise RequestError(
                f"Wish for one thing: a share, a latency or a largest loss; found {len(given)}. "
                "Give one of --llama-share, --p95-latency-ms and --max-quality-loss."
            )
        if self.share is not None and not 0 <= self.share <= 1:
            raise RequestError(f"The Llama's share must lie between 0 and 1; found {self.share}. Try 0.3.")
        if self.p95_s is not None and not self.p95_s > 0:
            raise RequestError(f"The latency must be above 0; found {1000 * self.p95_s:g} ms. Try 80.")
        if self.max_loss is not None:
            check_wish(self.max_loss, self.confidence)

    def __str__(self) -> str:
        if self.share is not None:
            return f"the Llama answers {self.share:.0%} of the requests"
        if self.p95_s is not None:
            return f"95 of 100 answers take at most {1000 * self.p95_s:g} ms"
        return (
            f"at most {self.max_loss:g} of quality lost against always asking the Llama, with confidence "
            f"{self.confidence:g}"
        )


@dataclass(frozen=True)
class Point:
    """What a threshold comes to on labelled requests: means, and times of one request at a time."""

    share: float
    quality: float
    mean_s: float
    p95_s: float

    def to_dict(self) -> dict[str, float]:
        """Return plain values."""
        return dict(vars(self))


@dataclass(frozen=True)
class Calibration:
    """What calibrating found.

    router: None where the target cannot be met. contest: learned against table. judged: the requests that
        curves and points are of, and gains, what the kept router found in them, (N,).
    met: whether the target is; answer: that in words. point: where the router stands; the constants beside.
    """

    target: Target
    router: Router | None
    contest: Contest
    judged: Evidence
    gains: Floats
    met: bool
    answer: str
    point: Point
    promise: dict[str, Any] | None = None

    @property
    def scores(self) -> dict[str, Floats]:
        """Return what each way to choose ranks requests by; the oracle knows both qualities."""
        alpaca, llama = self.judged.qualities.T
        return (
            {**self.contest.gains, "oracle": llama - alpaca} if len(self.contest.kept) == len(alpaca) else {}
        )

    def summary(self) -> dict[str, Any]:
        """Return plain values: the points, the curves and their areas, and how the contest ended."""
        alpaca, llama = self.judged.qualities.T
        curves = {name: draw_curve(scores, alpaca, llama) for name, scores in self.scores.items()}
        return {
            "target": str(self.target),
            "met": self.met,
            "answer": self.answer,
            "kept": "learned" if self.contest.learned else "table",
            "ahead": self.contest.ahead,
            "surely": self.contest.surely,
            "labels": self.judged.source,
            "requests": len(self.judged),
            "point": self.point.to_dict(),
            "always_alpaca": measure(self.judged, np.zeros(len(alpaca), bool)).to_dict(),
            "always_llama": measure(self.judged, np.ones(len(alpaca), bool)).to_dict(),
            "areas": {name: curve.area for name, curve in curves.items()}
            | {"random": float((alpaca.mean() + llama.mean()) / 2)},
            "curves": {name: curve.points() for name, curve in curves.items()},
            "promise": self.promise,
            "promises": self.promise["others"] if self.promise else [],
        }


def calibrate(evidence: Evidence, target: Target, known: Recognizer | None = None) -> Calibration:
    """Return a router for the target, or that it cannot be met.

    known: a recogniser of kinds to use, where the labels say nothing of them.

    Raises DataError when there are too few labelled requests.
    """
    if len(evidence) < 20:
        raise DataError(
            f"Calibrating needs at least 20 labelled requests; found {len(evidence)}. Hold out more records "
            "when you train, or collect more votes."
        )
    if target.max_loss is not None:
        return _promise(evidence, target, known)
    judged = contest(evidence, known)
    answer, threshold = (_share if target.share is not None else _hurry)(evidence, judged.kept, target)
    asked = judged.kept > threshold
    router = None
    if answer is None:
        learnt = learn(evidence, known)
        router = make_router(learnt, evidence, learned=judged.learned, threshold=threshold)
    return Calibration(
        target,
        router,
        judged,
        evidence,
        judged.kept,
        answer is None,
        answer or f"Met: {_say_point(measure(evidence, asked))}.",
        measure(evidence, asked),
    )


def measure(evidence: Evidence, asked: NDArray[np.bool_]) -> Point:
    """Return what comes of asking the Llama these requests: it answers after the Alpaca has read them."""
    quality = np.where(asked, evidence.qualities[:, 1], evidence.qualities[:, 0])
    seconds = route_seconds(evidence, asked)
    return Point(
        float(asked.mean()), float(quality.mean()), float(seconds.mean()), float(np.percentile(seconds, 95))
    )


def route_seconds(evidence: Evidence, asked: NDArray[np.bool_]) -> Floats:
    """Return how long each answer takes; the Alpaca's first token comes before the Llama is asked.

    If all go to the Llama, no Alpaca is needed.
    """
    first = 0.0 if asked.all() else evidence.first_s
    seconds: Floats = np.where(asked, first + evidence.seconds[:, 1], evidence.seconds[:, 0])
    return seconds


def _share(evidence: Evidence, gains: Floats, target: Target) -> tuple[str | None, float]:
    """Return no refusal, and the threshold: a share can always be met."""
    assert target.share is not None
    return None, threshold_for(gains, target.share)


def _hurry(evidence: Evidence, gains: Floats, target: Target) -> tuple[str | None, float]:
    """Return why a latency cannot be met, or None; and of the thresholds that meet it the best one."""
    assert target.p95_s is not None
    if not evidence.seconds.any():
        raise DataError(
            "Votes say nothing of times, so no latency can be aimed at. Wish for a --llama-share."
        )
    points = []
    for share in _SHARES:
        threshold = threshold_for(gains, float(share))
        points.append((threshold, measure(evidence, gains > threshold)))
    fitting = [(point.quality, threshold) for threshold, point in points if point.p95_s <= target.p95_s]
    if fitting:
        return None, max(fitting)[1]
    threshold, nearest = min(points, key=lambda each: each[1].p95_s)
    return (
        f"Cannot be met: the nearest is {1000 * nearest.p95_s:.1f} ms, with the Llama answering "
        f"{nearest.share:.0%} of the requests. Allow more time, or raise a smaller pair."
    ), threshold


def _promise(evidence: Evidence, target: Target, known: Recognizer | None) -> Calibration:
    """Return a router with a guarantee: fitted to half of the labels, tested on the others."""
    assert target.max_loss is not None
    half = len(evidence) // 2
    needed = num_needed(target.max_loss, target.confidence)
    if len(evidence) - half < needed:
        raise DataError(
            f"A loss of at most {target.max_loss:g} with confidence {target.confidence:g} needs at least "
            f"{2 * needed} labelled requests, half of them to judge by; found {len(evidence)}. Hold out more "
            "records, or allow a larger loss or a lower confidence."
        )
    fitted, judged = evidence.take(np.arange(half)), evidence.take(np.arange(half, len(evidence)))
    inner = contest(fitted, known)
    learnt = learn(fitted, known)
    cuts = [threshold_for(inner.kept, float(share)) for share in _SHARES]
    router = make_router(learnt, evidence, learned=inner.learned, threshold=-math.inf)
    gains = decide_all(router, judged)
    routed = np.where(gains[:, None] > np.array(cuts), judged.qualities[:, 1:], judged.qualities[:, :1])
    losses = lose(judged.qualities[:, 1], routed)
    promise = keep_promise(losses, max_loss=target.max_loss, confidence=target.confidence)
    place = promise.place or 0
    met = cuts[place] > -math.inf
    asked = gains > cuts[place]
    point = measure(judged, asked)
    found = learnt.predict(judged)
    shown = Contest(inner.ahead, inner.surely, inner.learned, found)
    answer = f"Met: {_say_point(point)}." if met else _say_unmet(losses, target)
    told = {
        "max_loss": target.max_loss,
        "confidence": target.confidence,
        "bound": promise.bound,
        "tested_on": len(judged),
        "loss": float(losses[:, place].mean()),
        "p_value": promise.p_values[place],
        "theorem": THEOREM,
        "assumed": ASSUMED,
        "others": _look_further(losses, cuts, target),
    }
    chosen = router.at(cuts[place]) if met else None
    return Calibration(target, chosen, shown, judged, gains, met, answer, point, told)


def _look_further(losses: Floats, cuts: list[float], target: Target) -> list[dict[str, float]]:
    """Return for other losses, too, the threshold that keeps them; each promise holds for itself."""
    found = []
    for loss in _LADDER:
        if len(losses) >= num_needed(loss, target.confidence):
            place = keep_promise(losses, max_loss=loss, confidence=target.confidence).place or 0
            if cuts[place] > -math.inf:
                found.append({"max_loss": loss, "threshold": cuts[place]})
    return found


def _say_unmet(losses: Floats, target: Target) -> str:
    means = losses.mean(axis=0)
    step = next((place for place in range(1, len(means)) if means[place] != 0), len(means) - 1)
    return (
        f"Cannot be met with any help of the Alpaca: already with the Llama answering {_SHARES[step]:.0%} of "
        f"the requests {means[step]:.3f} is lost in the mean, which cannot be shown to stay below "
        f"{target.max_loss:g} with confidence {target.confidence:g}. Allow a larger loss, hold out more "
        "records, or ask for the Llama by name."
    )


def _say_point(point: Point) -> str:
    said = f"the Llama answers {point.share:.1%} of the requests, the mean quality is {point.quality:.3f}"
    if not point.mean_s:
        return said
    return (
        f"{said}, an answer takes {1000 * point.mean_s:.1f} ms in the mean, and 95 of 100 at most "
        f"{1000 * point.p95_s:.1f} ms"
    )
