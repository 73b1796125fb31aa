"""What answering costs: latency, speed, memory and energy; nobody else is asked at the same time.

Several models are asked in turns, a prompt by each before the next one, so that a machine that slows down
slows all of them; each in a process of its own: `python -m camelid.compare.latency FOLDER`.
"""

import contextlib
import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from camelid.compare.apart import Apart, answer, read_peak_bytes
from camelid.generate.backend import Backend
from camelid.generate.load import LoadOptions, load_model
from camelid.generate.native_backend import NativeModel

CONFIDENCE = 0.95  # of the interval of a ratio

_RAPL = Path("/sys/class/powercap")
_THREADS = Path("/proc/self/task")


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
class Entrant:
    """A model that is timed: its folder, and what it is asked, in its own tokens.

    prompts: by task. max_tokens: by task, the most of an answer. sizes: the bytes of text of each token.
    guesser, dial: a model folder that guesses ahead on the native backend, and how easily guesses pass.
    """

    folder: Path
    prompts: Mapping[str, Sequence[Sequence[int]]]
    max_tokens: Mapping[str, int]
    stop_ids: Sequence[int]
    sizes: Sequence[int]
    loading: LoadOptions
    guesser: Path | None = None
    dial: float = 1.0


@dataclass(frozen=True)
class Cost:
    """What a model's answers cost here.

    timings: of each task's prompts, in their order.
    peak_bytes: the most memory of the process, libraries included.
    weight_bytes, cache_bytes: of the weights, and of the cache of one full context.
    energy_j: what the processor reports for one answer to each prompt, idle draw included; None where it does
        not.
    waited: the share of its time that the process waited for a processor, because others had it; None where
        the system does not tell.
    """

    timings: dict[str, tuple[Timing, ...]]
    dtype: str
    device: str
    threads: int | None
    peak_bytes: int
    weight_bytes: int
    cache_bytes: int
    energy_j: float | None
    waited: float | None = None

    def seconds(self, task: str) -> float | None:
        """Return the median time of a whole answer to a task's prompts; None where none was timed."""
        return percentile([each.total_s for each in self.timings.get(task, ())], 50)

    @property
    def all_timings(self) -> list[Timing]:
        """Return the timings of all tasks."""
        return [timing for timings in self.timings.values() for timing in timings]


