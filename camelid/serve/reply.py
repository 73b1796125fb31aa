"""One reply on its way: who gives it, its text as it comes, how it ended, and what it took.

Belongs to the event loop; the tokens come from a runner's thread.
"""

import time
from typing import Any, Literal

from camelid.errors import CamelidError, RequestError
from camelid.serve.core import Ask, Core, Voice
from camelid.serve.metrics import Metrics
from camelid.serve.refusals import Refusal
from camelid.serve.runners import Bell, Running
from camelid.serve.wording import Told, Wording

Finish = Literal["stop", "length", "error", "cancelled"]


class Reply:
    """The answer to one request; `begin`, then `read` until None, then `close` in any case.

    index: which of several replies to the request this is. finish: None while it runs.
    model, reason: who answered and why, known once it has begun.
    """

    def __init__(self, core: Core, ask: Ask, prompt: list[int], index: int = 0) -> None:
        self.ask, self.prompt, self.index = ask, prompt, index
        self.finish: Finish | None = None
        self.model, self.reason = "", ""
        self.wording = Wording(core.tokenizer.decoder(), ask.stop)
        self.came_s = time.perf_counter()
        self.first_s: float | None = None
        self.ended_s: float | None = None
        self._last_s: float | None = None  # when tokens came last
        self._core = core
        self._bell: Bell | None = None
        self._voice: Voice | None = None
        self._holds_slot = False
        self._guesses = 0  # places of guessed tokens that were passed

    async def begin(self) -> None:
        """Return when the reply has a slot and is being computed.

        Raises Refusal or RequestError when it cannot be.
        """
        voice, dial, self.reason = self._core.choose(self.ask)
        if voice is None:
            raise Refusal(
                "The model 'auto' needs a router, which this pair does not have yet. Make one with: camelid "
                "calibrate PAIR. Or ask for 'llama', 'alpaca' or 'blend'.",
                code="model_not_calibrated",
                param="model",
            )
        guide = await voice.grammars.guide(self.ask.grammar) if self.ask.grammar else None
        await self._take_slot()
        self._submit(voice, dial=dial, guide=guide)

    async def read(self) -> str | None:
        """Return the next piece of text, "" if only log-probabilities came; None at the end.

        Raises RequestError when the model could not go on.
        """
        while self.finish is None:
            taken = self.wording.count
            text = self._take()
            if (
                text
                or self.finish
                or (self.ask.settings.top_logprobs is not None and taken < self.wording.count)
            ):
                return text
            assert self._bell
            await self._bell.wait()
        return None

    def take_logprobs(self) -> list[Told]:
        """Return the log-probabilities of the tokens whose text was read since the last call."""
        return self.wording.take_logprobs(last=self.finish is not None)

    def close(self) -> None:
        """Free what the reply has, however far it is."""
        if self.finish is None:
            self._end("cancelled")
        if self._bell and self._voice and self._bell.running.finished is None:
            self._voice.runner.cancel(self._bell)
        self._give_slot()

    @property
    def whole(self) -> bool:
        """Tell whether the model itself came to an end."""
        return self.finish == "stop" and self.wording.stop is None

    @property
    def completion_tokens(self) -> int:
        """Return how many tokens the reply took."""
        return self.wording.count

    @property
    def reused_tokens(self) -> int:
        """Return how many tokens of the prompt were in the cache."""
        return self._bell.running.reused_tokens if self._bell else 0

    def account(self) -> dict[str, Any]:
        """Return what camelid tells besides the reply: who gave it, why, and what it took."""
        running = self._bell.running if self._bell else None
        told: dict[str, Any] = {"model": self.model, "reason": self.reason}
        if running:
            told["drafted"], told["accepted"] = running.drafted, running.accepted
            told["reused_tokens"] = running.reused_tokens
        told["first_token_ms"] = _ms(self.came_s, self.first_s)
        told["total_ms"] = _ms(self.came_s, self.ended_s)
        return told

    async def _take_slot(self) -> None:
        await self._core.slots.take()
        self._holds_slot = True
        self._since = time.perf_counter()

    def _give_slot(self) -> None:
        if self._holds_slot:
            self._holds_slot = False
            self._core.slots.give(time.perf_counter() - self._since)

    def _submit(self, voice: Voice, **wishes: Any) -> None:
        self._voice, self.model = voice, voice.name
        self._bell = voice.runner.submit(
            self.prompt, self.ask.settings, stop_ids=voice.tokenizer.stop_ids, **wishes
        )
        self._bell.on_end = self._give_slot

    def _take(self) -> str:
        """Take in the tokens that came; return the text that they let through."""
        assert self._bell
        running, wording = self._bell.running, self.wording
        finished = running.finished  # before the tokens: none come after it
        tokens, told = running.tokens, running.logprobs
        count = len(tokens)
        if count and self.first_s is None:
            self.first_s = running.first_token_s or time.perf_counter()
        self._count_gap(count - wording.count)
        pieces = []
        for place in range(wording.count, count):
            logprob = told[place] if place < len(told) else None
            pieces.append(wording.push(tokens[place], logprob, guessed=self._was_guessed(place)))
            if wording.stop:
                self._end("stop")
                self.close()
                return "".join(pieces)
        if finished:
            pieces.append(wording.flush(cut=finished != "stop"))
            self._end(finished)
            self._raise(running.error)
        return "".join(pieces)

    def _count_gap(self, new: int) -> None:
        now = time.perf_counter()
        if new and self._last_s is not None:
            self._core.metrics.gap.labels(self.model).observe((now - self._last_s) / new)
        if new:
            self._last_s = now

    def _was_guessed(self, place: int) -> bool:
        assert self._bell
        guessed = self._bell.running.guessed
        while self._guesses < len(guessed) and guessed[self._guesses] < place:
            self._guesses += 1
        return self._guesses < len(guessed) and guessed[self._guesses] == place

    def _end(self, finish: Finish) -> None:
        self.finish = finish
        self.ended_s = time.perf_counter()
        if self._bell:
            self._count(self._core.metrics, self._bell.running)

    def _count(self, metrics: Metrics, running: Running) -> None:
        model = self.model
        metrics.replies.labels(model, self.finish).inc()
        metrics.prompt_tokens.labels(model).inc(len(self.prompt))
        metrics.reused_tokens.labels(model).inc(running.reused_tokens)
        metrics.tokens.labels(model).inc(self.wording.count)
        metrics.drafted.labels(model).inc(running.drafted)
        metrics.accepted.labels(model).inc(running.accepted)
        metrics.total.labels(model).observe((self.ended_s or self.came_s) - self.came_s)
        if self.first_s is not None:
            metrics.first_token.labels(model).observe(max(0.0, self.first_s - self.came_s))

    def _raise(self, error: CamelidError | None) -> None:
        if error:
            raise error
        if self.finish == "error":
            raise RequestError("The reply could not go on.")


def _ms(since: float, until: float | None) -> float | None:
    return None if until is None else round(1000 * (until - since), 3)
