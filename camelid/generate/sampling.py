"""How the next token is chosen from logits: greedily, or drawn from what the filters leave.

Numpy only, and step for step what the native kernels do (sampling.cpp): the same logits, settings, seed and
place in the reply choose the same token with any backend. Both count in float32 with an exponential and a
logarithm of their own, so a draw whose two best differ by less than those round can fall either way, once
in a very long while. The order is that of `transformers`: repetition penalty, OpenAI's penalties and biases,
temperature, top-k, top-p, min-p.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from camelid.errors import CheckpointError, RequestError

Floats = NDArray[np.floating]

_COLDEST, _HOTTEST = 1e-30, 1e30  # beyond these no draw changes, and float32 ends
_LEAST_POWER = np.float32(-87)  # below this, the kernels' exponential is 0


@dataclass(frozen=True)
class SamplingSettings:
    """How a reply is drawn; the defaults are greedy and therefore deterministic.

    max_tokens: at most so many tokens, 1 or more.
    temperature: 0 always takes the likeliest token; 1 draws from the model's own distribution.
    top_k: only the k likeliest tokens; 0 for all.
    top_p: only the likeliest tokens that together have this probability, in (0, 1].
        Source: Holtzman et al. 2019, arXiv:1904.09751, section 3.1.
    min_p: only tokens at least this many times as likely as the likeliest, in [0, 1].
        Source: Nguyen et al. 2024, arXiv:2407.01082, section 3.
    repetition_penalty: above 1 makes tokens of the prompt and the reply less likely.
        Source: Keskar et al. 2019, arXiv:1909.05858, section 4.1.
    presence_penalty: taken from the logit of each token that the reply has already, in [-2, 2].
    frequency_penalty: taken from it once for each time that the reply has the token, in [-2, 2].
    logit_bias: added to the logits of these tokens, each in [-100, 100]; kept as pairs in order.
        Source of these three: OpenAI's API reference, "Create chat completion".
    seed: the same seed draws the same tokens; None draws anew each time.
    top_logprobs: how many of the likeliest tokens are told beside each chosen one, 0 to 20; None tells
        nothing. Log-probabilities are the model's own, before any of these settings.

    Raises RequestError for a number out of its range.
    """

    max_tokens: int = 256
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] | tuple[tuple[int, float], ...] = ()
    seed: int | None = None
    top_logprobs: int | None = None

    def __post_init__(self) -> None:
        _check("max_tokens", self.max_tokens, self.max_tokens >= 1, "1 or more")
        _check("temperature", self.temperature, 0 <= self.temperature < float("inf"), "0 or more")
        _check("top_k", self.top_k, self.top_k >= 0, "0 (all tokens) or more")
        _check("top_p", self.top_p, 0 < self.top_p <= 1, "above 0 and at most 1")
        _check("min_p", self.min_p, 0 <= self.min_p <= 1, "between 0 and 1")
        penalty = self.repetition_penalty
        _check("repetition_penalty", penalty, 0.01 <= penalty <= 100, "0.01 to 100 (1 changes nothing)")
        for name in ("presence_penalty", "frequency_penalty"):
            _check(name, getattr(self, name), -2 <= getattr(self, name) <= 2, "between -2 and 2")
        if self.seed is not None:
            _check("seed", self.seed, 0 <= self.seed < 2**64, "0 or more and less than 2**64")
        if self.top_logprobs is not None:
            _check("top_logprobs", self.top_logprobs, 0 <= self.top_logprobs <= 20, "between 0 and 20")
        biases = tuple(sorted(dict(self.logit_bias).items()))
        for token_id, bias in biases:
            _check(f"logit_bias of token {token_id}", bias, -100 <= bias <= 100, "between -100 and 100")
        object.__setattr__(self, "logit_bias", biases)

    def check_fits(self, vocab_size: int) -> None:
        """Check that a model of so many tokens knows all that are named.

        Raises RequestError when it does not.
        """
        for token_id in dict(self.logit_bias):
            _check("A token of logit_bias", token_id, 0 <= token_id < vocab_size, f"0 to {vocab_size - 1}")

    @property
    def usable_temperature(self) -> float:
        """Return the temperature within what float32 can divide by; 0 stays 0."""
        return self.temperature and min(max(self.temperature, _COLDEST), _HOTTEST)

    def choose_seed(self) -> int:
        """Return the seed of one reply: the one that was given, or a fresh one."""
        return secrets.randbits(64) if self.seed is None else self.seed


class SamplingOptions(TypedDict, total=False):
    """The fields of `SamplingSettings` as keyword arguments."""

    max_tokens: int
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    repetition_penalty: float
    presence_penalty: float
    frequency_penalty: float
    logit_bias: Mapping[int, float] | tuple[tuple[int, float], ...]
    seed: int | None
    top_logprobs: int | None


def _check(name: str, value: float, fits: bool, expected: str) -> None:
    if not fits:
        raise RequestError(f"{name} must be {expected}; found {value}.")


@dataclass(frozen=True)
class TokenLogprob:
    """How likely the model itself found a token, and the likeliest ones in its place with theirs.

    logprob: the natural logarithm of its probability. top: the best first; of equals the first.
    """

    token_id: int
    logprob: float
    top: tuple[tuple[int, float], ...]


class Sampler:
    """Chooses the tokens of one reply, one after the other.

    logprobs: one for each token, if the settings ask for them.
    """

    def __init__(self, settings: SamplingSettings, prompt: Sequence[int], vocab_size: int) -> None:
        self.logprobs: list[TokenLogprob] = []
        self._settings = settings
        self._seed = settings.choose_seed()
        self._place = 0
        self._seen = np.zeros(vocab_size, dtype=np.bool_)
        self._seen[list(prompt)] = True
        self._counts = np.zeros(vocab_size, dtype=np.float32)

    def pick(self, logits: Floats) -> int:
        """Return the next token for logits (V,), float32.

        Raises CheckpointError when the logits are not numbers.
        """
        changed = self._change(logits)
        token_id = int(changed.argmax())
        if not np.isfinite(changed[token_id]):  # argmax stops at the first NaN
            raise CheckpointError(
                "The model's logits are not numbers, so its weights are damaged. Copy or train it anew."
            )
        if self._settings.temperature > 0:
            token_id = race(*keep_likely(changed, self._settings), self._seed, self._place)
        if self._settings.top_logprobs is not None:
            self.logprobs.append(weigh(logits, token_id, self._settings.top_logprobs))
        self._seen[token_id] = True
        self._counts[token_id] += 1
        self._place += 1
        return token_id

    def _change(self, logits: Floats) -> Floats:
        """Return the logits with penalties and biases."""
        settings = self._settings
        if settings.repetition_penalty != 1:
            logits = penalise(logits, self._seen, settings.repetition_penalty)
        if settings.presence_penalty or settings.frequency_penalty:
            penalties = np.float32(settings.presence_penalty) + settings.frequency_penalty * self._counts
            logits = np.where(self._counts > 0, logits - penalties, logits)
        if settings.logit_bias:
            logits = logits.copy()
            for token_id, bias in dict(settings.logit_bias).items():
                logits[token_id] += np.float32(bias)
        return logits


def penalise(logits: Floats, seen: NDArray[np.bool_], penalty: float) -> Floats:
    """Return logits (V,) with those of seen tokens divided by the penalty, or multiplied where negative."""
    return np.where(seen, np.where(logits > 0, logits / penalty, logits * penalty), logits)


def keep_likely(logits: Floats, settings: SamplingSettings) -> tuple[NDArray[np.intp], Floats]:
    """Return the tokens that the filters leave, and their weights: times the likeliest one's, float32.

    Tokens as likely as the last one that a filter keeps are kept too.
    """
    scale = np.float32(1) / np.float32(settings.usable_temperature)
    powers = (logits - logits.max()) * scale
    weights: Floats = np.where(powers < _LEAST_POWER, np.float32(0), np.exp(powers))
    kept: NDArray[np.intp] = np.flatnonzero(weights >= _least_kept(weights, settings))
    return kept, weights[kept]


def _least_kept(weights: Floats, settings: SamplingSettings) -> np.floating:
    """Return the weight of the least likely token that stays."""
    least: np.floating = np.finfo(np.float32).tiny
    if 0 < settings.top_k < len(weights):
        least = max(least, np.partition(weights, -settings.top_k)[-settings.top_k])
    top_p = np.float64(np.float32(settings.top_p))
    if top_p < 1:
        total = weights[weights >= least].sum(dtype=np.float64)
        # All tokens below this weight together have less than 1 - top_p: none is needed.
        few = max(least, np.float32(total * (1 - top_p) / len(weights)))
        ranked = np.sort(weights[weights >= few])[::-1]
        last = int(ranked.cumsum(dtype=np.float64).searchsorted(top_p * total))
        least = ranked[min(last, len(ranked) - 1)]
    return max(least, np.float32(settings.min_p))  # the likeliest token's weight is 1


def race(token_ids: NDArray[np.intp], weights: Floats, seed: int, place: int) -> int:
    """Return the token that wins a race in which each one's time is exponential with its weight as its rate.

    Each wins with a chance of its share of the weights. Its time depends on the seed, its place in the reply,
    its number and its weight alone, so two models that race with the same seed mostly agree.

    Source: Daliri, Musco and Suresh 2024, arXiv:2408.07978, section 3.
    """
    key = _mix(_mix(seed) + place)
    with np.errstate(over="ignore"):
        times = -np.log(_uniforms(token_ids, key)) / weights
    return int(token_ids[times.argmin()])


def _mix(number: int) -> int:
    """Return 64 bits that look random. Source: SplitMix64; Steele, Lea and Flood 2014, figure 16."""
    number = (number + 0x9E3779B97F4A7C15) % 2**64
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    number = (number ^ number >> 27) * 0x94D049BB133111EB % 2**64
    return number ^ number >> 31


def _uniforms(token_ids: NDArray[np.intp], key: int) -> Floats:
    """Return a number for each token, drawn from the key and the token alone; never 0 and never 1."""
    h: NDArray[Any] = token_ids.astype(np.uint32)
    h = h * 0x9E3779B1 ^ key % 2**32
    h = (h ^ h >> 16) * 0x85EBCA6B
    h = (h ^ h >> 13) * 0xC2B2AE35 + (key >> 32)
    h = (h ^ h >> 16) * 0x7FEB352D
    h = (h ^ h >> 15) * 0x846CA68B
    h = (h ^ h >> 16) >> 9
    return (h.astype(np.float32) + np.float32(0.5)) * np.float32(2**-23)


def weigh(logits: Floats, token_id: int, num_top: int) -> TokenLogprob:
    """Return how likely a token is, and the `num_top` likeliest ones, by logits (V,)."""
    largest = logits.max()
    total = float(largest) + float(np.log(np.exp(logits - largest).sum(dtype=np.float64)))
    top = tuple((i, float(logits[i]) - total) for i in _likeliest(logits, min(num_top, len(logits))))
    return TokenLogprob(token_id, float(logits[token_id]) - total, top)


def _likeliest(logits: Floats, count: int) -> list[int]:
    """Return the likeliest tokens, the best first; of equals the first."""
    least = np.partition(logits, -count)[-count]
    likely = np.flatnonzero(logits >= least)
    order: list[int] = likely[np.argsort(-logits[likely], kind="stable")].tolist()
    return order[:count]
