"""The deferral curve as one self-contained page: no script, nothing fetched, readable light and dark."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

_WIDTH, _HEIGHT, _LEFT, _BELOW = 480, 320, 56, 44
_COLOURS = {"learned": "var(--learned)", "table": "var(--table)", "oracle": "var(--oracle)"}
_NAMES = {
    "learned": "learned router",
    "table": "task table",
    "oracle": "oracle, which knows both answers",
    "random": "random mix",
}
_STYLE = """
:root { color-scheme: light dark; --ink: #1c1b19; --paper: #fbfaf7; --faint: #d8d4cb; --learned: #a8327e;
  --table: #1b6e8c; --oracle: #8a6d1a; --random: #77736a; --dot: #c0392b }
@media (prefers-color-scheme: dark) { :root { --ink: #ece9e2; --paper: #191816; --faint: #45423c;
  --learned: #e58cc4; --table: #74c3de; --oracle: #d9bb5f; --random: #a19c90; --dot: #ff8a75 } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
svg { width: 100%; height: auto }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; list-style: none; padding: 0 0 0 3.5rem }
.legend span { display: inline-block; width: 1.8rem; border-top: 3px solid; vertical-align: middle;
  margin-right: .5rem } .legend .dashed { border-top-style: dashed }
text { fill: var(--ink); font: 13px system-ui, sans-serif }
table { border-collapse: collapse; width: 100% } td, th { text-align: right; padding: .3rem .4rem;
  border-bottom: 1px solid var(--faint) } td:first-child, th:first-child { text-align: left }
.wide { overflow-x: auto } td { white-space: nowrap } .note { color: var(--random) }
"""


def draw_page(name: str, summary: Mapping[str, Any]) -> str:
    """Return the page of a calibration. summary: what `Calibration.summary` gives."""
    said = html.escape(str(summary["answer"]))
    title = html.escape(f"{name}: who answers")
    rows = "".join(_row(label, summary[key]) for key, label in _POINTS.items())
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><main><h1>{title}</h1>"
        f"<p>Wished: {html.escape(str(summary['target']))}. <strong>{said}</strong></p>"
        f"{draw_curves(summary)}"
        f'<div class="wide"><table><thead><tr><th>who</th><th>Llama answers</th><th>mean quality</th>'
        f"<th>mean time</th><th>95 of 100 within</th></tr></thead><tbody>{rows}</tbody></table></div>"
        f'<p class="note">{html.escape(say_contest(summary))} On {summary["requests"]} '
        f"{html.escape(str(summary['labels']))}; times, where known, are of one request at a time.</p>"
        "</main></body>"
        "</html>\n"
    )


def say_contest(summary: Mapping[str, Any]) -> str:
    """Return in words which router was kept, and why."""
    how = (
        f"its area is {summary['ahead']:+.4f} against the table's, ahead in {summary['surely']:.0%} of draws"
    )
    if summary["kept"] == "learned":
        return f"The learned router beats the task table on requests that it had not seen: {how}."
    return (
        f"The learned router does not surely beat the task table ({how}), so the task table is the router. "
        "More held-out records may change that."
    )


def draw_curves(summary: Mapping[str, Any]) -> str:
    """Return the curves as SVG."""
    curves: dict[str, Sequence[Sequence[float]]] = dict(summary["curves"])
    weak, strong = summary["always_alpaca"]["quality"], summary["always_llama"]["quality"]
    curves["random"] = ((0.0, weak), (1.0, strong))
    point = summary["point"]
    heights = [quality for curve in curves.values() for _, quality in curve] + [point["quality"]]
    low, high = float(min(heights)), float(max(heights))
    margin = 0.06 * (high - low) or 0.01
    low, high = low - margin, high + margin

    def x(share: float) -> float:
        return _LEFT + share * (_WIDTH - _LEFT - 20)

    def y(quality: float) -> float:
        return 16 + (high - quality) / (high - low) * (_HEIGHT - 16 - _BELOW)

    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="Mean quality against the share of '
        'requests that the Llama answers">'
    ]
    for step in range(6):
        share, quality = step / 5, low + (high - low) * step / 5
        parts.append(
            f'<line x1="{x(share):.1f}" x2="{x(share):.1f}" y1="16" y2="{_HEIGHT - _BELOW}" '
            f'stroke="var(--faint)"/><text x="{x(share):.1f}" y="{_HEIGHT - 24}" text-anchor="middle">'
            f"{share:.0%}</text>"
            f'<text x="{_LEFT - 8}" y="{y(quality) + 4:.1f}" text-anchor="end">{quality:.3f}</text>'
        )
    parts.append(
        f'<text x="{(_LEFT + _WIDTH) / 2:.0f}" y="{_HEIGHT - 6}" text-anchor="middle">'
        "requests that the Llama answers</text>"
    )
    legend = []
    for name, curve in sorted(curves.items()):
        colour = _COLOURS.get(name, "var(--random)")
        dashed = name in ("random", "oracle")
        dashes = ' stroke-dasharray="5 5"' if dashed else ""
        path = " ".join(f"{x(share):.1f},{y(quality):.1f}" for share, quality in curve)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"{dashes}/>')
        kind = ' class="dashed"' if dashed else ""
        legend.append(f'<li><span{kind} style="border-color: {colour}"></span>{_NAMES.get(name, name)}</li>')
    parts.append(
        f'<circle cx="{x(point["share"]):.1f}" cy="{y(point["quality"]):.1f}" r="6" fill="var(--dot)">'
        "<title>the router as it is set</title></circle></svg>"
    )
    dot = '<li><b style="color: var(--dot)">●</b> as it is set</li>'
    return "".join(parts) + f'<ul class="legend">{"".join(legend)}{dot}</ul>'


def _row(label: str, point: Mapping[str, float]) -> str:
    return (
        f"<tr><td>{label}</td><td>{point['share']:.1%}</td><td>{point['quality']:.3f}</td>"
        f"<td>{say_ms(point['mean_s'])}</td><td>{say_ms(point['p95_s'])}</td></tr>"
    )


def say_ms(seconds: float) -> str:
    """Return a time in milliseconds; votes have none."""
    return f"{1000 * seconds:.1f} ms" if seconds else "–"


_POINTS = {"point": "the router", "always_alpaca": "always the Alpaca", "always_llama": "always the Llama"}
