"""Advice: which model, in which weight type and at which dial, meets a user's limits on a task.

Covers what was measured here, on this machine and these items. Does not cover many requests at once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from camelid.errors import RequestError

_SURE = 1.64  # standard errors of a paired difference: what is less is no detectable difference


@dataclass(frozen=True)
class Option:
    """One way to answer a task, measured.

    role: "llama" or "alpaca". weights: what they are packed in. dial: below 1 the Alpaca's guesses pass more
        easily. qualities: of each item, from 0 to 1, in the same order for all options. seconds: of whole
        answers, one request at a time. memory_bytes: the most that the process takes. timed_by: who measured
        times and memory, and when.
    """

    role: str
    weights: str
    dial: float
    qualities: tuple[float, ...]
    seconds: tuple[float, ...]
    memory_bytes: int
    timed_by: str = ""

    @property
    def name(self) -> str:
        """Return what the option is called."""
        dial = f", dial {self.dial:g}" if self.dial != 1 else ""
        return f"{self.role.capitalize()}, {self.weights}{dial}"

    @property
    def quality(self) -> float:
        """Return the mean quality."""
        return float(np.mean(self.qualities))

    @property
    def margin(self) -> float:
        """Return half the width of the 95 % interval of the mean quality."""
        num = len(self.qualities)
        return 1.96 * float(np.std(self.qualities, ddof=1)) / math.sqrt(num) if num > 1 else 0.5

    @property
    def mean_s(self) -> float:
        """Return the mean time of an answer, in seconds."""
        return float(np.mean(self.seconds))

    @property
    def p95_s(self) -> float:
        """Return the time that 95 of 100 answers take at most, in seconds."""
        return float(np.percentile(self.seconds, 95))

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return {
            "name": self.name,
            "model": self.role,
            "weights": self.weights,
            "dial": self.dial,
            "quality": self.quality,
            "quality_margin": self.margin,
            "items": len(self.qualities),
            "mean_ms": 1000 * self.mean_s,
            "p95_ms": 1000 * self.p95_s,
            "memory_mb": self.memory_bytes / 1e6,
            "timed_by": self.timed_by,
        }


@dataclass(frozen=True)
class Limits:
    """What an answer may take, and what it must be worth; None is no limit.

    latency_s: that 95 of 100 answers stay within. memory_bytes: of the process. quality: the mean, 0 to 1.
    second_costs: how much quality a second is worth.
    """

    latency_s: float | None = None
    memory_bytes: float | None = None
    quality: float | None = None
    second_costs: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises RequestError for one out of its range.
        """
        for name, value in (("--max-latency-ms", self.latency_s), ("--max-memory-mb", self.memory_bytes)):
            if value is not None and not value > 0:
                raise RequestError(f"{name} must be above 0; found {value:g}. Leave it out for no limit.")
        if self.quality is not None and not 0 <= self.quality <= 1:
            raise RequestError(f"--min-quality must lie between 0 and 1; found {self.quality:g}.")
        if not self.second_costs >= 0:
            raise RequestError(f"--second-costs must be 0 or more; found {self.second_costs:g}.")

    def missed(self, option: Option) -> dict[str, float]:
        """Return by which part of each limit an option misses it; nothing where it meets all."""
        parts = {
            "latency": option.p95_s / self.latency_s - 1 if self.latency_s else 0.0,
            "memory": option.memory_bytes / self.memory_bytes - 1 if self.memory_bytes else 0.0,
            "quality": 1 - option.quality / self.quality if self.quality else 0.0,
        }
        return {name: part for name, part in parts.items() if part > 1e-9}

    def worth(self, option: Option, second_costs: float | None = None) -> float:
        """Return the mean quality less what the mean time costs."""
        price = self.second_costs if second_costs is None else second_costs
        return option.quality - price * option.mean_s


@dataclass(frozen=True)
class Advice:
    """What to take, or what comes nearest.

    met: whether `option` meets all limits. words: the advice, its reasons, and what would change it.
    """

    option: Option
    met: bool
    words: tuple[str, ...]
    break_even: float | None = None
    instead: Option | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "met": self.met,
            "choice": self.option.to_dict(),
            "words": list(self.words),
            "break_even_second_costs": self.break_even,
            "then": self.instead.name if self.instead else None,
        }


