"""The sheet: everything that a comparison found, as plain values, and what they say in words.

sheet.json, format 1; a value that is not known is null, sizes are bytes, times as named:

    format, name, command, date (UTC), seconds
    models[]     name, folder, hash, parameters, layers, context, vocab_size, tokenizer, focus; dtype, device,
                 threads; disk_bytes, weight_bytes, cache_bytes, peak_bytes; first_token_ms and token_ms
                 {p50, p95}, tokens_per_s, bytes_per_s, energy_j_per_answer, waited (the share of its time
                 that others had the processor); training_s, unsupervised_tokens, supervised_tokens. The first
                 one is the first of every difference.
    tasks[]      name, title, kind, n, left_out, limit, seed, num_fewshot, chat_template, max_tokens, data
                 (hash of all items); seconds, cut, quality (of each model: the median time of an answer, how
                 many were cut at max_tokens, and their mean quality from 0 to 1); timings (of each model,
                 {first_token_ms, total_ms} of each prompt, asked once); time_ratio {value, low, high} (the
                 median, prompt by prompt, of the first's time over the second's); verdict, words
      metrics[]  metric, title, unit, higher_is_better, signature, n, test, better, p, p_adjusted, difference
                 and figures.MODEL {value, low, high, text}; the first one decides
      groups[]   by, name, and a metric's fields
      examples[] item, lang, prompt, target, replies, qualities
    notes[]      what to bear in mind, in words
    provenance   seed, confidence, resamples, adjustment, timed_prompts, machine, versions
"""

import datetime
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from camelid.compare.contest import TIMED_PROMPTS, Contestant, Outcome, Played, quality_of
from camelid.compare.intervals import CONFIDENCE, RESAMPLES
from camelid.compare.latency import Cost, Ratio, Timing, percentile, time_ratio
from camelid.compare.machine import describe_machine, list_versions
from camelid.compare.markdown import render_markdown
from camelid.compare.metrics import find_metric
from camelid.compare.page import render_page
from camelid.compare.verdict import Judged, say_verdict
from camelid.compare.words import call
from camelid.files import write_json, write_text

SHEET_FORMAT = 1
BUSY = 0.1  # a model that waits for a processor longer than this part of its time is not measured in peace
NAME = "sheet.json"

Table = dict[str, Any]


def make_sheet(outcome: Outcome, *, name: str, command: str, seconds: float) -> Table:
    """Return the sheet of a comparison."""
    models = [_describe(each, outcome.costs.get(each.name)) for each in outcome.contestants]
    sheet = {
        "format": SHEET_FORMAT,
        "name": name,
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "models": models,
        "tasks": [_report(outcome, played) for played in outcome.played.values()],
        "notes": _note(outcome),
        "provenance": {
            "seed": outcome.seed,
            "confidence": CONFIDENCE,
            "resamples": RESAMPLES,
            "adjustment": "Holm",
            "timed_prompts": TIMED_PROMPTS if outcome.costs else 0,
            "machine": describe_machine(),
            "versions": list_versions(),
        },
    }
    return _without_nan(sheet)  # type: ignore[no-any-return]


def write_sheet(folder: Path, sheet: Table) -> list[Path]:
    """Write sheet.json, sheet.md and sheet.html into a folder, and return them."""
    write_json(folder / NAME, sheet)
    write_text(folder / "sheet.md", render_markdown(sheet))
    write_text(folder / "sheet.html", render_page(sheet))
    return [folder / NAME, folder / "sheet.md", folder / "sheet.html"]


def _describe(contestant: Contestant, cost: Cost | None) -> Table:
    config, raised = contestant.config, contestant.raised
    return {
        "name": contestant.name,
        "folder": str(contestant.folder),
        "hash": contestant.hash,
        "parameters": config.num_parameters,
        "layers": config.num_hidden_layers,
        "context": config.max_position_embeddings,
        "vocab_size": config.vocab_size,
        "tokenizer": contestant.tokenizer.fingerprint,
        "focus": raised.focus if raised else None,
        "disk_bytes": contestant.disk_bytes,
        **_cost(cost),
        "training_s": raised.training_s if raised else None,
        "unsupervised_tokens": raised.unsupervised_tokens if raised else None,
        "supervised_tokens": raised.supervised_tokens if raised else None,
    }


def _cost(cost: Cost | None) -> Table:
    """Return what answers cost; all unknown where nothing was timed."""
    timings = cost.all_timings if cost else []
    longer = [each for each in timings if each.tokens > 1]
    after_s = sum(each.total_s - each.first_token_s for each in longer)
    firsts = [1000 * each.first_token_s for each in timings]
    tokens = [1000 * each.token_s for each in timings if each.token_s is not None]
    total_s = sum(each.total_s for each in timings)
    return {
        "dtype": cost.dtype if cost else None,
        "device": cost.device if cost else None,
        "threads": cost.threads if cost else None,
        "weight_bytes": cost.weight_bytes if cost else None,
        "cache_bytes": cost.cache_bytes if cost else None,
        "peak_bytes": cost.peak_bytes if cost else None,
        "first_token_ms": {"p50": percentile(firsts, 50), "p95": percentile(firsts, 95)},
        "token_ms": {"p50": percentile(tokens, 50), "p95": percentile(tokens, 95)},
        "tokens_per_s": sum(each.tokens - 1 for each in longer) / after_s if after_s else None,
        "bytes_per_s": sum(each.num_bytes for each in timings) / total_s if total_s else None,
        "energy_j_per_answer": cost.energy_j / len(timings)
        if cost and cost.energy_j is not None and timings
        else None,
        "waited": round(cost.waited, 4) if cost and cost.waited is not None else None,
    }


