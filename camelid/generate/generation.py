"""One request on its way through the engine: what it asked for, its tokens so far, how it ended."""

import time
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from camelid.errors import CamelidError
from camelid.generate.cache import Lease
from camelid.generate.sampling import SamplingSettings, TokenLogprob
from camelid.native import _native

Ending = Literal["stop", "length", "cancelled", "error"]


@dataclass(frozen=True)
class Reading:
    """What a model finds at the end of a prompt, before any settings: how sure it is of what follows.

    hidden: (D,), float32, the state after the final norm. entropy: of the next token's distribution, in nats.
    top, margin: the likeliest token's probability, and by how much it exceeds the second's.
    """

    hidden: NDArray[np.float32]
    entropy: float
    margin: float
    top: float


class Guide(Protocol):
    """Who says, token by token, which tokens may follow: a grammar, for instance."""

    def allowed(self) -> list[int] | None:
        """Return a bit for each token of the next choice, in words of 32; None where all may follow."""

    def push(self, token_id: int) -> None:
        """Take in the token that was chosen."""


class Generation:
    """A prompt and the tokens that follow it; made by `Engine.submit`, filled in while the engine steps.

    adapter: the name of what changes the model for it, "" for nothing.
    tokens: the reply so far, without the token that stopped it. limit: the most that it can have.
    finished: None while it runs; "length" when max_tokens or the room is used up. error: why, for "error".
    reused_tokens: how many tokens of the prompt were in the cache. logprobs: one per token, if asked for.
    drafted, accepted: tokens that were guessed ahead, and how many of them were right. guessed: the places in
        the reply of those that were right, the end of the reply perhaps among them. reading: of the
        prompt, if asked for, there as soon as the first token is.
    submitted_s, started_s, first_token_s, finished_s: on the clock of `time.perf_counter`.
    """

    def __init__(
        self,
        prompt: list[int],
        settings: SamplingSettings,
        stop_ids: frozenset[int],
        limit: int,
        *,
        dial: float = 1.0,
        read: bool = False,
        guide: Guide | None = None,
        adapter: str = "",
    ) -> None:
        self.prompt, self.settings, self.stop_ids, self.limit = prompt, settings, stop_ids, limit
        self.adapter = adapter
        self.tokens: list[int] = []
        self.logprobs: list[TokenLogprob] = []
        self.guessed: list[int] = []
        self.error: CamelidError | None = None
        self.reading: Reading | None = None
        self.reused_tokens = self.drafted = self.accepted = self.preemptions = 0
        self.submitted_s = time.perf_counter()
        self.started_s: float | None = None
        self.first_token_s: float | None = None
        self.finished_s: float | None = None
        # The engine's own:
        self.sampling = native_sampling(settings)
        self.sequence = _native.Sequence(prompt, self.sampling, list(stop_ids))
        self.sequence.dial, self.sequence.read = dial, read
        self.guide = guide
        if guide:
            self.sequence.allowed = guide.allowed() or []
        self.lease: Lease | None = None  # while it runs
        self.ending: Ending | None = None
        self.cancelled = False
        self.awaits_reading = read
        self.plain = self._is_plain()
        self.start = len(prompt)
        self.border = 0  # at so many tokens something else than another token is to be done

    def take_down(self) -> None:
        """Note what the model found before the first token, which is now chosen."""
        found = self.sequence.reading
        self.reading = Reading(found.hidden, found.entropy, found.margin, found.top)
        self.awaits_reading = False
        self.plain = self._is_plain()

    def _is_plain(self) -> bool:
        """Tell whether its tokens can be handed out without a look at each."""
        return self.settings.top_logprobs is None and self.guide is None and not self.awaits_reading

    @property
    def finished(self) -> Ending | None:
        """Return how it ended, or None."""
        return self.ending or ("cancelled" if self.cancelled else None)


def native_sampling(settings: SamplingSettings) -> "_native.Sampling":
    """Return settings as the native step wants them, with a fresh seed where none was given."""
    sampling = _native.Sampling()
    sampling.temperature = settings.usable_temperature
    sampling.top_k, sampling.top_p, sampling.min_p = settings.top_k, settings.top_p, settings.min_p
    sampling.repetition_penalty = settings.repetition_penalty
    sampling.presence_penalty = settings.presence_penalty
    sampling.frequency_penalty = settings.frequency_penalty
    sampling.logit_bias = list(dict(settings.logit_bias).items())
    sampling.seed = settings.choose_seed()
    sampling.top_logprobs = -1 if settings.top_logprobs is None else settings.top_logprobs
    return sampling