def advise(options: Sequence[Option], limits: Limits) -> Advice:
    """Return which of the measured options to take.

    Of those within the limits the one that is worth most; where nothing detectable tells them apart and
    seconds are free, the quickest.
    """
    fitting = [option for option in options if not limits.missed(option)]
    if not fitting:
        return _nearest(options, limits)
    best = max(fitting, key=limits.worth)
    chosen, equals = best, [best]
    if limits.second_costs == 0:
        equals = [option for option in fitting if not _better(best, option)]
        chosen = min(equals, key=lambda option: option.mean_s)
    price, instead = _break_even(chosen, fitting, limits)
    words = [_say(chosen), *_say_rest(chosen, best, fitting, options, limits)]
    if instead:
        words.append(
            f"What would change this: a second that is worth more than {price:.3g} of quality makes "
            f"{instead.name} the better choice."
        )
    else:
        words.append(
            "What would change this: no price of a second, since nothing within the limits is quicker."
        )
    return Advice(chosen, True, tuple(words), price, instead)


def _better(one: Option, other: Option) -> bool:
    """Tell whether one is detectably better than another on the same items."""
    more = np.subtract(one.qualities, other.qualities)
    if len(more) < 2:
        return bool(more.mean() > 0)
    error = float(more.std(ddof=1)) / math.sqrt(len(more))
    return bool(more.mean() > _SURE * error and more.mean() > 0)


def _break_even(
    chosen: Option, fitting: Sequence[Option], limits: Limits
) -> tuple[float | None, Option | None]:
    """Return the least price of a second above the present one at which a quicker option is worth more."""
    prices = [
        (
            max(limits.second_costs, (chosen.quality - option.quality) / (chosen.mean_s - option.mean_s)),
            option,
        )
        for option in fitting
        if option.mean_s < chosen.mean_s
    ]
    return min(prices, key=lambda pair: pair[0]) if prices else (None, None)


def _nearest(options: Sequence[Option], limits: Limits) -> Advice:
    nearest = min(options, key=lambda option: (sum(limits.missed(option).values()), -limits.worth(option)))
    missed = limits.missed(nearest)
    told = {
        "latency": f"95 of 100 answers take {1000 * nearest.p95_s:.1f} ms",
        "memory": f"it takes {nearest.memory_bytes / 1e6:.0f} MB",
        "quality": f"its quality is {nearest.quality:.3f} ± {nearest.margin:.3f}",
    }
    wished = {
        "latency": f"a latency of {1000 * (limits.latency_s or 0):g} ms",
        "memory": f"{(limits.memory_bytes or 0) / 1e6:g} MB",
        "quality": f"a quality of {limits.quality or 0:g}",
    }
    words = (
        f"Nothing meets the limits. Nearest is {nearest.name}: "
        + "; ".join(f"{told[name]}, where {wished[name]} is wished" for name in missed)
        + ".",
        "What would change this: the limits just named, a smaller or better raised pair, or another machine.",
    )
    return Advice(nearest, False, words)


def _say(option: Option) -> str:
    return (
        f"Take {option.name}: quality {option.quality:.3f} ± {option.margin:.3f} on {len(option.qualities)} "
        f"items, {1000 * option.mean_s:.1f} ms in the mean and 95 of 100 within {1000 * option.p95_s:.1f} "
        f"ms, {option.memory_bytes / 1e6:.0f} MB."
    )


def _say_rest(
    chosen: Option, best: Option, fitting: Sequence[Option], options: Sequence[Option], limits: Limits
) -> list[str]:
    """Return what speaks for the choice, and what was shut out by the limits."""
    said = []
    if chosen is not best:
        said.append(
            f"{best.name} has the highest quality within the limits ({best.quality:.3f}), but the difference "
            f"is not detectable on these items, and it takes {1000 * best.mean_s:.1f} ms."
        )
    out = [option for option in options if option not in fitting and _better(option, chosen)]
    if out:
        better = max(out, key=lambda option: option.quality)
        said.append(
            f"{better.name} would be better ({better.quality:.3f}), but misses the limit of "
            f"{' and '.join(limits.missed(better))}."
        )
    low = chosen.quality - chosen.margin
    if limits.quality is not None and low < limits.quality:
        said.append(
            f"That it reaches {limits.quality:g} is not certain: the interval begins at {low:.3f}. A larger "
            "--limit tells more."
        )
    return said