@dataclass(frozen=True)
class Ratio:
    """How many times as long one model takes as another for the same prompt: the median, and its interval.

    low, high: None where the prompts are too few for an interval.
    """

    value: float
    low: float | None
    high: float | None

    @property
    def apart(self) -> bool:
        """Tell whether one of the two surely is the quicker."""
        return self.low is not None and self.high is not None and not self.low <= 1 <= self.high


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return a percentile; None of nothing."""
    return float(np.percentile(values, share)) if values else None


def time_ratio(one: Sequence[Timing], other: Sequence[Timing]) -> Ratio | None:
    """Return how many times as long the first takes, prompt by prompt; None of nothing.

    A median, which a few answers that were held up do not move. Its interval is made of two of the ratios in
    their order, whatever the times are distributed like.

    Source: Thompson 1936, "On confidence ranges for the median", Annals of Mathematical Statistics 7.
    """
    ratios = sorted(
        a.total_s / b.total_s for a, b in zip(one, other, strict=True) if a.total_s > 0 and b.total_s > 0
    )
    if not ratios:
        return None
    num, outside = len(ratios), 0
    chance = 0.0  # that so few of the ratios lie below the true median
    while chance + math.comb(num, outside) / 2**num <= (1 - CONFIDENCE) / 2:
        chance += math.comb(num, outside) / 2**num
        outside += 1
    middle = float(np.median(ratios))
    return Ratio(middle, ratios[outside - 1], ratios[-outside]) if outside else Ratio(middle, None, None)


def time_in_turns(
    entrants: Mapping[str, Entrant], *, runs: int = 1, advance: Callable[[], object] = lambda: None
) -> dict[str, Cost]:
    """Return what answering costs each of several models, by name, each asked every prompt in its turn.

    All have the same tasks and prompts, in the same order. runs: of each answer; the fastest counts, which
    leaves out what else happens on the machine, so that percentiles are those of 1. advance: is called after
    each prompt of each.

    Raises CheckpointError when a model cannot be loaded.
    """
    with contextlib.ExitStack() as stack:
        workers = {}
        for name, each in entrants.items():
            words, doing = [str(each.folder)], f"{each.folder} could not be timed"
            workers[name] = stack.enter_context(contextlib.closing(Apart(__name__, words, doing=doing)))
            guesser = str(each.guesser) if each.guesser else None
            workers[name].ask(
                {"loading": each.loading, "stop_ids": list(each.stop_ids), "guesser": guesser, "runs": runs}
            )
        timings: dict[str, dict[str, list[Timing]]] = {name: {} for name in entrants}
        for task, place, name in _turns(entrants):
            each = entrants[name]
            asked = {"prompt": each.prompts[task][place], "max_tokens": each.max_tokens[task]}
            first, total, reply = workers[name].ask({**asked, "dial": each.dial})
            timing = Timing(first, total, len(reply), sum(each.sizes[token] for token in reply))
            timings[name].setdefault(task, []).append(timing)
            advance()
        return {
            name: Cost({task: tuple(found) for task, found in timings[name].items()}, **worker.ask(None))
            for name, worker in workers.items()
        }


def time_apart(
    folder: Path,
    prompts: Mapping[str, Sequence[Sequence[int]]],
    max_tokens: Mapping[str, int],
    *,
    stop_ids: Sequence[int],
    sizes: Sequence[int],
    loading: LoadOptions,
) -> Cost:
    """Return what answering prompts, by task, costs a model, of three runs of each the fastest.

    What the model takes, then, without what else happens on the machine; no percentile of it means anything.

    Raises CheckpointError when the model cannot be loaded.
    """
    entrant = Entrant(folder, prompts, max_tokens, stop_ids, sizes, loading)
    return time_in_turns({"": entrant}, runs=3)[""]


def _turns(entrants: Mapping[str, Entrant]) -> list[tuple[str, int, str]]:
    """Return task, prompt and model of each answer; who is asked first changes from prompt to prompt."""
    names, asked = list(entrants), next(iter(entrants.values())).prompts
    places = [(task, place) for task, prompts in asked.items() for place in range(len(prompts))]
    return [
        (task, place, names[(number + step) % len(names)])
        for number, (task, place) in enumerate(places)
        for step in range(len(names))
    ]


class Clock:
    """A loaded model whose answers are timed, and what they take in all."""

    def __init__(self, model: Backend, stop_ids: Sequence[int], *, runs: int = 1) -> None:
        """Let the model say something: libraries are slow the first time."""
        self.model, self.stop_ids, self.runs = model, tuple(stop_ids), runs
        self._energy: float | None = 0.0
        next(model.generate([0] * min(8, model.context - 1)))
        self._began = read_waiting()

    def time(self, prompt: list[int], max_tokens: int, dial: float = 1.0) -> tuple[float, float, list[int]]:
        """Return the seconds until the first token and the last of one answer, and its tokens."""
        before = read_energy()
        found = [self._time(prompt, max_tokens, dial) for _ in range(self.runs)]
        after = read_energy()
        if before is None or after is None or self._energy is None:
            self._energy = None
        else:
            self._energy += max(0.0, after - before) / self.runs
        return min(found, key=lambda run: run[1])

    def tell(self) -> dict[str, Any]:
        """Return what the answers took besides time, as plain values."""
        began, ended = self._began, read_waiting()
        ran, waited = (ended[0] - began[0], ended[1] - began[1]) if began and ended else (0.0, 0.0)
        model = self.model
        return {
            "dtype": model.dtype,
            "device": model.device,
            "threads": model.threads if isinstance(model, NativeModel) else None,
            "peak_bytes": read_peak_bytes(),
            "weight_bytes": model.weight_bytes,
            "cache_bytes": model.cache_bytes,
            "energy_j": self._energy,
            "waited": waited / (ran + waited) if ran + waited > 0 else None,
        }

    def _time(self, prompt: list[int], max_tokens: int, dial: float) -> tuple[float, float, list[int]]:
        if isinstance(self.model, NativeModel):
            self.model.engine.clear_cache()  # a prompt that was read before would be read sooner
        began = time.perf_counter()
        first_s, reply = 0.0, []
        for token in self.model.generate(prompt, stop_ids=self.stop_ids, dial=dial, max_tokens=max_tokens):
            first_s = first_s or time.perf_counter() - began
            reply.append(token)
        total_s = time.perf_counter() - began
        return first_s or total_s, total_s, reply


def read_energy(folder: Path = _RAPL) -> float | None:
    """Return the energy that all processor packages have used since some moment, in joules; None if unknown.

    Source: Linux, Documentation/power/powercap/powercap.rst. The counter starts anew after some hours.
    """
    try:
        zones = [zone for zone in folder.glob("intel-rapl:*") if zone.name.count(":") == 1]
        return sum(int((zone / "energy_uj").read_text()) for zone in zones) / 1e6 if zones else None
    except (OSError, ValueError):
        return None


def read_waiting(folder: Path = _THREADS) -> tuple[float, float] | None:
    """Return the seconds that this process' threads have run, and that they have waited for a processor.

    None if unknown. Source: Linux, Documentation/scheduler/sched-stats.rst.
    """
    try:
        told = [(thread / "schedstat").read_text().split() for thread in folder.iterdir()]
        return sum(int(row[0]) for row in told) / 1e9, sum(int(row[1]) for row in told) / 1e9
    except (OSError, ValueError, IndexError):
        return None


def _serve(folder: str) -> None:
    """Answer what `time_in_turns` asks, line by line: first how to load, then prompts, at last nothing."""
    asked = json.loads(sys.stdin.readline())
    model = load_model(folder, **asked["loading"])
    guesser = load_model(asked["guesser"], **asked["loading"]) if asked["guesser"] else None
    if isinstance(model, NativeModel) and isinstance(guesser, NativeModel):
        model.let_guess(guesser)
    clock = Clock(model, asked["stop_ids"], runs=asked["runs"])
    answer("ready")
    for line in sys.stdin:
        question = json.loads(line)
        answer(clock.tell() if question is None else clock.time(**question))


if __name__ == "__main__":
    _serve(*sys.argv[1:])
