"""How the next token is chosen from logits: greedily, or drawn from what the filters leave.

Numpy only, one uniform number per token: the same seed draws the same tokens with any backend whose logits
are the same. The filters work in the order of `transformers`: repetition penalty, temperature, top-k, top-p,
min-p.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from camelid.errors import CheckpointError, RequestError

Floats = NDArray[np.floating]


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
        _check("repetition_penalty", penalty, 0 < penalty < float("inf"), "above 0 (1 changes nothing)")
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


class Sampler:
    """Chooses the tokens of one reply, one after the other."""

    def __init__(self, settings: SamplingSettings, prompt: Sequence[int], vocab_size: int) -> None:
        self._settings = settings
        self._random = np.random.default_rng(settings.seed)
        self._seen = np.zeros(vocab_size, dtype=np.bool_)
        self._seen[list(prompt)] = True

    def pick(self, logits: Floats) -> int:
        """Return the next token for logits (V,), float32.

        Raises CheckpointError when the logits are not numbers.
        """
        if self._settings.repetition_penalty != 1:
            logits = penalise(logits, self._seen, self._settings.repetition_penalty)
        token_id = int(logits.argmax())
        if not np.isfinite(logits[token_id]):  # argmax stops at the first NaN
            raise CheckpointError(
                "The model's logits are not numbers, so its weights are damaged. Copy or train it anew."
            )
        if self._settings.temperature > 0:
            token_id = self._draw(logits)
        self._seen[token_id] = True
        return token_id

    def _draw(self, logits: Floats) -> int:
        token_ids, probabilities = keep_likely(logits, self._settings)
        heights = probabilities.cumsum()
        place = int(heights.searchsorted(self._random.random() * heights[-1], side="right"))
        return int(token_ids[min(place, len(token_ids) - 1)])


def penalise(logits: Floats, seen: NDArray[np.bool_], penalty: float) -> Floats:
    """Return logits (V,) with those of seen tokens divided by the penalty, or multiplied where negative."""
    return np.where(seen, np.where(logits > 0, logits / penalty, logits * penalty), logits)


def keep_likely(logits: Floats, settings: SamplingSettings) -> tuple[NDArray[np.intp], Floats]:
    """Return the tokens that the filters leave, and their probabilities up to a common factor, float64.

    Tokens as likely as the last one that top-k or min-p keeps are kept too.
    """
    scaled = logits.astype(np.float64) / settings.temperature
    weights = np.exp(scaled - scaled.max())
    kept: NDArray[np.intp] = np.arange(len(weights))
    if 0 < settings.top_k < len(weights):
        kept = np.flatnonzero(weights >= np.partition(weights, -settings.top_k)[-settings.top_k])
    if settings.top_p < 1:
        kept = _keep_nucleus(kept, weights[kept], settings.top_p)
    if settings.min_p > 0:
        kept = kept[weights[kept] >= settings.min_p * weights[kept].max()]
    return kept, weights[kept]


def _keep_nucleus(token_ids: NDArray[np.intp], weights: Floats, top_p: float) -> NDArray[np.intp]:
    """Return the fewest likeliest tokens whose share of all weights is at least top_p."""
    total = weights.sum()
    # All tokens below this weight together have less than 1 - top_p: none is needed, so sort the others only.
    few = weights >= total * (1 - top_p) / len(weights)
    token_ids, weights = token_ids[few], weights[few]
    order = np.argsort(-weights, kind="stable")
    before = weights[order].cumsum() - weights[order]
    nucleus: NDArray[np.intp] = token_ids[order[before < top_p * total]]
    return nucleus
