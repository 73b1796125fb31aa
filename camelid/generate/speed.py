"""How fast a loaded model answers: medians of several warm prompts."""

import itertools
import statistics
import time
from dataclasses import dataclass

from camelid.generate.backend import Backend

_ENOUGH_S = 10.0  # a large model is asked less often


@dataclass(frozen=True)
class Speed:
    """What was measured: medians over `runs` prompts of `prompt_tokens`, each answered by `new_tokens`.

    first_token_s: seconds until the first token; tokens_per_s: the rate of those after it.
    """

    first_token_s: float
    tokens_per_s: float
    prompt_tokens: int
    new_tokens: int
    runs: int


def measure_speed(model: Backend, *, prompt_tokens: int = 64, new_tokens: int = 64, runs: int = 7) -> Speed:
    """Return how fast a model answers, after one prompt that is not counted.

    Prompts are made-up tokens, since their meaning costs no time; both lengths are shortened to what the
    context holds, and the runs to about ten seconds.
    """
    prompt_tokens = max(1, min(prompt_tokens, model.context // 2))
    new_tokens = max(2, min(new_tokens, model.context - prompt_tokens))
    firsts: list[float] = []
    rates: list[float] = []
    began = time.perf_counter()
    for run in itertools.count():
        prompt = [(run + 7 * place) % model.vocab_size for place in range(prompt_tokens)]
        first_s, rate = _time_one(model, prompt, new_tokens)
        if run:
            firsts.append(first_s)
            rates.append(rate)
        if run == runs or (run and time.perf_counter() - began > _ENOUGH_S):
            break
    return Speed(statistics.median(firsts), statistics.median(rates), prompt_tokens, new_tokens, len(firsts))


def _time_one(model: Backend, prompt: list[int], new_tokens: int) -> tuple[float, float]:
    began = time.perf_counter()
    tokens = model.generate(prompt, max_tokens=new_tokens)
    next(tokens)
    first_s = time.perf_counter() - began
    count = sum(1 for _ in tokens)
    return first_s, count / (time.perf_counter() - began - first_s)
