"""The curve of a run as SVG: training loss above, bits per byte below, over the minutes of all stages.

It knows nothing of files and runs. There is no background, and every colour has a contrast of 3 or more
(text: 4) with white and with GitHub's dark grey alike, so the picture needs no second version.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT = 860, 52, 12
HEAD, PANEL, GAP, FOOT = 44, 200, 46, 44  # heights: stages, a panel, its title, the axis of time
HEIGHT = HEAD + 2 * (GAP + PANEL) + FOOT
INK = "#787c84"
ROLES = {"llama": "#b8519f", "alpaca": "#1d8f9c"}
LANGUAGES = ("#3f7fd6", "#c9692b", "#3f9548", "#8d6fd0", "#a3822a", "#c4566a")
LETTER = 6.3  # width of a character of 12 pixels, about
SHORT = {"distillation": "distil", "fine-tuning": "tuning", "pre-training": "pre-train"}

Point = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """Values, logarithmically, as places between two pixels; a linear one for the time."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = True

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        low, high, value = (
            (math.log(number) if self.logarithmic else number) for number in (self.low, self.high, value)
        )
        return self.start + (self.end - self.start) * (value - low) / (high - low)


def draw_curve(stages: Sequence[dict[str, Any]], languages: dict[str, str]) -> str:
    """Return the picture.

    stages: each with role, name, seconds, losses [[second, loss], …] and measured [[second, {lang: bits per
        byte}], …], the seconds counted from the stage's beginning. languages: their names by code.
    """
    starts = [0.0, *itertools.accumulate(stage["seconds"] for stage in stages)]
    time = Scale(0, starts[-1] or 1, LEFT, WIDTH - RIGHT, logarithmic=False)
    colours = dict(zip(sorted(languages), itertools.cycle(LANGUAGES), strict=False))
    parts = [*_head(stages, starts, time)]
    top = HEAD + GAP
    parts += _title(top, "training loss, nats per token")
    parts += _losses(stages, starts, time, top)
    top += PANEL + GAP
    named = [(languages[lang], colour) for lang, colour in colours.items()]
    parts += _title(top, "held-out text, bits per byte", named)
    parts += _measured(stages, starts, time, top, colours)
    parts += _time_axis(time, top + PANEL)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" font-size="12" '
        f'fill="{INK}">\n<title>Training loss and bits per byte over the minutes of the run</title>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def ticks(low: float, high: float) -> list[float]:
    """Return round numbers on a logarithmic scale from low to high, at least four where that is possible."""
    found: list[float] = []
    for steps in (
        (1, 2, 5),
        (1, 1.5, 2, 3, 4, 5, 7),
        (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9),
        [number / 20 for number in range(20, 200)],
    ):
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        found = [step * 10.0**power for power in powers for step in steps]
        found = [number for number in found if low <= number <= high]
        if len(found) >= 4:
            break
    return found


def _head(stages: Sequence[dict[str, Any]], starts: Sequence[float], time: Scale) -> list[str]:
    """Return the stages' names over their times, under their model's, and the borders between them."""
    parts = []
    tops = (HEAD + GAP, HEAD + PANEL + 2 * GAP)
    for stage, start in zip(stages, starts, strict=False):
        left, right = time(start), time(start + stage["seconds"])
        colour = ROLES[stage["role"]]
        parts.append(f'<path d="M{left + 1:.1f} 26H{right - 1:.1f}" stroke="{colour}" stroke-width="4"/>')
        room = (right - left - 4) / LETTER
        names = (stage["name"], SHORT.get(stage["name"], ""), "")
        name = next(name for name in names if len(name) <= max(room, 0))
        parts.append(_text((left + right) / 2, 46, name, anchor="middle"))
        if start:
            borders = "".join(f"M{left:.1f} {top}v{PANEL}" for top in tops)
            parts.append(f'<path d="{borders}" stroke="{INK}" stroke-dasharray="2 4"/>')
    for role, colour in ROLES.items():
        times = [time(start) for stage, start in zip(stages, starts, strict=False) if stage["role"] == role]
        if times:
            parts.append(_text(times[0] + 1, 16, role.title(), colour=colour, weight="600"))
    return parts


