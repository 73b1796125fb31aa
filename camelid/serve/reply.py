"""One reply on its way: who gives it, its text as it comes, how it ended, and what it took.

Belongs to the event loop; the tokens come from a runner's thread. With "auto" the Alpaca reads the prompt and
begins, and the router may give the reply to the Llama, at once or from a doubtful token on; nothing that was
said is taken back.
"""

import asyncio
import dataclasses
import time
from typing import Any, Literal

from camelid.errors import CamelidError, RequestError
from camelid.generate.native_backend import NativeModel
from camelid.generate.sampling import SamplingSettings, TokenLogprob
from camelid.route.features import read_prompt
from camelid.route.router import Decision, Router, defer
from camelid.serve.core import Ask, Core, Voice
from camelid.serve.metrics import Metrics
from camelid.serve.refusals import Refusal
from camelid.serve.runners import Bell, Running
from camelid.serve.wording import Told, Wording

Finish = Literal["stop", "length", "error", "cancelled"]


class Reply:
    """The answer to one request; `begin`, then `read` until None, then `close` in any case.

    index: which of several replies to the request this is. finish: None while it runs.
    model, reason: who answered and why, known once it has begun. decision: the router's, if it was asked.
    """

    def __init__(self, core: Core, ask: Ask, prompt: list[int], index: int = 0) -> None:
        self.ask, self.prompt, self.index = ask, prompt, index
        self.finish: Finish | None = None
        self.model, self.reason = "", ""
        self.decision: Decision | None = None
        self.tokenizer = core.tokenizer_of(ask.model)
        after = () if ask.messages else prompt  # a text goes on from its prompt
        self.wording = Wording(self.tokenizer.decoder(after=after), ask.stop)
        self.came_s = time.perf_counter()
        self.first_s: float | None = None
        self.ended_s: float | None = None
        self._last_s: float | None = None  # when tokens came last
        self._core = core
        self._bell: Bell | None = None
        self._voice: Voice | None = None
        self._holds_slot = False
        self._taken_s = 0.0
        self._guesses = 0  # places of guessed tokens that were passed
        self._before = 0  # tokens that another model said
        self._doubter: Router | None = None  # who watches the Alpaca's tokens

    async def begin(self) -> None:
        """Return when the reply has a slot and is being computed.

        Raises Refusal or RequestError when it cannot be.
        """
        voice, dial, self.reason = self._core.choose(self.ask)
        if voice is None:
            await self._begin_auto()
            return
        guide = await self._guide(voice)
        await self._take_slot()
        self._submit(voice, self.prompt, self.ask.settings, dial=dial, guide=guide)

    async def read(self) -> str | None:
        """Return the next piece of text, "" if only log-probabilities came; None at the end.

        Raises RequestError when the model could not go on.
        """
        while self.finish is None:
            taken = self.wording.count
            text = self._take()
            if text or self.finish or (self._tells_logprobs and taken < self.wording.count):
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
        self._cancel()
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
        return min(self._bell.running.reused_tokens, len(self.prompt)) if self._bell else 0

    def account(self) -> dict[str, Any]:
        """Return what camelid tells besides the reply: who gave it, why, and what it took."""
        running = self._bell.running if self._bell else None
        told: dict[str, Any] = {"model": self.model, "reason": self.reason}
        if running:
            told["drafted"], told["accepted"] = running.drafted, running.accepted
            told["reused_tokens"] = self.reused_tokens
        told["first_token_ms"] = _ms(self.came_s, self.first_s)
        told["total_ms"] = _ms(self.came_s, self.ended_s)
        return told

    # --- who answers ----------------------------------------------------------------------------------------

    async def _begin_auto(self) -> None:
        """Let the Alpaca read and begin, and ask the router who answers."""
        core, ask = self._core, self.ask
        if not ask.messages:
            raise Refusal(
                "'auto' chooses by a conversation; a text to go on from is none. Ask 'llama' or 'alpaca', or "
                "use /v1/chat/completions.",
                param="model",
            )
        ruling = core.routing.rule(ask.max_quality_loss)
        alpaca, llama = core.voices["alpaca"], core.voices["llama"]
        guides = [await self._guide(voice) for voice in (alpaca, llama)]
        await self._take_slot()
        if ruling.router is None:
            self.reason = ruling.reason
            await self._give_to(llama, guides[1])
            return
        router, memory = ruling.router, core.routing.conversations
        before = await self._look_back(router)
        reading = None
        if router.reads and not before:
            reading = await self._read(self.prompt, self._watched(router), guide=guides[0])
        self.decision = router.decide(ask.messages, reading, before=before)
        memory.note(router, ask.messages, self.decision.model == "llama")
        self.reason = self.decision.reason
        core.metrics.routed.labels(self.decision.model).inc()
        if self.decision.model == "llama":
            self._cancel()
            await self._give_to(llama, guides[1])
            return
        if self._bell is None:
            self._submit(alpaca, self.prompt, self._watched(router), guide=guides[0])
        if self._may_defer(router):
            self._hold_slot()  # the Llama may need it
            self._doubter = router
        else:
            self._let_slot_go()

    async def _look_back(self, router: Router) -> bool:
        """Tell whether an earlier question of the conversation was the Llama's."""
        core = self._core
        memory = core.routing.conversations
        before, unknown = memory.recall(router, self.ask.messages)
        for question in unknown:
            reading = None
            if router.reads and not before:
                prompt = await core.encode_messages("alpaca", question)
                reading = await self._read(prompt, SamplingSettings(max_tokens=1))
                self._cancel()
                self._bell = None
            before = before or router.decide(question, reading).model == "llama"
            memory.note(router, question, before)
        return before

    async def _read(self, prompt: list[int], settings: SamplingSettings, guide: Any = None) -> Any:
        """Return what the Alpaca reads in a prompt; natively it begins to answer, too, and has the bell."""
        alpaca = self._core.voices["alpaca"]
        if not isinstance(alpaca.model, NativeModel):
            return await asyncio.to_thread(read_prompt, alpaca.model, prompt)
        self._submit(alpaca, prompt, settings, guide=guide, read=True)
        self._hold_slot()
        return await self._wait_for_reading()

    def _may_defer(self, router: Router) -> bool:
        """Tell whether the Alpaca's tokens are watched, for the Llama to go on from a doubtful one."""
        native = isinstance(self._core.alpaca.model, NativeModel)
        return native and router.defers and self._core.alike and not self.ask.grammar

    def _watched(self, router: Router) -> SamplingSettings:
        """Return how the Alpaca's tokens are drawn, with log-probabilities where they are watched."""
        settings = self.ask.settings
        if self._may_defer(router) and settings.top_logprobs is None:
            return dataclasses.replace(settings, top_logprobs=0)
        return settings

    async def _give_to(self, llama: Voice, guide: Any) -> None:
        """Let the Llama answer, from its own reading of the words if it has a tokenizer of its own."""
        if not self._core.alike:
            self.prompt = await self._core.encode_messages("llama", self.ask.messages)
            self.tokenizer = llama.tokenizer
            self.wording = Wording(self.tokenizer.decoder(), self.ask.stop)
        self._submit(llama, self.prompt, self.ask.settings, guide=guide)

    async def _wait_for_reading(self) -> Any:
        assert self._bell
        running: Any = self._bell.running
        while running.reading is None and running.finished is None:
            await self._bell.wait()
        self._raise(running.error)
        return running.reading

    def _defer(self, place: int) -> bool:
        """Let the Llama go on from the token at `place`, unless its context is full by then."""
        assert self._bell and self.decision
        llama = self._core.voices["llama"]
        if len(self.prompt) + place >= llama.model.context:
            self._doubter = None
            return False
        said = self._bell.running.tokens[:place]
        self._cancel()
        self._doubter, self._before, self._guesses = None, place, 0
        self.decision = defer(self.decision, place)
        self.reason = self.decision.reason
        left = self.ask.settings.max_tokens - place
        settings = dataclasses.replace(self.ask.settings, max_tokens=left)
        self._submit(llama, [*self.prompt, *said], settings)
        return True

    async def _guide(self, voice: Voice) -> Any:
        return await voice.grammars.guide(self.ask.grammar) if self.ask.grammar else None

    def _submit(self, voice: Voice, prompt: list[int], settings: SamplingSettings, **wishes: Any) -> None:
        self._voice, self.model = voice, voice.name
        self._bell = voice.runner.submit(prompt, settings, stop_ids=voice.tokenizer.stop_ids, **wishes)
        self._bell.on_end = self._give_slot

    def _hold_slot(self) -> None:
        """Keep the slot when the tokens have come to their end: others may follow."""
        assert self._bell
        self._bell.on_end = None

    def _let_slot_go(self) -> None:
        """Give the slot back when the tokens come to their end, or at once if they have."""
        assert self._bell
        self._bell.on_end = self._give_slot
        if self._bell.running.finished is not None:
            self._give_slot()

    def _cancel(self) -> None:
        """End what is being computed; the slot stays ours."""
        if self._bell and self._voice:
            self._bell.on_end = None
            if self._bell.running.finished is None:
                self._voice.runner.cancel(self._bell)

    async def _take_slot(self) -> None:
        await self._core.slots.take()
        self._holds_slot = True
        self._taken_s = time.perf_counter()

    def _give_slot(self) -> None:
        if self._holds_slot:
            self._holds_slot = False
            self._core.slots.give(time.perf_counter() - self._taken_s)

    # --- what comes -----------------------------------------------------------------------------------------

    @property
    def _tells_logprobs(self) -> bool:
        return self.ask.settings.top_logprobs is not None

    def _take(self) -> str:
        """Take in the tokens that came; return the text that they let through."""
        assert self._bell
        running, wording = self._bell.running, self.wording
        finished = running.finished  # before the tokens: none come after it
        tokens, told = running.tokens, running.logprobs
        begin, end = wording.count - self._before, len(tokens)
        if end and self.first_s is None:
            self.first_s = running.first_token_s or time.perf_counter()
        self._count_gap(end - begin)
        pieces: list[str] = []
        for place in range(begin, end):
            logprob = told[place] if place < len(told) else None
            if self._doubts(logprob) and self._defer(place):
                return "".join(pieces)
            guessed = self._was_guessed(place)
            pieces.append(
                wording.push(tokens[place], logprob if self._tells_logprobs else None, guessed=guessed)
            )
            if wording.stop:
                self._end("stop")
                self.close()
                return "".join(pieces)
        if finished:
            pieces.append(wording.flush(cut=finished != "stop"))
            self._end(finished)
            self._raise(running.error)
        return "".join(pieces)

    def _doubts(self, logprob: TokenLogprob | None) -> bool:
        """Tell whether the Alpaca was not sure of a token, where that is looked at."""
        if self._doubter is None or logprob is None:
            return False
        return self._doubter.doubt([logprob.logprob]) is not None

    def _was_guessed(self, place: int) -> bool:
        assert self._bell
        guessed = self._bell.running.guessed
        while self._guesses < len(guessed) and guessed[self._guesses] < place:
            self._guesses += 1
        return self._guesses < len(guessed) and guessed[self._guesses] == place

    def _raise(self, error: CamelidError | None) -> None:
        if error:
            raise error
        if self.finish == "error":
            raise RequestError("The reply could not go on.")

    # --- how it ended ---------------------------------------------------------------------------------------

    def _end(self, finish: Finish) -> None:
        self.finish = finish
        self.ended_s = time.perf_counter()
        if self._bell:
            self._count(self._core.metrics, self._bell.running, finish)

    def _count(self, metrics: Metrics, running: Running, finish: str) -> None:
        model = self.model
        metrics.replies.labels(model, finish).inc()
        metrics.prompt_tokens.labels(model).inc(len(self.prompt))
        metrics.reused_tokens.labels(model).inc(self.reused_tokens)
        metrics.tokens.labels(model).inc(self.wording.count)
        metrics.drafted.labels(model).inc(running.drafted)
        metrics.accepted.labels(model).inc(running.accepted)
        metrics.total.labels(model).observe((self.ended_s or self.came_s) - self.came_s)
        if self.first_s is not None:
            metrics.first_token.labels(model).observe(max(0.0, self.first_s - self.came_s))

    def _count_gap(self, new: int) -> None:
        if new <= 0:
            return
        now = time.perf_counter()
        if self._last_s is not None:
            self._core.metrics.gap.labels(self.model).observe((now - self._last_s) / new)
        self._last_s = now


def _ms(since: float, until: float | None) -> float | None:
    return None if until is None else round(1000 * (until - since), 3)
