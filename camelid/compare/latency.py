"""What answering costs: latency, speed, memory and energy, each prompt asked when nobody else is.

In a process of its own: `python -m camelid.compare.latency FOLDER` reads prompts and prints JSON.
"""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from camelid.compare.apart import answer, read_peak_bytes, run_apart
from camelid.generate.backend import Backend
from camelid.generate.load import LoadOptions, load_model
from camelid.generate.native_backend import NativeModel

RUNS = 3  # of each prompt; the fastest counts, which is what the model takes and not what else runs here

_RAPL = Path("/sys/class/powercap")


@dataclass(frozen=True)
class Timing:
    """One answer: seconds until its first token and until its last; its tokens and their bytes of text."""

    first_token_s: float
    total_s: float
    tokens: int
    num_bytes: int

    @property
    def token_s(self) -> float | None:
        """Return the seconds from token to token after the first; None without a second token."""
        return (self.total_s - self.first_token_s) / (self.tokens - 1) if self.tokens > 1 else None


@dataclass(frozen=True)
class Cost:
    """What a model's answers cost here.

    timings: of each task's prompts, of each the fastest of some runs.
    peak_bytes: the most memory of the process, libraries included.
    weight_bytes, cache_bytes: of the weights, and of the cache of one full context.
    energy_j: what the processor reports for one run of all, idle draw included; None where it does not.
    """

    timings: dict[str, tuple[Timing, ...]]
    dtype: str
    device: str
    threads: int | None
    peak_bytes: int
    weight_bytes: int
    cache_bytes: int
    energy_j: float | None

    def seconds(self, task: str) -> float | None:
        """Return the median time of a whole answer to a task's prompts; None where none was timed."""
        return percentile([each.total_s for each in self.timings.get(task, ())], 50)

    @property
    def all_timings(self) -> list[Timing]:
        """Return the timings of all tasks."""
        return [timing for timings in self.timings.values() for timing in timings]


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return a percentile; None of nothing."""
    return float(np.percentile(values, share)) if values else None


def time_apart(
    folder: Path,
    prompts: Mapping[str, Sequence[Sequence[int]]],
    max_tokens: Mapping[str, int],
    *,
    stop_ids: Sequence[int],
    sizes: Sequence[int],
    loading: LoadOptions,
) -> Cost:
    """Return what answering prompts, by task, costs a model, in a new process.

    sizes: the bytes of text of each token.

    Raises CheckpointError when the model cannot be loaded.
    """
    question = {"prompts": prompts, "max_tokens": max_tokens, "stop_ids": stop_ids, "loading": loading}
    table = run_apart(__name__, [str(folder)], question=question, doing=f"{folder} could not be timed")
    timings = {
        task: tuple(
            Timing(first, total, len(reply), sum(sizes[token] for token in reply))
            for first, total, reply in rows
        )
        for task, rows in table.pop("timings").items()
    }
    return Cost(timings, **table)


def time_prompts(model: Backend, question: Mapping[str, Any]) -> dict[str, Any]:
    """Return what answering costs, as plain values."""
    rows: dict[str, list[Any]] = {task: [] for task in question["prompts"]}
    next(model.generate([0] * min(8, model.context - 1)))  # libraries are slow the first time
    energy = read_energy()
    for task, prompts in question["prompts"].items():
        for prompt in prompts:
            runs = [
                _time(model, prompt, question["max_tokens"][task], question["stop_ids"]) for _ in range(RUNS)
            ]
            rows[task].append(min(runs, key=lambda run: run[1]))
    spent = read_energy()
    return {
        "timings": rows,
        "dtype": model.dtype,
        "device": model.device,
        "threads": model.threads if isinstance(model, NativeModel) else None,
        "peak_bytes": read_peak_bytes(),
        "weight_bytes": model.weight_bytes,
        "cache_bytes": model.cache_bytes,
        "energy_j": (spent - energy) / RUNS if spent is not None and energy is not None else None,
    }


def read_energy(folder: Path = _RAPL) -> float | None:
    """Return the energy that all processor packages have used since some moment, in joules; None if unknown.

    Source: Linux, Documentation/power/powercap/powercap.rst. The counter starts anew after some hours.
    """
    try:
        zones = [zone for zone in folder.glob("intel-rapl:*") if zone.name.count(":") == 1]
        return sum(int((zone / "energy_uj").read_text()) for zone in zones) / 1e6 if zones else None
    except (OSError, ValueError):
        return None


def _time(
    model: Backend, prompt: list[int], max_tokens: int, stop_ids: list[int]
) -> tuple[float, float, list[int]]:
    if isinstance(model, NativeModel):
        model.engine.clear_cache()  # a prompt that was read before would be read sooner
    began = time.perf_counter()
    first_s, reply = 0.0, []
    for token in model.generate(prompt, stop_ids=stop_ids, max_tokens=max_tokens):
        first_s = first_s or time.perf_counter() - began
        reply.append(token)
    total_s = time.perf_counter() - began
    return first_s or total_s, total_s, reply


if __name__ == "__main__":
    _asked = json.load(sys.stdin)
    answer(time_prompts(load_model(sys.argv[1], **_asked["loading"]), _asked))
