"""Laws of the engine: a request's tokens do not depend on its company, and nothing it held outlives it."""

import functools
import random
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camelid.errors import CheckpointError, ContextTooLongError, RequestError
from camelid.native import is_built

if not is_built():
    pytest.skip("the native engine is not built", allow_module_level=True)

import native_tiny

from camelid.generate.engine import Engine
from camelid.generate.generation import native_sampling
from camelid.generate.pace import Pace
from camelid.generate.sampling import SamplingSettings
from camelid.native import _native

CONTEXT, VOCABULARY, BLOCK = native_tiny.CONTEXT, native_tiny.VOCABULARY, _native.BLOCK
STOP = 7


@functools.cache
def model(threads=1, type_=2):
    return native_tiny.make_native(threads=threads, type_=type_)


def make_engine(native=None, **options):
    # One step at a time, unless a test says otherwise.
    defaults = {"vocab_size": VOCABULARY, "context": CONTEXT, "cache_tokens": 40 * BLOCK, "burst_s": 0.0}
    return Engine(native or model(), **{**defaults, **options})


def greedy(max_tokens=20, **options):
    return SamplingSettings(max_tokens=max_tokens, **options)


def answer_alone(prompt, settings, stop_ids=()):
    """Return a reply by the bare native step, one sequence in a cache of its own."""
    sequence = _native.Sequence(prompt, native_sampling(settings), list(stop_ids))
    blocks = -(-CONTEXT // BLOCK)
    cache = model().new_cache(blocks, True)
    sequence.blocks = list(range(blocks))
    while sequence.length < min(len(prompt) + settings.max_tokens, CONTEXT):
        model().step(cache, [sequence], [sequence.pending])
        if sequence.since(sequence.length - 1)[0] in stop_ids:
            return sequence.since(len(prompt))[:-1]
    return sequence.since(len(prompt))


def assert_empty(engine):
    load = engine.load
    assert (load.running, load.waiting) == (0, 0)
    assert load.free_blocks + load.cached_blocks == load.blocks
    assert all(not node.users for node in engine._scheduler.cache.nodes())
    engine.clear_cache()
    assert engine.load.free_blocks == load.blocks


def run(engine):
    while engine.step():
        pass


SETTINGS = st.builds(
    SamplingSettings,
    max_tokens=st.integers(1, 90),
    temperature=st.sampled_from((0.0, 0.0, 0.8, 1.5)),
    top_k=st.sampled_from((0, 20)),
    top_p=st.sampled_from((1.0, 0.9)),
    repetition_penalty=st.sampled_from((1.0, 1.2)),
    frequency_penalty=st.sampled_from((0.0, 0.5)),
    seed=st.integers(0, 9),
)
# Few beginnings, so that much is shared.
PROMPTS = st.builds(
    lambda size, end, word: [place * 5 % VOCABULARY for place in range(size)] + end + [word],
    st.sampled_from((0, 0, 63, 64, 65, 100, 128, 190)),
    st.lists(st.integers(0, 2), max_size=3),
    st.integers(0, VOCABULARY - 1),
)
REQUESTS = st.lists(st.tuples(PROMPTS, SETTINGS, st.integers(0, 12)), min_size=1, max_size=6)


@settings(deadline=None, max_examples=60)
@given(
    REQUESTS,
    st.sampled_from((5, 6, 9, 40)),
    st.sampled_from((1, 3, 50, 512)),
    st.sampled_from((1, 1, 2)),
    st.sampled_from((0.0, 0.0005, 10.0)),
)
def test_tokens_are_the_same_alone_and_in_any_company(requests, blocks, slice_tokens, threads, burst_s):
    """In batches, with reuse, slices of prompts, bursts and, where the cache is small, preemption."""
    engine = make_engine(
        model(threads), cache_tokens=blocks * BLOCK, slice_tokens=slice_tokens, burst_s=burst_s
    )
    generations = []
    for prompt, wishes, steps in requests:
        generations.append(engine.submit(prompt, wishes, stop_ids=[STOP]))
        for _ in range(steps):
            engine.step()
    run(engine)
    for generation, (prompt, wishes, _) in zip(generations, requests, strict=True):
        assert generation.tokens == answer_alone(prompt, wishes, [STOP])[: generation.limit]
        assert generation.finished == "length" if len(generation.tokens) == generation.limit else "stop"
    assert_empty(engine)


def test_a_small_cache_preempts_and_the_tokens_stay():
    engine = make_engine(cache_tokens=6 * BLOCK)
    prompts = [[number] * 50 for number in range(8, 13)]
    generations = [engine.submit(prompt, greedy(120, temperature=1, seed=3)) for prompt in prompts]
    run(engine)
    assert engine.load.counters.preemptions > 0
    assert engine.load.counters.preemptions == sum(generation.preemptions for generation in generations)
    for generation, prompt in zip(generations, prompts, strict=True):
        assert generation.tokens == answer_alone(prompt, greedy(120, temperature=1, seed=3))
    assert_empty(engine)


def test_two_who_fill_equal_blocks_share_one_and_the_other_goes_to_somebody_else():
    engine = make_engine()
    twins = [engine.submit([9] * 60, greedy(60)) for _ in range(2)]
    for _ in range(12):
        engine.step()
    assert len(twins[0].tokens) == len(twins[1].tokens) > 4  # beyond the first block
    assert twins[0].lease.blocks[0] == twins[1].lease.blocks[0]
    other = engine.submit([11] * 100, greedy(60))
    run(engine)
    for twin in twins:
        assert twin.tokens == answer_alone([9] * 60, greedy(60))
    assert other.tokens == answer_alone([11] * 100, greedy(60))


def test_first_come_first_served():
    engine = make_engine(cache_tokens=4 * BLOCK)
    generations = [engine.submit([number] * 100, greedy(60)) for number in range(8, 14)]
    run(engine)
    assert generations == sorted(generations, key=lambda generation: generation.started_s)
    assert generations == sorted(generations, key=lambda generation: generation.finished_s)


@pytest.mark.parametrize("length", (3, 64, 100))
def test_a_follow_up_turn_reads_only_its_new_tokens(length):
    engine = make_engine()
    first = engine.submit(range(length - 1, -1, -1) if length < 90 else [5] * length, greedy(40))
    run(engine)
    read = engine.load.counters.prompt_tokens
    follow_up = first.prompt + first.tokens + [1, 2, 3]
    second = engine.submit(follow_up, greedy(10))
    run(engine)
    assert second.reused_tokens == len(first.prompt) + len(first.tokens) - 1  # the last was never read
    assert engine.load.counters.prompt_tokens - read == 4
    assert second.tokens == answer_alone(follow_up, greedy(10))
    again = engine.submit(follow_up, greedy(10))
    run(engine)
    assert again.reused_tokens == len(follow_up) - 1 and again.tokens == second.tokens


def test_a_beginning_that_many_share_is_read_once():
    engine = make_engine(cache_tokens=60 * BLOCK)
    shared = [place % 90 for place in range(3 * BLOCK)]
    generations = [engine.submit([*shared, number], greedy(5)) for number in range(8)]
    run(engine)
    assert engine.load.counters.prompt_tokens <= len(shared) + 8
    assert [generation.reused_tokens for generation in generations] == [0] + [len(shared)] * 7
    for number, generation in enumerate(generations):
        assert generation.tokens == answer_alone([*shared, number], greedy(5))


def test_cancelling_frees_at_once():
    engine = make_engine()
    generations = [engine.submit([number] * 70, greedy(50)) for number in range(8, 12)]
    for _ in range(9):
        engine.step()
    before = engine.load
    engine.cancel(generations[1])
    assert engine.load.running == before.running - 1
    assert (
        engine.load.free_blocks + engine.load.cached_blocks == before.free_blocks + before.cached_blocks + 2
    )
    for generation in generations:
        engine.cancel(generation)
    assert {generation.finished for generation in generations} == {"cancelled"}
    assert_empty(engine)
    assert not engine.step()


@pytest.mark.parametrize("leave", ("close", "drop", "before the first token"))
def test_who_leaves_a_stream_cancels_it(leave):
    engine = make_engine()
    stream = engine.stream(engine.submit([9] * 5, greedy(50)))
    generation = stream.generation
    if leave != "before the first token":
        assert next(stream) == generation.tokens[0]
    if leave == "close":
        stream.close()
        assert list(stream) == []
    del stream
    assert generation.finished == "cancelled" and len(generation.tokens) <= 1
    run(engine)
    assert_empty(engine)


@pytest.mark.parametrize("burst_s", [0.0, 0.0005])
def test_ten_thousand_submits_cancels_and_disconnects_leave_the_cache_empty(burst_s):
    choose = random.Random(5)
    native = native_tiny.make_native(num_hidden_layers=1)
    engine = make_engine(native, cache_tokens=12 * BLOCK, burst_s=burst_s)
    begins = [[choose.randrange(VOCABULARY) for _ in range(80)] for _ in range(4)]
    waiting, streams, submitted = [], [], 0
    while submitted < 10_000:
        act = choose.random()
        if act < 0.35:
            size = choose.choice((0, 1, 5, 64, 80))
            prompt = [*choose.choice(begins)[:size], choose.randrange(VOCABULARY)]
            wishes = greedy(choose.choice((1, 3, 20, 200)), temperature=choose.choice((0.0, 1.0)))
            generation = engine.submit(prompt, wishes, stop_ids=[STOP])
            submitted += 1
            waiting.append(generation)
            if act < 0.12:
                streams.append(engine.stream(generation))
        elif act < 0.55 and waiting:
            engine.cancel(waiting.pop(choose.randrange(len(waiting))))
        elif act < 0.65 and streams:
            streams.pop(choose.randrange(len(streams))).close()
        elif streams and act < 0.75:
            next(choose.choice(streams), None)
        else:
            engine.step()
    for stream in streams:
        stream.close()
    for generation in waiting:
        engine.cancel(generation)
    assert engine.load.counters.requests > 1000 < engine.load.counters.reused_tokens
    assert_empty(engine)


def consume(engine, requests, found, leave_after=None):
    for number, (prompt, wishes) in requests:
        stream = engine.stream(engine.submit(prompt, wishes))
        found[number] = []
        for token in stream:
            found[number].append(token)
            if leave_after is not None and len(found[number]) > leave_after:
                stream.close()


def start(*arguments):
    thread = threading.Thread(target=consume, args=arguments, daemon=True)
    thread.start()
    return thread


def test_threads_stream_at_once_and_each_gets_its_own_tokens():
    engine = make_engine(cache_tokens=12 * BLOCK)
    requests = [
        ([number + 8] * (1 + 13 * number % 90), greedy(40, temperature=1, seed=number))
        for number in range(18)
    ]
    found = {}
    numbered = list(enumerate(requests))
    threads = [start(engine, numbered[part::6], found, 3 if part == 5 else None) for part in range(6)]
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    for number, request in numbered:
        expected = answer_alone(*request)
        assert found[number] == (expected[:4] if number % 6 == 5 else expected)
    assert_empty(engine)


def test_a_reader_who_pauses_holds_nobody_up():
    """The first one steps, takes its token and goes; the second, who sleeps meanwhile, has to go on alone."""
    engine = make_engine(Once(model(), at=1, hold=True))
    slow = engine.stream(engine.submit([9], greedy(50)))
    found = {}
    first = threading.Thread(target=next, args=(slow,), daemon=True)
    first.start()
    assert engine._model.reached.wait(60)
    second = start(engine, [(0, ([10], greedy(50)))], found)
    deadline = time.monotonic() + 60
    while not engine._turns._sleepers:
        assert time.monotonic() < deadline
    engine._model.release.set()
    first.join(60)
    second.join(60)
    assert found[0] == answer_alone([10], greedy(50))
    assert len(list(slow)) == 49


def test_a_cancelled_stream_ends_for_the_thread_that_waits_for_it():
    engine = make_engine(Once(model(), at=3, hold=True))
    model_ = engine._model
    generation = engine.submit([9], greedy(300))
    other = engine.submit([11], greedy(3))
    found = {}

    def read(number, generation):
        found[number] = list(engine.stream(generation))

    threads = [
        threading.Thread(target=read, args=pair, daemon=True) for pair in enumerate((generation, other))
    ]
    threads[0].start()
    model_.reached.wait(60)  # it is stepping now
    threads[1].start()
    engine.cancel(generation)
    model_.release.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert generation.finished == "cancelled" and len(found[0]) < 5
    assert found[1] == answer_alone([11], greedy(3))
    assert_empty(engine)


class Once:
    """A model one of whose steps fails, or waits until it is released."""

    def __init__(self, native, *, at, error=None, after=False, hold=False):
        self.native, self.at, self.error, self.after, self.hold = native, at, error, after, hold
        self.steps = 0
        self.reached, self.release = threading.Event(), threading.Event()

    def new_cache(self, blocks, half):
        return self.native.new_cache(blocks, half)

    def step(self, cache, sequences, counts):
        self.steps += 1
        if self.steps != self.at:
            return self.native.step(cache, sequences, counts)
        if self.hold:
            self.reached.set()
            self.release.wait(60)
        if self.after or self.hold:
            self.native.step(cache, sequences, counts)
        if self.error:
            raise self.error


@pytest.mark.parametrize("at", (2, 3, 20))
def test_no_memory_for_a_step_ends_the_youngest_request_alone(at):
    engine = make_engine(Once(model(), at=at, error=MemoryError()))
    streams = [engine.stream(engine.submit([number] * 90, greedy())) for number in (8, 9)]
    with pytest.raises(RequestError, match="not enough memory"):
        list(streams[1])
    assert streams[1].generation.finished == "error" and list(streams[1]) == []
    assert list(streams[0]) == answer_alone([8] * 90, greedy())
    assert_empty(engine)


@pytest.mark.parametrize("after", (False, True))
@pytest.mark.parametrize("error", (KeyboardInterrupt, ZeroDivisionError))
def test_an_interrupt_ends_the_stream_it_comes_to_and_no_other(error, after):
    for at in (1, 2, 3, 15):
        engine = make_engine(Once(model(), at=at, error=error(), after=after))
        wishes = greedy(20, top_logprobs=0)
        streams = [engine.stream(engine.submit([number] * 70, wishes)) for number in (8, 9)]
        with pytest.raises(error):
            list(streams[1])
        assert streams[1].generation.finished == "cancelled"
        other = streams[0].generation
        assert list(streams[0]) == answer_alone([8] * 70, wishes)
        assert [told.token_id for told in other.logprobs] == other.tokens
        assert_empty(engine)


def test_an_interrupted_reply_is_still_known_in_the_next_turn():
    engine = make_engine(Once(model(), at=30, error=KeyboardInterrupt(), after=True))
    stream = engine.stream(engine.submit([9] * 70, greedy(200)))
    with pytest.raises(KeyboardInterrupt):
        list(stream)
    follow_up = engine.submit([9] * 70 + stream.generation.tokens + [5], greedy(3))
    run(engine)
    assert follow_up.reused_tokens >= 70 + 28


def test_damaged_weights_are_told():
    engine = make_engine(native_tiny.make_native(last_norm=np.nan))
    stream = engine.stream(engine.submit([1], greedy()))
    with pytest.raises(CheckpointError, match="damaged"):
        next(stream)
    assert stream.generation.finished == "error"
    assert_empty(engine)


def test_no_allowed_token_ends_that_request_alone():
    engine = make_engine()
    streams = [engine.stream(engine.submit([number], greedy())) for number in (8, 9)]
    next(streams[0])
    streams[0].generation.sequence.allowed = [0] * -(-VOCABULARY // 32)
    with pytest.raises(RequestError, match="No token is allowed"):
        list(streams[0])
    assert list(streams[1]) == answer_alone([9], greedy())


def test_impossible_requests_are_refused():
    engine = make_engine(cache_tokens=BLOCK)
    with pytest.raises(ContextTooLongError, match=f"{CONTEXT} tokens; the context of {CONTEXT}"):
        engine.submit([1] * CONTEXT, greedy())
    with pytest.raises(ContextTooLongError, match=f"{BLOCK + 1} tokens; the cache holds {BLOCK}"):
        engine.submit([1] * (BLOCK + 1), greedy())
    with pytest.raises(RequestError, match="found none"):
        engine.submit([], greedy())
    with pytest.raises(RequestError, match=f"found {VOCABULARY}"):
        engine.submit([1, VOCABULARY], greedy())
    with pytest.raises(RequestError, match="logit_bias"):
        engine.submit([1], greedy(logit_bias={VOCABULARY: 1}))
    assert_empty(engine)


@pytest.mark.parametrize("tokens", (2**36, 2**50))
def test_a_cache_that_cannot_be_had_is_an_error(tokens):
    with pytest.raises(RequestError, match="no memory for a cache"):
        make_engine(cache_tokens=tokens)


@pytest.mark.parametrize("name", ("cache_tokens", "slice_tokens"))
def test_an_engine_needs_room(name):
    with pytest.raises(RequestError, match=f"{name} must be 1 or more; found 0"):
        make_engine(**{name: 0})


def test_replies_end_where_the_room_ends():
    engine = make_engine(cache_tokens=BLOCK)
    full = engine.submit([1] * BLOCK, greedy())
    longer = engine.submit([1] * (BLOCK - 5), greedy())
    run(engine)
    assert (len(full.tokens), len(longer.tokens), longer.finished) == (1, 6, "length")
    engine = make_engine()
    to_the_end = engine.submit([1] * (CONTEXT - 3), greedy())
    run(engine)
    assert len(to_the_end.tokens) == 3


def test_log_probabilities_come_with_the_tokens():
    engine = make_engine()
    generation = engine.submit([3, 4], greedy(12, top_logprobs=3), stop_ids=[STOP])
    run(engine)
    assert [told.token_id for told in generation.logprobs] == generation.tokens
    for told in generation.logprobs:
        assert told.top[0] == (told.token_id, told.logprob) and len(told.top) == 3


def test_without_a_seed_replies_differ():
    engine = make_engine()
    generations = [engine.submit([3], greedy(20, temperature=1)) for _ in range(2)]
    run(engine)
    assert generations[0].tokens != generations[1].tokens


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 4), st.sampled_from((0.0, 1.0)), st.randoms(use_true_random=False))
def test_drafts_change_no_token(length, temperature, choose):
    prompts, wishes = [[9] * 60, [4, 5]], greedy(40, temperature=temperature, seed=1)
    replies = {tuple(prompt): answer_alone(prompt, wishes, [STOP]) for prompt in prompts}

    class Drafter:
        """Guesses right, most of the time."""

        resting = 0

        def draft(self, batch):
            return [self.guess(replies[tuple(each.prompt)][len(each.tokens) :]) for each in batch]

        def guess(self, rest):
            return [token if choose.random() < 0.9 else 3 for token in rest[:length]]

        def learn(self, seconds):
            assert seconds > 0

    engine = make_engine(cache_tokens=7 * BLOCK, drafter=Drafter())
    generations = [engine.submit(prompt, wishes, stop_ids=[STOP]) for prompt in prompts]
    run(engine)
    for generation in generations:
        assert generation.tokens == replies[tuple(generation.prompt)]
        assert 0 <= generation.accepted <= generation.drafted
    counters = engine.load.counters
    assert counters.accepted == sum(generation.accepted for generation in generations)
    assert_empty(engine)


