"""The engine: requests in, streams of tokens out, many at once over one native model.

Whoever wants tokens steps for all (`turns`); what a step reads is settled elsewhere (`scheduler`), and which
block of the cache holds what, too (`cache`). Token ids only. For a given request and seed the tokens are the
same alone or among others, with or without reuse, slices and preemption: the native step computes each row in
the same order of sums, and the randomness of a token depends on the seed and its place alone.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from camelid.errors import ContextTooLongError, RequestError
from camelid.generate.backend import check_adapter, check_tokens, room_for
from camelid.generate.generation import Generation, Guide
from camelid.generate.sampling import SamplingSettings
from camelid.generate.scheduler import Counters, Drafter, Scheduler
from camelid.generate.turns import Turns
from camelid.native import _native


@dataclass(frozen=True)
class Load:
    """How busy an engine is: requests that run and wait; blocks by what they hold; what it has done so far.

    cached_blocks: blocks that hold what no request uses now, and are given up when room is needed.
    """

    running: int
    waiting: int
    blocks: int
    free_blocks: int
    cached_blocks: int
    counters: Counters


class Engine:
    """Answers many requests at once; any number of threads may use it."""

    def __init__(
        self,
        model: "_native.Model",
        *,
        vocab_size: int,
        context: int,
        cache_tokens: int,
        words: bool = True,
        slice_tokens: int = 512,
        burst_s: float = 0.002,
        drafter: Drafter | None = None,
        adapters: "Mapping[str, _native.Adapter] | None" = None,
    ) -> None:
        """Make an engine with a cache of `cache_tokens` positions, rounded up to whole blocks.

        context: the most that a prompt and its reply may have. words: the cache holds 16-bit integers with
            scales, else float32.
        slice_tokens: the most that one step reads of prompts. burst_s: for how long tokens may be chosen one
            after the other before newcomers are looked at. drafter: guesses ahead for running requests.
        adapters: what a request may ask for by name; each belongs to the model.

        Raises RequestError for a number out of its range, and when there is no memory for the cache.
        """
        for name, tokens in (("cache_tokens", cache_tokens), ("slice_tokens", slice_tokens)):
            if tokens < 1:
                raise RequestError(f"{name} must be 1 or more; found {tokens}.")
        self._model, self._vocab_size, self._context = model, vocab_size, context
        self._adapters = dict(adapters or {})
        num_blocks = -(-cache_tokens // _native.BLOCK)
        try:
            self._cache = model.new_cache(num_blocks, words)
        except (MemoryError, TypeError):  # the latter where there are more blocks than it can count
            raise RequestError(
                f"There is no memory for a cache of {num_blocks * _native.BLOCK} tokens. Make it smaller."
            ) from None
        self._capacity = num_blocks * _native.BLOCK
        self._turns = Turns()
        self._scheduler = Scheduler(self._cache, slice_tokens=slice_tokens, burst_s=burst_s, drafter=drafter)

    @property
    def cache_bytes(self) -> int:
        """Return the memory that the cache takes when it is full."""
        return self._cache.bytes

    @property
    def load(self) -> Load:
        """Return how busy the engine is now."""
        scheduler = self._scheduler
        running, waiting = scheduler.count()
        cache = scheduler.cache
        return Load(
            running, waiting, cache.num_blocks, cache.num_free, cache.num_idle, replace(scheduler.counters)
        )

    @property
    def drafter(self) -> Drafter | None:
        """Who guesses ahead for running requests."""
        return self._scheduler.drafter

    @drafter.setter
    def drafter(self, drafter: Drafter | None) -> None:
        self._turns.take(wait=True)
        try:
            self._scheduler.drafter = drafter
            self._scheduler.replan()
        finally:
            self._leave()

    def submit(
        self,
        token_ids: Iterable[int],
        settings: SamplingSettings,
        *,
        stop_ids: Iterable[int] = (),
        dial: float = 1.0,
        read: bool = False,
        guide: Guide | None = None,
        adapter: str = "",
    ) -> Generation:
        """Return a new request, which waits until somebody steps or streams.

        dial: where guesses are verified, how strictly, above 0 to 1: a guess is kept that the model finds at
            least so likely as its likeliest token times this; at 1 only what it would have said itself.
        read: whether to take down what the model finds at the end of the prompt. guide: says after each token
            which ones may follow; it belongs to this request alone, and nobody guesses for it.
        adapter: the name of one of the adapters, which changes the model for this request; "" for none.

        Raises RequestError for an empty prompt, unknown tokens or an unknown adapter, ContextTooLongError for
        a prompt that leaves no room for a token in the context or in the cache.
        """
        prompt = check_tokens(token_ids, self._vocab_size)
        check_adapter(adapter, self._adapters)
        settings.check_fits(self._vocab_size)
        limit = room_for(len(prompt), settings.max_tokens, self._context)
        if len(prompt) > self._capacity:
            raise ContextTooLongError(
                f"The prompt has {len(prompt)} tokens; the cache holds {self._capacity}. Shorten the prompt, "
                "or give the cache more room."
            )
        limit = min(limit, self._capacity - len(prompt) + 1)  # the last token is never read
        if not 0 < dial <= 1:
            raise RequestError(f"dial must be above 0 and at most 1; found {dial}.")
        generation = Generation(
            prompt, settings, frozenset(stop_ids), limit, dial=dial, read=read, guide=guide, adapter=adapter
        )
        if adapter:
            generation.sequence.use(self._adapters[adapter])
        self._scheduler.inbox.append(generation)
        return generation

    def stream(self, generation: Generation) -> "TokenStream":
        """Return an iterator over the tokens of a request; closing or dropping it cancels the request."""
        return TokenStream(self, generation)

    def step(self) -> bool:
        """Advance whatever can run by one step; return whether there was anything to do."""
        self._turns.take(wait=True)
        try:
            return self._step()
        finally:
            self._leave()

    def cancel(self, generation: Generation) -> None:
        """End a request and free what it has, at once or with the end of the step that runs now."""
        if generation.finished is None:
            generation.cancelled = True
            self._scheduler.cancelled.append(generation)
            self._tidy()

    def clear_cache(self) -> None:
        """Forget what no running request uses."""
        self._turns.take(wait=True)
        try:
            self._scheduler.cache.clear()
        finally:
            self._leave()

    def advance(self, generation: Generation, place: int) -> None:
        """Return when a request has more than `place` tokens or has ended; steps for all if nobody does."""

        def ready() -> bool:
            return len(generation.tokens) > place or generation.finished is not None

        try:
            while not ready():
                if self._turns.take():
                    self._step_until(ready)
                    self._leave()
                else:
                    self._turns.sleep(ready)
        except BaseException:
            self._turns.give_up()
            raise

    def _step_until(self, ready: Callable[[], bool]) -> None:
        while not ready():
            worked = self._step()
            assert worked or ready(), "a request that another engine has"
            self._turns.wake()

    def _step(self) -> bool:
        scheduler = self._scheduler
        try:
            if not scheduler.schedule():
                return False
            began = time.perf_counter()
            interrupt = self._run()
            scheduler.collect(time.perf_counter() - began)
        except MemoryError:
            scheduler.fail_youngest(
                RequestError("There is not enough memory to go on. Ask for less at once, or free some.")
            )
            return True
        except BaseException:  # a second interrupt, or a mistake of ours; no other reply suffers
            scheduler.start_over()
            raise
        if interrupt:
            raise interrupt
        return True

    def _run(self) -> KeyboardInterrupt | None:
        """Run what is scheduled; return an interrupt, which waits until what was chosen is collected."""
        scheduler = self._scheduler
        try:
            if scheduler.steps > 1:
                self._model.run(self._cache, scheduler.sequences, scheduler.steps)
            else:
                self._model.step(self._cache, scheduler.sequences, scheduler.counts)
        except KeyboardInterrupt as interrupt:  # comes before the step or after it, never within
            return interrupt
        return None

    def _leave(self) -> None:
        self._turns.give()
        self._tidy()

    def _tidy(self) -> None:
        """Free what was cancelled, unless somebody steps, who does it afterwards."""
        while self._scheduler.cancelled and self._turns.take():
            try:
                self._scheduler.forget_cancelled()
            finally:
                self._turns.give()


class TokenStream(Iterator[int]):
    """The tokens of one request, each as soon as it is known; an iterator for one thread."""

    def __init__(self, engine: Engine, generation: Generation) -> None:
        self.generation = generation
        self._engine = engine
        self._tokens = generation.tokens
        self._place = 0
        self._open = True

    def __next__(self) -> int:
        """Return the next token.

        Raises what ended the request, if it ended with an error.
        """
        place = self._place
        if place == len(self._tokens) and not self._wait():
            raise StopIteration
        self._place = place + 1
        return self._tokens[place]

    def close(self) -> None:
        """Cancel the request unless it has ended; no more tokens come."""
        self._open = False
        self._tokens = self._tokens[: self._place]
        self._engine.cancel(self.generation)

    def __del__(self) -> None:
        self._engine.cancel(self.generation)

    def _wait(self) -> bool:
        if not self._open:
            return False
        try:
            self._engine.advance(self.generation, self._place)
        except BaseException:
            self.close()
            raise
        self._open = len(self._tokens) > self._place
        if not self._open and self.generation.error:
            raise self.generation.error
        return self._open
