"""Guesses change no token; right ones save steps; what does not pay is left."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camelid.errors import RequestError
from camelid.generate.sampling import SamplingSettings
from camelid.native import is_built

if not is_built():
    pytest.skip("the native engine was not built: no C++ compiler at install", allow_module_level=True)

from native_tiny import CONTEXT, VOCABULARY, make_native

from camelid.generate import speculative
from camelid.generate.engine import Engine
from camelid.generate.speculative import MOST, Economy, Lookup, PairDrafter, Rate

LLAMA, TWIN = make_native(), make_native()
STRANGER = make_native(seed=2, num_hidden_layers=1)


class Eager(Economy):
    """Guesses always, so that the laws are tried and not the clock."""

    def __init__(self, count):
        super().__init__()
        self.count = count

    def choose(self, right, *, free=False):
        return self.count

    def judge(self, guessed):
        pass


def make_engine(alpaca=None, count=4, cache_tokens=4096):
    drafter = None
    if alpaca:
        drafter = PairDrafter(alpaca, context=CONTEXT, cache_tokens=cache_tokens)
        drafter.economy = Eager(count)
    return Engine(LLAMA, vocab_size=VOCABULARY, context=CONTEXT, cache_tokens=4096, drafter=drafter), drafter


def answer(engine, prompts, wishes, **options):
    generations = [engine.submit(prompt, wishes, **options) for prompt in prompts]
    while engine.step():
        pass
    assert all(generation.error is None for generation in generations)
    return generations


prompts = st.lists(st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=150), min_size=1, max_size=3)
wishes = st.builds(
    SamplingSettings,
    max_tokens=st.integers(1, 40),
    temperature=st.sampled_from([0.0, 0.7, 1.0]),
    top_k=st.sampled_from([0, 5]),
    top_p=st.sampled_from([1.0, 0.9]),
    repetition_penalty=st.sampled_from([1.0, 1.2]),
    presence_penalty=st.sampled_from([0.0, 0.5]),
    seed=st.integers(0, 9),
)


@given(
    prompts, wishes, st.sampled_from([TWIN, STRANGER]), st.integers(1, MOST), st.sampled_from([(), (5, 40)])
)
@settings(max_examples=60, deadline=None)
def test_the_llama_says_what_it_would_say_alone(texts, wished, alpaca, count, stops):
    alone = answer(make_engine()[0], texts, wished, stop_ids=stops)
    engine, drafter = make_engine(alpaca, count)
    helped = answer(engine, texts, wished, stop_ids=stops)
    assert [one.tokens for one in helped] == [one.tokens for one in alone]
    assert [one.finished for one in helped] == [one.finished for one in alone]
    drafter.draft([])  # forgets what has ended
    drafter._cache.clear()
    assert drafter._cache.num_free == drafter._cache.num_blocks


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_twin_guesses_nearly_everything(temperature):
    """What it does not is looked up instead, and that can be wrong."""
    wished = SamplingSettings(max_tokens=60, temperature=temperature, seed=4)
    engine, _ = make_engine(TWIN, count=4)
    (told,) = answer(engine, [[9, 8, 7]], wished)
    assert told.drafted >= told.accepted > 40
    assert engine.load.counters.steps <= 20


def test_a_batch_beyond_a_crowd_goes_without_guesses():
    engine, _ = make_engine(TWIN)
    told = answer(engine, [[number] for number in range(6)], SamplingSettings(max_tokens=10))
    assert not any(one.drafted for one in told)


def test_a_full_cache_of_the_alpaca_costs_only_its_guesses():
    wished = SamplingSettings(max_tokens=30)
    engine, _ = make_engine(TWIN, cache_tokens=64)
    told = answer(engine, [[3] * 200, [4] * 20], wished)
    assert [one.tokens for one in told] == [
        answer(make_engine()[0], [prompt], wished)[0].tokens for prompt in ([3] * 200, [4] * 20)
    ]


class TestDial:
    def test_at_1_it_is_exact_and_below_1_it_costs_less_and_less(self):
        wished = SamplingSettings(max_tokens=80)
        steps, texts = [], []
        for dial in (1.0, 0.5, 0.1, 0.001, 1e-9):
            engine, _ = make_engine(STRANGER)
            texts.append(answer(engine, [[7, 8, 9]], wished, dial=dial)[0].tokens)
            steps.append(engine.load.counters.steps)
        assert texts[0] == answer(make_engine()[0], [[7, 8, 9]], wished)[0].tokens
        assert steps[0] > steps[-1]
        assert sorted(steps, reverse=True) == steps

    def test_near_0_it_is_the_alpaca(self):
        wished = SamplingSettings(max_tokens=40)
        engine, _ = make_engine(STRANGER, count=4)
        told = answer(engine, [[7, 8, 9]], wished, dial=1e-30)[0]
        alpaca = Engine(STRANGER, vocab_size=VOCABULARY, context=CONTEXT, cache_tokens=4096)
        # Only the token after all guesses of a step is the Llama's own.
        assert told.tokens[1:5] == answer(alpaca, [[7, 8, 9, told.tokens[0]]], wished)[0].tokens[:4]

    @pytest.mark.parametrize("dial", [0.0, -1, 1.5])
    def test_beyond_its_range_it_is_an_error(self, dial):
        with pytest.raises(RequestError, match="dial must be"):
            make_engine()[0].submit([1], SamplingSettings(), dial=dial)


class TestEconomy:
    def learn(self, *, step_s, row_s, guess_s):
        economy = Economy()
        for guesses in (0, 4, 0, 4, 2, 8):
            economy.learn_step(guesses, step_s + row_s * guesses)
            if guesses:
                economy.learn_guesses(guesses, guesses * guess_s)
        for _ in range(4):
            economy.judge(True)  # the first tries are over
        return economy

    def test_the_plain_step_is_measured_first(self):
        assert Economy().choose(0.9) == 0

    def test_cheap_and_right_guesses_are_many(self):
        assert self.learn(step_s=1.0, row_s=0.01, guess_s=0.01).choose(0.95) >= 6

    def test_dear_guesses_are_none(self):
        assert self.learn(step_s=1.0, row_s=0.1, guess_s=0.9).choose(0.6) == 0

    def test_wrong_guesses_are_none(self):
        assert self.learn(step_s=1.0, row_s=0.3, guess_s=0.2).choose(0.05) == 0

    def test_free_guesses_pay_where_dear_ones_do_not(self):
        economy = self.learn(step_s=1.0, row_s=0.1, guess_s=0.9)
        assert economy.choose(0.6) == 0 < economy.choose(0.6, free=True)

    def test_what_did_not_pay_is_tried_again_after_ever_longer_rests(self):
        economy = self.learn(step_s=1.0, row_s=0.1, guess_s=0.9)
        tries, rests = 0, []
        for _ in range(40_000):
            if economy.resting:
                economy.rest(1)
                continue
            count = economy.choose(0.6)
            tries += count > 0
            economy.judge(count > 0)
            if not count:
                economy.learn_step(0, 1.0)
            if economy.resting:
                rests.append(economy.resting)
        assert rests[0] == 32 and rests[-1] == 4096 and rests == sorted(rests)
        assert 4 <= tries <= 4 * len(rests) < 80

    def test_what_pays_never_rests(self):
        economy = self.learn(step_s=1.0, row_s=0.01, guess_s=0.01)
        for _ in range(100):
            economy.judge(economy.choose(0.9) > 0)
        assert not economy.resting

    def test_one_hiccup_changes_little(self):
        economy = self.learn(step_s=1.0, row_s=0.01, guess_s=0.01)
        economy.learn_step(6, 500.0)
        economy.learn_guesses(6, 500.0)
        for _ in range(20):
            economy.learn_step(6, 1.06)
            economy.learn_guesses(6, 0.06)
        assert economy.choose(0.95) >= 4


@pytest.mark.parametrize("dear", [True, False])
def test_tokens_are_the_same_whether_guesses_pay_or_rest(dear, monkeypatch):
    """Rests, bursts and tries in turn; what was not guessed meanwhile is caught up with."""
    monkeypatch.setattr(speculative, "_REST", 5)
    monkeypatch.setattr(speculative, "_LONGEST_REST", 11)
    engine, drafter = make_engine(STRANGER)
    drafter.economy = Economy()
    drafter.economy.step_s = {0: 1e-9 if dear else 1e9, 4: 1e9 if dear else 1e-9}
    drafter.economy.learn_step = drafter.economy.learn_guesses = lambda *_: None
    prompts = [[5, 6, 7, 8], [9, 10]]
    told = answer(engine, prompts, SamplingSettings(max_tokens=150, temperature=1, seed=2))
    alone = answer(make_engine()[0], prompts, SamplingSettings(max_tokens=150, temperature=1, seed=2))
    assert [each.tokens for each in told] == [each.tokens for each in alone]
    counters = engine.load.counters
    assert counters.tokens == 300 and counters.drafted > 0
    assert (counters.drafted < 200) == dear


def test_a_rate_follows_what_happens():
    rate = Rate(0.5)
    for _ in range(200):
        rate.learn(4, 4)
    assert rate.value > 0.95
    for _ in range(200):
        rate.learn(4, 0)
    assert rate.value < 0.05


class Told:
    def __init__(self, prompt):
        self.prompt, self.tokens, self.start = prompt, [], len(prompt)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.lists(st.integers(0, 3), max_size=60))
@settings(deadline=None)
def test_a_lookup_finds_what_stood_behind_the_same_tokens_last(prompt, reply):
    told = Told(prompt)
    lookup = Lookup(told)
    for token in reply:
        told.tokens.append(token)
        tokens = prompt + told.tokens
        found = lookup.find(5)
        places = [end for end in range(3, len(tokens)) if tokens[end - 3 : end] == tokens[-3:]]
        expected = tokens[places[-1] : places[-1] + 5] if places and len(tokens) > 3 else []
        assert found == expected


def test_a_reply_that_copies_its_prompt_takes_few_steps():
    """The tiny model babbles in circles, which is copying as well."""
    engine, _ = make_engine(STRANGER, count=MOST)
    (told,) = answer(engine, [[5, 6, 7, 8]], SamplingSettings(max_tokens=200))
    assert told.tokens == answer(make_engine()[0], [[5, 6, 7, 8]], SamplingSettings(max_tokens=200))[0].tokens
    assert told.accepted > 0