def test_a_burst_chooses_many_tokens_in_one_call_and_ends_where_a_reply_does():
    engine = make_engine(burst_s=10.0)
    long, short = engine.submit([4, 5], greedy(100)), engine.submit([9] * 60, greedy(7))
    calls = 0
    while engine.step():
        calls += 1
    assert calls < 20 and engine.load.counters.steps >= 100
    assert long.tokens == answer_alone([4, 5], greedy(100)) and long.finished == "length"
    assert short.tokens == answer_alone([9] * 60, greedy(7)) and short.finished == "length"
    assert engine.load.counters.accepted == 0
    assert_empty(engine)


def test_right_drafts_save_steps():
    reply = answer_alone([4, 5], greedy(40))

    class Prophet:
        resting = 0

        def draft(self, batch):
            return [reply[len(generation.tokens) :][:4] for generation in batch]

        def learn(self, seconds):
            pass

    engine = make_engine(drafter=Prophet())
    generation = engine.submit([4, 5], greedy(40))
    run(engine)
    assert generation.tokens == reply
    assert engine.load.counters.steps == 1 + 8  # five tokens each, after the prompt
    assert generation.accepted == generation.drafted == len(generation.guessed) == 31
    assert generation.guessed[:5] == [1, 2, 3, 4, 6]  # after the prompt's token, four of each five