def _losses(
    stages: Sequence[dict[str, Any]], starts: Sequence[float], time: Scale, top: int
) -> Iterable[str]:
    values = [loss for stage in stages for _, loss in stage["losses"]]
    scale = _scale(values, top)
    yield from _grid(scale)
    for stage, start in zip(stages, starts, strict=False):
        points = [(time(start + second), scale(loss)) for second, loss in stage["losses"]]
        yield _line(points, ROLES[stage["role"]])


def _measured(
    stages: Sequence[dict[str, Any]],
    starts: Sequence[float],
    time: Scale,
    top: int,
    colours: dict[str, str],
) -> Iterable[str]:
    """Yield a line for each model and language; each point is a measurement."""
    scale = _scale(
        [value for stage in stages for _, found in stage["measured"] for value in found.values()], top
    )
    yield from _grid(scale)
    for role, (lang, colour) in itertools.product(ROLES, colours.items()):
        points = [
            (time(start + second), scale(found[lang]))
            for stage, start in zip(stages, starts, strict=False)
            for second, found in stage["measured"]
            if stage["role"] == role and lang in found
        ]
        yield _line(points, colour)
        places = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in points)
        yield f'<path d="{places}" stroke="{colour}" stroke-width="5.5" stroke-linecap="round"/>'


def _scale(values: Sequence[float], top: int) -> Scale:
    """Return the scale of a panel: all values, and a little room."""
    positive = [value for value in values if value > 0] or [1.0]
    low, high = min(positive), max(positive)
    room = (high / low) ** 0.05 if high > low else 1.2
    return Scale(low / room, high * room, top + PANEL, top)


def _grid(scale: Scale) -> Iterable[str]:
    for value in ticks(scale.low, scale.high):
        y = scale(value)
        yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{INK}" stroke-opacity=".28"/>'
        yield _text(LEFT - 7, y + 4, f"{value:.3g}", anchor="end")


def _time_axis(time: Scale, y: int) -> Iterable[str]:
    minutes = time.high / 60
    steps = (0.5, 1, 2, 5, 10, 15, 30, *(60 * 2**power for power in range(20)))
    step = next(step for step in steps if minutes / step <= 10)
    yield f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="{INK}"/>'
    for number in range(int(minutes / step) + 1):
        x = time(60 * step * number)
        yield f'<path d="M{x:.1f} {y}v5" stroke="{INK}"/>'
        yield _text(x, y + 18, f"{step * number:g}", anchor="middle")
    yield _text((LEFT + WIDTH - RIGHT) / 2, y + 36, "minutes of training", anchor="middle")


def _title(top: int, title: str, legend: Sequence[tuple[str, str]] = ()) -> list[str]:
    """Return a panel's title, and to the right of it what the colours mean."""
    parts = [_text(LEFT, top - 14, title, weight="600")]
    x = WIDTH - RIGHT - sum(LETTER * len(name) + 30 for name, _ in legend) + 12
    for name, colour in legend:
        parts.append(f'<path d="M{x:.0f} {top - 18}h10" stroke="{colour}" stroke-width="4"/>')
        parts.append(_text(x + 14, top - 14, name))
        x += LETTER * len(name) + 30
    return parts


def _line(points: Sequence[Point], colour: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    style = f'fill="none" stroke="{colour}" stroke-width="1.6" stroke-linejoin="round"'
    return f'<polyline points="{path}" {style}/>'


def _text(x: float, y: float, words: str, *, anchor: str = "", colour: str = "", weight: str = "") -> str:
    given = {"text-anchor": anchor, "fill": colour, "font-weight": weight}
    extra = "".join(f' {name}="{value}"' for name, value in given.items() if value)
    return f'<text x="{x:.1f}" y="{y:.1f}"{extra}>{escape(words)}</text>'
