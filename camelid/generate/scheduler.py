"""What the next step reads, and what becomes of the tokens that it chose.

First come, first served: requests start in their order, those that run are always the longest waiting ones,
and when the cache is full the youngest gives its blocks back, to be read again later. Sequences that choose a
token go first; what time is left goes to slices of prompts.
"""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from camelid.errors import CamelidError, CheckpointError, RequestError
from camelid.generate.cache import PrefixCache
from camelid.generate.generation import Ending, Generation, Guide
from camelid.generate.pace import Pace
from camelid.generate.sampling import TokenLogprob
from camelid.native import _native


class Drafter(Protocol):
    """Who guesses what follows, so that one step can verify several tokens."""

    @property
    def resting(self) -> int:
        """Return how many steps may pass before anybody needs to ask for guesses."""

    def draft(self, batch: Sequence[Generation]) -> Sequence[Sequence[int]]:
        """Return guesses for each request, none where that does not pay."""

    def learn(self, seconds: float) -> None:
        """Take in how long the step took that verified them, and what became of them."""

    def rest(self, steps: int, seconds: float) -> None:
        """Take in that so many steps went by without guesses, and how long they took together."""


@dataclass
class Counters:
    """What has happened since the engine began, in steps, requests and tokens.

    tokens: chosen; prompt_tokens: read, again after a preemption; reused_tokens: found in the cache instead.
    """

    requests: int = 0
    steps: int = 0
    tokens: int = 0
    prompt_tokens: int = 0
    reused_tokens: int = 0
    preemptions: int = 0
    drafted: int = 0
    accepted: int = 0