def softmax(logits):
    weights = np.exp(logits.astype(np.float64) - logits.max())
    return weights / weights.sum()


@settings(deadline=None, max_examples=30)
@given(REQUESTS, st.sampled_from((6, 40)), st.sampled_from((3, 512)), st.sampled_from((0.0, 10.0)))
def test_a_reading_is_what_the_prompt_alone_leaves(requests, blocks, slice_tokens, burst_s):
    engine = make_engine(cache_tokens=blocks * BLOCK, slice_tokens=slice_tokens, burst_s=burst_s)
    generations = [
        engine.submit(prompt, wishes, stop_ids=[STOP], read=True) for prompt, wishes, _ in requests
    ]
    run(engine)
    for generation in generations:
        prompt, found = generation.prompt, generation.reading
        sequence = _native.Sequence(prompt, _native.Sampling())
        cache = model().new_cache(7, True)
        sequence.blocks = list(range(7))
        hidden = np.empty((len(prompt), native_tiny.SHAPE["hidden_size"]), np.float32)
        model().hidden(cache, sequence, len(prompt), hidden)
        assert np.array_equal(found.hidden, hidden[-1])
        logits = np.empty((len(prompt), VOCABULARY), np.float32)
        sequence.computed = 0
        model().logits(cache, sequence, len(prompt), logits)
        chances = softmax(logits[-1])
        first, second = np.sort(chances)[:-3:-1]
        expected = (-(chances * np.log(chances)).sum(), first, first - second)
        assert (found.entropy, found.top, found.margin) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_who_does_not_ask_for_a_reading_has_none():
    engine = make_engine()
    generation = engine.submit([5] * 9, greedy(3))
    run(engine)
    assert generation.reading is None


