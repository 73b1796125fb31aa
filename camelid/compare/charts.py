"""The sheet's two pictures as SVG: an interval beside no difference, and quality against time."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from camelid.compare.words import say_ms, say_size

_WIDTH, _HEIGHT = 360, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 14, 24, 34
_RADIUS = 9.0  # of the largest bubble


@dataclass(frozen=True)
class Bubble:
    """A model on a task: place in the list of tasks, time of an answer, quality from 0 to 1, memory."""

    number: int
    side: str
    ms: float
    quality: float
    memory_bytes: float | None


def draw_interval(difference: Mapping[str, Any], *, reverse: bool, side: str, label: str) -> str:
    """Return an interval as a line with its middle, beside the upright line of no difference.

    Left of it the first model is better, right of it the second. reverse: a difference above 0 is for the
    first. side: "first", "second" or "none", who is better.
    """
    if difference["low"] is None:
        return ""
    sign = -1 if reverse else 1
    low, high = sorted((sign * difference["low"], sign * difference["high"]))
    most = max(abs(low), abs(high)) or 1.0

    def place(value: float) -> float:
        return round(100 + 92 * value / most, 1)

    return (
        f'<svg viewBox="0 0 200 28" role="img" aria-label="{label}" preserveAspectRatio="xMidYMid meet">'
        '<line class="axis" x1="100" y1="2" x2="100" y2="26"/>'
        f'<line class="span {side}" x1="{place(low)}" y1="14" x2="{place(high)}" y2="14"/>'
        f'<circle class="mark {side}" cx="{place(sign * difference["value"])}" cy="14" r="4.5"/></svg>'
    )


def draw_scatter(bubbles: Sequence[Bubble], label: str) -> str:
    """Return quality against time, time on a logarithmic scale, memory as the bubbles' area."""
    times, qualities = [each.ms for each in bubbles], [each.quality for each in bubbles]
    marks = _decades(min(times), max(times))
    first, last = math.log10(marks[0]), math.log10(marks[-1])
    low, high, step = _scale(min(qualities), max(qualities))

    def across(ms: float) -> float:
        return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * (math.log10(ms) - first) / (last - first), 1)

    def upright(quality: float) -> float:
        return round(_HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * (quality - low) / (high - low), 1)

    parts = [f'<svg class="plot" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">']
    for tick in range(round((high - low) / step) + 1):
        y, value = upright(low + tick * step), low + tick * step
        parts.append(f'<line class="axis" x1="{_LEFT}" y1="{y}" x2="{_WIDTH - _RIGHT}" y2="{y}"/>')
        parts.append(
            f'<text x="{_LEFT - 6}" y="{y + 3}" text-anchor="end">{value:.{2 if step < 0.1 else 1}f}</text>'
        )
    for mark in marks:
        place = f'x="{across(mark)}" y="{_HEIGHT - _BOTTOM + 14}"'
        anchor = "end" if mark == marks[-1] else "middle"
        parts.append(f'<text {place} text-anchor="{anchor}">{_say_mark(mark)}</text>')
    end = f'x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 4}" text-anchor="end"'
    parts.append(f"<text {end}>time of an answer, logarithmic →</text>")
    parts.append(f'<text x="{_LEFT - 24}" y="8">↑ quality</text>')
    parts += _links(bubbles, across, upright)
    shown: list[tuple[int, float, float, float]] = []
    most = max((each.memory_bytes or 0 for each in bubbles), default=0)
    for each in sorted(bubbles, key=lambda bubble: -(bubble.memory_bytes or 0)):
        x, y = across(each.ms), upright(each.quality)
        radius = round(_RADIUS * math.sqrt((each.memory_bytes or most or 1) / (most or 1)), 1)
        memory = say_size(each.memory_bytes)
        said = f"{each.number}: {say_ms(each.ms)}, quality {each.quality:.2f}, {memory}"
        if each.side == "first":
            shape = f'<circle class="bubble first" cx="{x}" cy="{y}" r="{radius}">'
            parts.append(f"{shape}<title>{said}</title></circle>")
        else:
            edge = round(radius * math.sqrt(math.pi), 1)  # a square of the same area
            corner = f'x="{round(x - edge / 2, 1)}" y="{round(y - edge / 2, 1)}"'
            shape = f'<rect class="bubble second" {corner} width="{edge}" height="{edge}" rx="1">'
            parts.append(f"{shape}<title>{said}</title></rect>")
        shown.append((each.number, x, y, radius))
    parts += _numbers(shown)
    return "".join([*parts, "</svg>"])


def _numbers(bubbles: Sequence[tuple[int, float, float, float]]) -> list[str]:
    """Return the bubbles' numbers, over all of them; two that would lie on each other move apart.

    bubbles: number, place and radius, those drawn later lying over the earlier ones.
    """
    texts = []
    for place, (number, x, y, radius) in enumerate(bubbles):
        near = [
            (x - other_x, y - other_y, size)
            for index, (_, other_x, other_y, size) in enumerate(bubbles)
            if index != place and math.hypot(x - other_x, y - other_y) < radius + size
        ]
        away_x, away_y = sum(dx for dx, _, _ in near), sum(dy for _, dy, _ in near)
        length = math.hypot(away_x, away_y) or 1.0
        step = 0.5 * radius if near else 0.0
        at = f'x="{x + step * away_x / length:.1f}" y="{y + step * away_y / length + 2.6:.1f}"'
        texts.append(f'<text class="number" {at}>{number}</text>')
    return texts


def _links(bubbles: Sequence[Bubble], across: Any, upright: Any) -> list[str]:
    """Return a line from model to model for each task."""
    lines = []
    for number in dict.fromkeys(bubble.number for bubble in bubbles):
        ends = [(across(each.ms), upright(each.quality)) for each in bubbles if each.number == number]
        if len(ends) == 2:
            (x1, y1), (x2, y2) = ends
            lines.append(f'<line class="link" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>')
    return lines


def _decades(low: float, high: float) -> list[float]:
    """Return round numbers around a range of times: 1, 2 and 5 of each power of ten, or 1 alone of many."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    factors = (1, 2, 5) if high / low < 50 else (1,)
    steps = [factor * 10.0**power for power in powers for factor in factors]
    below = max(step for step in steps if step <= low * 0.9)
    above = min(step for step in steps if step >= high * 1.1)
    return [step for step in steps if below <= step <= above]


def _scale(low: float, high: float) -> tuple[float, float, float]:
    """Return where the axis of quality begins and ends, and its step."""
    step = next(size for size in (0.02, 0.05, 0.1, 0.2) if (high - low) / size <= 5 or size == 0.2)
    bottom = max(0.0, math.floor((low - step / 4) / step) * step)
    top = min(1.0, math.ceil((high + step / 4) / step - 1e-9) * step)
    return bottom, max(top, bottom + step), step


def _say_mark(ms: float) -> str:
    return f"{ms / 1000:g} s" if ms >= 1000 else f"{ms:g} ms"
