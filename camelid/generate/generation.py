"""One request on its way through the engine: what it asked for, its tokens so far, how it ended."""

import time
from typing import Literal

from camelid.errors import CamelidError
from camelid.generate.cache import Lease
from camelid.generate.sampling import SamplingSettings, TokenLogprob
from camelid.native import _native

Ending = Literal["stop", "length", "cancelled", "error"]


class Generation:
    """A prompt and the tokens that follow it; made by `Engine.submit`, filled in while the engine steps.

    tokens: the reply so far, without the token that stopped it. limit: the most that it can have.
    finished: None while it runs; "length" when max_tokens or the room is used up. error: why, for "error".
    reused_tokens: how many tokens of the prompt were in the cache. logprobs: one per token, if asked for.
    drafted, accepted: tokens that were guessed ahead, and how many of them were right.
    submitted_s, started_s, first_token_s, finished_s: on the clock of `time.perf_counter`.
    """

    def __init__(
        self, prompt: list[int], settings: SamplingSettings, stop_ids: frozenset[int], limit: int
    ) -> None:
        self.prompt, self.settings, self.stop_ids, self.limit = prompt, settings, stop_ids, limit
        self.tokens: list[int] = []
        self.logprobs: list[TokenLogprob] = []
        self.error: CamelidError | None = None
        self.reused_tokens = self.drafted = self.accepted = self.preemptions = 0
        self.submitted_s = time.perf_counter()
        self.started_s: float | None = None
        self.first_token_s: float | None = None
        self.finished_s: float | None = None
        # The engine's own:
        self.sampling = native_sampling(settings)
        self.sequence = _native.Sequence(prompt, self.sampling, list(stop_ids))
        self.lease: Lease | None = None  # while it runs
        self.ending: Ending | None = None
        self.cancelled = False
        self.plain = settings.top_logprobs is None
        self.start = len(prompt)
        self.border = 0  # at so many tokens something else than another token is to be done

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