class OddOnly:
    """A guide that lets odd tokens follow, until it has seen `most`."""

    def __init__(self, most=1000, breaks=False):
        self.seen, self._most, self._breaks = [], most, breaks

    def allowed(self):
        if self._breaks and len(self.seen) == self._most:
            raise RequestError("The grammar is broken.")
        return [0xAAAAAAAA if len(self.seen) < self._most else 0] * (VOCABULARY // 32)

    def push(self, token_id):
        self.seen.append(token_id)


@settings(deadline=None, max_examples=20)
@given(REQUESTS, st.sampled_from((6, 40)), st.sampled_from((0.0, 10.0)))
def test_a_guide_is_obeyed_and_disturbs_nobody(requests, blocks, burst_s):
    engine = make_engine(cache_tokens=blocks * BLOCK, burst_s=burst_s)
    guides = [OddOnly() if place % 2 else None for place in range(len(requests))]
    generations = [
        engine.submit(prompt, wishes, stop_ids=[STOP], guide=guide)
        for (prompt, wishes, _), guide in zip(requests, guides, strict=True)
    ]
    run(engine)
    for generation, guide, (prompt, wishes, _) in zip(generations, guides, requests, strict=True):
        if guide is None:
            assert generation.tokens == answer_alone(prompt, wishes, [STOP])[: generation.limit]
        else:
            assert all(token % 2 for token in generation.tokens)
            assert guide.seen == generation.tokens
            other = make_engine()
            alone = other.submit(prompt, wishes, stop_ids=[STOP], guide=OddOnly())
            run(other)
            assert generation.tokens == alone.tokens[: generation.limit]
    assert_empty(engine)


@pytest.mark.parametrize(("breaks", "words"), [(False, "No token is allowed"), (True, "grammar is broken")])
def test_a_guide_that_leaves_nothing_ends_its_own_request_only(breaks, words):
    engine = make_engine()
    stuck = engine.submit([5] * 9, greedy(20), guide=OddOnly(4, breaks))
    other = engine.submit([6] * 9, greedy(20))
    run(engine)
    assert stuck.finished == "error" and words in str(stuck.error)
    assert len(stuck.tokens) == 4 - breaks
    assert other.tokens == answer_alone([6] * 9, greedy(20))
    assert_empty(engine)


def test_nobody_guesses_for_a_guided_request():
    class Eager:
        resting = 0

        def draft(self, batch):
            assert not any(generation.guide for generation in batch)
            return [[1, 1] for _ in batch]

        def learn(self, seconds):
            pass

    engine = make_engine(drafter=Eager())
    guided, free = engine.submit([5, 4], greedy(20), guide=OddOnly()), engine.submit([5, 4], greedy(20))
    run(engine)
    assert guided.drafted == 0 and all(token % 2 for token in guided.tokens)
    assert free.drafted > 0 and free.tokens == answer_alone([5, 4], greedy(20))


def test_the_pace_keeps_steps_short_beside_running_streams():
    pace = Pace(512)
    assert pace.tokens(alone=False) == Pace.FIRST
    for _ in range(30):  # a machine that takes 1 ms per token, and 10 ms for those who decide
        pace.learn(0, 0.010, alone=False)
        tokens = pace.tokens(alone=False)
        pace.learn(tokens, 0.010 + 0.001 * tokens, alone=False)
    assert 25 <= pace.tokens(alone=False) <= 31
    assert pace.tokens(alone=True) > 150
    pace.learn(3, 0.5, alone=False)  # one hiccup of a small slice
    pace.learn(30, 60.0, alone=False)  # and one of the whole machine
    pace.learn(0, 60.0, alone=False)
    assert pace.tokens(alone=False) > 15
    for _ in range(20):
        pace.learn(pace.tokens(alone=False), 10.0, alone=False)
    assert pace.tokens(alone=False) == Pace.LEAST


def test_times_are_in_order():
    engine = make_engine()
    generation = engine.submit([5] * 100, greedy(5))
    run(engine)
    times = (generation.submitted_s, generation.started_s, generation.first_token_s, generation.finished_s)
    assert list(times) == sorted(times) and times[-1] <= time.perf_counter()