def _report(outcome: Outcome, played: Played) -> Table:
    task, head = played.task, played.evidence.headline
    names = [each.name for each in outcome.contestants]
    seconds = {name: cost.seconds(task.name) for name, cost in outcome.costs.items()}
    timings = {name: cost.timings.get(task.name, ()) for name, cost in outcome.costs.items()}
    ratio = time_ratio(*timings.values()) if timings else None
    return {
        "name": task.name,
        "title": task.title,
        "kind": task.kind,
        "n": len(played.items),
        "left_out": played.left_out,
        "limit": outcome.limit,
        "seed": outcome.seed,
        "num_fewshot": task.num_fewshot,
        "chat_template": task.chat,
        "max_tokens": task.max_tokens,
        "data": task.fingerprint,
        "seconds": {name: seconds.get(name) for name in names},
        "cut": {name: played.cut(name) for name in names},
        "quality": {name: quality_of(played.scores[name]) for name in names},
        "verdict": head.better or None,
        "timings": {name: _list_times(found) for name, found in timings.items()},
        "time_ratio": asdict(ratio) if ratio else None,
        "words": f"{say_verdict(head)}{_say_time(head, ratio)}",
        "metrics": [_show(judged) for judged in played.evidence.judged],
        "groups": [
            {"by": group.by, "name": group.name, **_show(group.judged)} for group in played.evidence.groups
        ],
        "examples": [asdict(example) for example in played.evidence.examples],
    }


def _list_times(timings: Sequence[Timing]) -> dict[str, list[float]]:
    return {
        "first_token_ms": [round(1000 * each.first_token_s, 4) for each in timings],
        "total_ms": [round(1000 * each.total_s, 4) for each in timings],
    }


def _say_time(head: Judged, ratio: Ratio | None) -> str:
    """Return how the time of an answer compares, in words, seen from the better model or the first."""
    if ratio is None or ratio.low is None or ratio.high is None:
        return ""
    value, low, high = ratio.value, ratio.low, ratio.high
    if head.better == tuple(head.figures)[1]:
        value, low, high = 1 / value, 1 / high, 1 / low
    if max(high, 1 / low) < 1.05:
        return ", in the same time"
    if not ratio.apart:
        return f", with times that do not tell them apart ({_say_times(low)} to {_say_times(high)}×)"
    if value > 1:
        return f", at {_say_times(value)}× the time ({_say_times(low)} to {_say_times(high)})"
    return f", {_say_times(1 / value)}× as fast ({_say_times(1 / high)} to {_say_times(1 / low)})"


def _say_times(ratio: float) -> str:
    return f"{ratio:.{0 if ratio >= 9.95 else 1 if ratio >= 0.95 else 2}f}"


def _show(judged: Judged) -> Table:
    metric = find_metric(judged.metric)
    difference = judged.difference
    return {
        "metric": metric.name,
        "title": metric.title,
        "unit": metric.unit,
        "higher_is_better": metric.higher,
        "signature": metric.signature() or None,
        "n": judged.n,
        "test": judged.test,
        "better": judged.better or None,
        "p": difference.p,
        "p_adjusted": judged.p_adjusted,
        "difference": {
            "value": difference.value,
            "low": difference.low,
            "high": difference.high,
            "text": metric.say(difference.value, signed=True),
        },
        "figures": {
            name: {**asdict(figure), "text": metric.say(figure.value)}
            for name, figure in judged.figures.items()
        },
        "words": say_verdict(judged),
    }


def _note(outcome: Outcome) -> list[str]:
    one, two = outcome.contestants
    notes = [
        f"Intervals hold with {100 * CONFIDENCE:.0f} % each. Verdicts hold together: p-values are adjusted "
        f"for all {len(outcome.played)} tasks (Holm), those of further metrics, and of each task's "
        "languages or other parts, among themselves."
    ]
    if outcome.same_model:
        notes.append("Both are the same model: whatever differs is chance.")
    if not outcome.same_tokenizer:
        notes.append(
            f"{one.name} and {two.name} cut text into different tokens. What is compared is per byte or per "
            "character all the same; tokens per second and per-token latency are not, so bytes per second "
            "stand beside them."
        )
    left = {played.task.title: played.left_out for played in outcome.played.values() if played.left_out}
    if left:
        said = ", ".join(f"{title} {count}" for title, count in left.items())
        notes.append(f"Left out, because the prompt does not fit in both contexts: {said}.")
    busy = {name: cost.waited for name, cost in outcome.costs.items() if (cost.waited or 0) > BUSY}
    if busy:
        said = ", ".join(f"{call(name)} {share:.0%}".replace("%", " %") for name, share in busy.items())
        notes.append(
            f"The machine was busy with other things: of its time waiting for a processor took {said}. Times "
            "are of that moment; only how the two compare, asked in turns, holds beyond it, as far as its "
            "interval tells."
        )
    if outcome.unasked:
        notes.append(f"Not asked, because no prompt fits in both contexts: {', '.join(outcome.unasked)}.")
    cut = _most_cut(list(outcome.played.values()), [one.name, two.name])
    if cut:
        notes.append(f"Many answers were cut at the most tokens that the task allows: {cut}.")
    return notes


def _most_cut(played: Sequence[Played], names: Sequence[str]) -> str:
    said = [
        f"{each.task.title} ({', '.join(f'{name} {each.cut(name)} of {len(each.items)}' for name in names)})"
        for each in played
        if each.task.kind == "generate" and max(each.cut(name) for name in names) > len(each.items) / 4
    ]
    return "; ".join(said)


def _without_nan(value: Any) -> Any:
    """Return plain values with null for what is not a number, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