class Scheduler:
    """Requests, the blocks of those that run, and the next step.

    sequences, counts: what the next step reads; steps: how many follow each other at once. inbox, cancelled:
    may be filled by any thread at any time; all else belongs to whoever steps.
    """

    def __init__(
        self, cache: "_native.Cache", *, slice_tokens: int, burst_s: float, drafter: Drafter | None
    ) -> None:
        self._native_cache, self.drafter = cache, drafter
        self.inbox: deque[Generation] = deque()
        self.cancelled: deque[Generation] = deque()
        # In the order of their coming; those that run are the first ones.
        self.live: dict[Generation, None] = {}
        self.cache = self._new_cache()
        self.counters = Counters()
        self.pace = Pace(slice_tokens, burst_s)
        self._settled = False  # the next step reads the next token of the same sequences
        self._refused = -1  # the blocks that there were when the next request did not find enough
        self._begin_plan()

    def schedule(self) -> bool:
        """Settle what the next step reads; return whether it is anything."""
        if self.inbox or self.cancelled:
            self._settled = False
        if not self._settled:
            self.forget_cancelled()
            self._plan()
        self.steps = self._choose_steps()
        return bool(self.batch)

    def collect(self, seconds: float) -> None:
        """Hand out what the steps chose that took so long together."""
        counters = self.counters
        counters.prompt_tokens += self._sliced
        taken = 1  # of the steps of a burst; all sequences may end before it does
        for generation in self.batch:
            tokens = generation.tokens
            new = generation.sequence.since(generation.start + len(tokens))
            counters.tokens += len(new)
            taken = max(taken, min(self.steps, len(new)))
            if generation.plain and len(new) == self.steps and new[-1] not in generation.stop_ids:
                tokens += new
                if len(tokens) >= generation.border:
                    self._pass_border(generation)
            else:
                self._collect_closely(generation, new)
        counters.steps += taken
        self.pace.learn(self._sliced, seconds / taken, alone=self._alone)
        if self.drafter and not self._sliced:  # a slice of a prompt would count as time that guesses cost
            self._teach(self.drafter, taken, seconds)

    def _teach(self, drafter: Drafter, steps: int, seconds: float) -> None:
        if not drafter.resting:
            drafter.learn(seconds)
            return
        drafter.rest(steps, seconds)
        self._settled = self._settled and drafter.resting > 0

    def replan(self) -> None:
        """Settle anew what the next step reads."""
        self._settled = False

    def forget_cancelled(self) -> None:
        """Free what cancelled requests have."""
        self._take_in()
        while self.cancelled:
            generation = self.cancelled[0]
            if generation in self.live:
                self._finish(generation, "cancelled")
            self.cancelled.popleft()

    def start_over(self) -> None:
        """Forget the cache and read everything anew, after an error that left it in doubt."""
        self.cache = self._new_cache()
        self._begin_plan()
        self._settled = False
        self._refused = -1
        for generation in list(self.live):
            generation.lease = None
            new = generation.sequence.since(generation.start + len(generation.tokens))
            if new:  # chosen by the step that was interrupted
                self._collect_closely(generation, new)

    def fail_youngest(self, error: CamelidError) -> None:
        """End the request that came last of those that run with an error, and start over with the others."""
        youngest = (self._running() or list(self.live)[:1])[-1:]
        self.start_over()
        for generation in youngest:
            self._finish(generation, "error", error)

    def count(self) -> tuple[int, int]:
        """Return how many requests run and how many wait."""
        live = list(self.live)
        running = sum(generation.lease is not None for generation in live)
        return running, len(live) - running + len(self.inbox)

    def _new_cache(self) -> PrefixCache:
        return PrefixCache(self._native_cache.blocks, _native.BLOCK, self._native_cache.copy)

    def _take_in(self) -> None:
        while self.inbox:
            generation = self.inbox[0]
            if not generation.finished:
                self.live[generation] = None
                self._settled = False
            self.inbox.popleft()

    # --- what is read ---------------------------------------------------------------------------------------

    def _begin_plan(self) -> None:
        self.batch: list[Generation] = []
        self.sequences: list[_native.Sequence] = []
        self.counts: list[int] = []
        self.steps = 1
        self._sliced = 0  # tokens of prompts
        self._alone = True

    def _plan(self) -> None:
        self._begin_plan()
        running = self._running()
        deciding = [generation for generation in running if generation.sequence.pending == 1]
        for generation in deciding:
            if self._make_room(generation):
                self._read(generation, 1)
        guessing = self.drafter is not None and not self.drafter.resting
        if self.drafter and guessing and self.batch:
            self._draft(self.drafter)
        self._alone = not self.batch
        self._slice_prompts([generation for generation in running if generation.sequence.pending > 1])
        self._settled = not self._sliced and not guessing and len(self.batch) == len(self.live)

    def _choose_steps(self) -> int:
        """Return how many tokens each sequence may choose before anything else is to be done for one."""
        most = self.pace.steps() if self._settled else 1
        if self.drafter:
            most = min(most, max(1, self.drafter.resting))
        for generation in self.batch:
            if most == 1 or not generation.plain:
                return 1
            most = min(most, generation.border - len(generation.tokens))
        return most

    def _slice_prompts(self, started: list[Generation]) -> None:
        left = self.pace.tokens(alone=self._alone)
        for generation in started:
            if left and generation.lease:
                left -= self._read_slice(generation, left)
        for generation in self.live:
            if generation.lease:
                continue
            if not left or not self._admit(generation):
                return
            left -= self._read_slice(generation, left)

    def _read_slice(self, generation: Generation, most: int) -> int:
        count = min(most, generation.sequence.pending)
        self._read(generation, count)
        self._sliced += count
        return count

    def _read(self, generation: Generation, count: int) -> None:
        self.batch.append(generation)
        self.sequences.append(generation.sequence)
        self.counts.append(count)

    def _draft(self, drafter: Drafter) -> None:
        batch = [generation for generation in self.batch if not generation.guide]
        for generation, guesses in zip(batch, drafter.draft(batch), strict=True):
            most = generation.limit - len(generation.tokens) - 1  # besides the token that is chosen anyway
            drafts = list(guesses[: max(0, most)])
            if drafts and self._extend(generation, generation.sequence.length + len(drafts)):
                generation.sequence.drafts = drafts
                generation.drafted += len(drafts)
                self.counters.drafted += len(drafts)

    # --- blocks ---------------------------------------------------------------------------------------------

    def _running(self) -> list[Generation]:
        running = []
        for generation in self.live:
            if not generation.lease:
                break
            running.append(generation)
        return running

    def _admit(self, generation: Generation) -> bool:
        """Let a request begin, or go on after a preemption, if there is room."""
        if self._refused == self.cache.available:
            return False
        sequence, tokens = generation.sequence, generation.sequence.tokens
        lease = self.cache.open(
            tokens[:-1], len(tokens), spare=len(self._running()), adapter=generation.adapter
        )
        if not lease:
            self._refused = self.cache.available
            return False
        if self._is_being_read(tokens[: (lease.shared + 1) * _native.BLOCK], generation.adapter):
            self.cache.close(lease, ())
            return False
        sequence.computed, sequence.drafts = lease.reused, []
        generation.lease = lease
        self._lay_out(generation)
        if generation.started_s is None:
            self._start(generation, lease.reused)
        return True

    def _start(self, generation: Generation, reused: int) -> None:
        generation.started_s = time.perf_counter()
        generation.reused_tokens = reused
        self.counters.requests += 1
        self.counters.reused_tokens += reused

    def _is_being_read(self, tokens: list[int], adapter: str) -> bool:
        """Tell whether this step fills a block that a request which begins with `tokens` can share next."""
        size = len(tokens)
        return size % _native.BLOCK == 0 and any(
            count > 1
            and other.sequence.computed + count >= size
            and other.adapter == adapter
            and other.prompt[:size] == tokens
            for other, count in zip(self.batch, self.counts, strict=True)
        )

    def _make_room(self, generation: Generation) -> bool:
        """Give a sequence the block that its next token needs; return False if it had to step back."""
        while generation.lease and not self._extend(generation, generation.sequence.length):
            self._preempt(self._running()[-1])
        return generation.lease is not None

    def _extend(self, generation: Generation, positions: int) -> bool:
        lease = generation.lease
        assert lease
        before = len(lease.blocks)
        if not self.cache.extend(lease, positions):
            return False
        if len(lease.blocks) > before:
            self._lay_out(generation)
        return True

    def _lay_out(self, generation: Generation) -> None:
        """Tell the sequence its blocks, and when it needs the next one."""
        assert generation.lease
        generation.sequence.blocks = generation.lease.blocks
        room = len(generation.lease.blocks) * _native.BLOCK - generation.start
        # The last token is not read yet; the first one is an event in itself.
        generation.border = min(generation.limit, room + 1) if generation.tokens else 1

    def _preempt(self, generation: Generation) -> None:
        self._close(generation)
        generation.sequence.computed = 0
        generation.preemptions += 1
        self.counters.preemptions += 1

    def _share(self, generation: Generation) -> None:
        assert generation.lease
        if self.cache.share(generation.lease, self._known(generation)):
            generation.sequence.blocks = generation.lease.blocks

    def _known(self, generation: Generation) -> list[int]:
        """Return the tokens that the cache knows, after those in shared blocks."""
        assert generation.lease
        begin = generation.lease.shared * _native.BLOCK
        return generation.sequence.since(begin)[: generation.sequence.computed - begin]

    def _close(self, generation: Generation) -> None:
        lease = generation.lease
        if lease:
            known = self._known(generation)
            generation.lease = None
            self.cache.close(lease, known)
        self._settled, self._refused = False, -1

    # --- what was chosen ------------------------------------------------------------------------------------

    def _collect_closely(self, generation: Generation, new: list[int]) -> None:
        if not new and generation.sequence.pending:
            self._share(generation)  # a slice of a prompt
            return
        if not new:
            self._finish(generation, "error", _complaint(generation.sequence.chosen[-1].token))
            return
        if self.steps == 1:
            generation.accepted += len(new) - 1
            generation.guessed += range(len(generation.tokens), len(generation.tokens) + len(new) - 1)
            self.counters.accepted += len(new) - 1
        stopped = new[-1] in generation.stop_ids
        kept = len(new) - stopped
        if generation.awaits_reading:
            generation.take_down()
        if generation.settings.top_logprobs is not None:
            told = [TokenLogprob(c.token, c.logprob, tuple(c.top)) for c in generation.sequence.chosen[:kept]]
            generation.logprobs[len(generation.tokens) :] = told
        if generation.guide and not stopped and (error := _lead(generation, generation.guide, new)):
            self._finish(generation, "error", error)
            return
        generation.tokens += new[:kept]
        if stopped:
            self._finish(generation, "stop")
        elif len(generation.tokens) >= generation.border:
            self._pass_border(generation)

    def _pass_border(self, generation: Generation) -> None:
        self._settled = False
        if generation.first_token_s is None:
            generation.first_token_s = time.perf_counter()
        if len(generation.tokens) >= generation.limit:
            self._finish(generation, "length")
        elif generation.lease:
            self._share(generation)
            self._lay_out(generation)

    def _finish(self, generation: Generation, ending: Ending, error: CamelidError | None = None) -> None:
        generation.finished_s = time.perf_counter()
        generation.error = error
        self._close(generation)
        generation.ending = ending  # from now on readers see it
        self.live.pop(generation, None)


def _lead(generation: Generation, guide: Guide, new: list[int]) -> CamelidError | None:
    """Tell a request's guide what was chosen, and take its word for what may follow."""
    try:
        for token in new:
            guide.push(token)
        generation.sequence.allowed = guide.allowed() or []
    except CamelidError as error:
        return error
    return None


def _complaint(token: int) -> CamelidError:
    if token == -2:
        return RequestError("No token is allowed here, so the reply cannot go on. Loosen the grammar.")
    return CheckpointError(
        "The model's logits are not numbers, so its weights are damaged. Copy or train it anew."
    )
