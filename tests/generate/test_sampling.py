"""Laws of sampling: what the filters leave, and that the draws follow it."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from native_tiny import make_native

from camelid.errors import RequestError
from camelid.generate.generation import native_sampling
from camelid.generate.sampling import Sampler, SamplingOptions, SamplingSettings, keep_likely, penalise, race
from camelid.native import _native, is_built

# Quarters: equals among them, but no two that only rounding tells apart.
QUARTERS = st.integers(-80, 80).map(lambda number: number / 4)
LOGITS = arrays.arrays(np.float32, st.integers(1, 40), elements=QUARTERS)
SETTINGS = st.builds(
    SamplingSettings,
    temperature=st.floats(0.1, 3),
    top_k=st.integers(0, 45),
    top_p=st.floats(0.01, 1),
    min_p=st.floats(0, 1),
)


# The distances from what is expected (chi-square) that true draws exceed once in a million, by the degrees of
# freedom: the number of outcomes less one.
RARE = {7: 40.522, 15: 56.493}


def draw(logits, settings, times=1):
    sampler = Sampler(settings, [], len(logits))
    return [sampler.pick(logits) for _ in range(times)]


def assert_fair(found, expected):
    """Check that counts differ from what was expected no more than chance lets them."""
    assert found.sum() == pytest.approx(expected.sum()) and expected.min() > 5
    assert ((found - expected) ** 2 / expected).sum() < RARE[found.size - 1]


@given(LOGITS, SETTINGS)
def test_the_likeliest_token_is_always_left(logits, settings):
    token_ids, weights = keep_likely(logits, settings)
    assert logits.max() in logits[token_ids]
    assert len(token_ids) == len(weights) == len(set(token_ids)) and (weights >= 0).all()


@given(LOGITS, SETTINGS)
def test_what_is_left_is_at_least_as_likely_as_what_is_not(logits, settings):
    kept = keep_likely(logits, settings)[0]
    dropped = np.setdiff1d(np.arange(len(logits)), kept)
    assert not len(dropped) or logits[kept].min() >= logits[dropped].max()


@given(LOGITS, st.floats(0.01, 1))
def test_a_nucleus_is_enough_and_no_more_than_enough(logits, top_p):
    shares = np.exp(logits.astype(np.float64) - logits.max())
    shares /= shares.sum()
    kept = shares[keep_likely(logits, SamplingSettings(temperature=1, top_p=top_p))[0]]
    assert kept.sum() >= top_p - 1e-6
    assert kept[kept > kept.min()].sum() < top_p + 1e-6


@given(LOGITS, st.floats(0.01, 1), st.integers(0, 45), st.floats(0, 1))
def test_equals_stay_or_go_together(logits, top_p, top_k, min_p):
    kept = keep_likely(logits, SamplingSettings(temperature=1, top_p=top_p, top_k=top_k, min_p=min_p))[0]
    assert not set(logits[kept]) & set(np.delete(logits, kept))


@given(LOGITS, st.integers(1, 50))
def test_top_k_leaves_k_and_what_ties_with_the_last(logits, top_k):
    weights = keep_likely(logits, SamplingSettings(temperature=1, top_k=top_k))[1]
    assert len(weights) >= min(top_k, len(logits))
    assert (weights > weights.min()).sum() < top_k


@given(LOGITS, SETTINGS, st.integers(0, 5))
def test_only_what_is_left_is_drawn(logits, settings, seed):
    drawn = draw(logits, SamplingSettings(**{**vars(settings), "seed": seed}), times=5)
    assert set(drawn) <= set(keep_likely(logits, settings)[0].tolist())


SHARES = np.array([0.4, 0.25, 0.15, 0.1, 0.05, 0.03, 0.015, 0.005])


@pytest.mark.parametrize("numbers", [range(8), range(31_993, 32_001), [5 * 4**place for place in range(8)]])
def test_draws_follow_the_distribution_from_seed_to_seed_and_from_place_to_place(numbers):
    logits = np.full(100_000, -np.inf, dtype=np.float32)
    logits[list(numbers)] = np.log(SHARES)
    kept = keep_likely(logits, SamplingSettings(temperature=1))
    assert kept[0].tolist() == list(numbers)
    for keys in ([(seed, 0) for seed in range(4_000)], [(7, place) for place in range(4_000)]):
        drawn = [race(*kept, seed, place) for seed, place in keys]
        assert_fair(np.array([drawn.count(number) for number in numbers]), SHARES * len(drawn))


@pytest.mark.parametrize("next_key", [(0, 1), (1, 0)], ids=["places", "seeds"])
def test_neighbouring_draws_know_nothing_of_each_other(next_key):
    four = np.arange(4), np.ones(4, dtype=np.float32)
    pairs = np.zeros((4, 4))
    for seed in range(50):
        for place in range(50):
            pairs[race(*four, seed, place), race(*four, seed + next_key[0], place + next_key[1])] += 1
    assert_fair(pairs, np.full((4, 4), pairs.sum() / 16))


def test_a_draw_depends_on_its_place_and_not_on_what_was_drawn_before():
    logits = np.random.default_rng(0).standard_normal((30, 500)).astype(np.float32)
    settings = SamplingSettings(temperature=1, seed=11)
    samplers = [Sampler(settings, [], 500) for _ in range(2)]
    befores = [[sampler.pick(row) for row in rows]
               for sampler, rows in zip(samplers, (logits[:10], logits[10:20]), strict=True)]  # fmt: skip
    afters = [[sampler.pick(row) for row in logits[20:]] for sampler in samplers]
    assert befores[0] != befores[1] and afters[0] == afters[1]


def test_a_seed_draws_what_it_always_drew():
    """Whoever keeps a seed keeps an answer: these tokens must never change."""
    weights = np.linspace(0.1, 1, 1000, dtype=np.float32)
    keys = [(0, 0), (0, 1), (1, 0), (2**64 - 1, 0), (2**63, 4095)]
    assert [race(np.arange(1000), weights, *key) for key in keys] == [591, 999, 861, 737, 301]


def any_settings(vocab_size, random):
    return SamplingSettings(
        temperature=random.choice([0, 0.2, 1, 1.5, 3]),
        top_k=int(random.choice([0, 1, 5, 100])),
        top_p=random.choice([1, 0.95, 0.5, 0.1]),
        min_p=random.choice([0, 0, 0.05, 0.3]),
        repetition_penalty=random.choice([1, 1, 1.3, 0.8]),
        presence_penalty=random.choice([0, 0, 1.1, -0.5]),
        frequency_penalty=random.choice([0, 0, 0.7, -0.3]),
        logit_bias={int(token_id): 2.7 for token_id in random.integers(0, vocab_size, 3)},
        seed=int(random.integers(0, 2**64, dtype=np.uint64)),
        top_logprobs=int(random.integers(0, 21)),
    )


@pytest.mark.skipif(not is_built(), reason="the native engine was not built")
@pytest.mark.parametrize(("vocab_size", "last_norm"), [(5, 0.1), (64, 1), (390, 0.03), (390, 0.5)])
def test_the_native_engine_draws_the_same(vocab_size, last_norm):
    """Covers every setting. Does not cover a draw that roundings decide, which this seed does not meet."""
    random = np.random.default_rng(5)
    # Without layers, the logits after a token are its own, whatever went before.
    model = make_native(num_hidden_layers=0, vocab_size=vocab_size, last_norm=last_norm)
    cache = model.new_cache(7, False)
    table = np.zeros((vocab_size, vocab_size), dtype=np.float32)
    model.logits(cache, make_sequence(range(vocab_size), SamplingSettings()), vocab_size, table)
    for _ in range(15):
        settings = any_settings(vocab_size, random)
        sequence, sampler = make_sequence([3, 1, 4], settings), Sampler(settings, [3, 1, 4], vocab_size)
        for place in range(20):
            model.step(cache, [sequence], [sequence.pending])
            assert sampler.pick(table[sequence.tokens[-2]]) == sequence.tokens[-1], (place, settings)
            (told,) = sequence.chosen
            mine = sampler.logprobs[-1]
            assert told.logprob == pytest.approx(mine.logprob, abs=1e-5)
            assert [number for number, _ in told.top] == [number for number, _ in mine.top]


def make_sequence(prompt, settings):
    sequence = _native.Sequence(list(prompt), native_sampling(settings), [])
    sequence.blocks = list(range(7))
    return sequence


def test_without_a_seed_two_replies_differ():
    logits = np.zeros(1000, dtype=np.float32)
    assert draw(logits, SamplingSettings(temperature=1), 9) != draw(
        logits, SamplingSettings(temperature=1), 9
    )


def test_a_low_temperature_is_greedy_in_the_end():
    logits = np.array([1.0, 1.5, 1.4], dtype=np.float32)
    for temperature in (0.001, 1e-300):
        assert set(draw(logits, SamplingSettings(temperature=temperature, seed=3), times=50)) == {1}


def test_a_high_temperature_knows_no_difference_in_the_end():
    kept = keep_likely(np.array([9.0, -9.0, 0.0], dtype=np.float32), SamplingSettings(temperature=1e300))
    assert [values.tolist() for values in kept] == [[0, 1, 2], [1, 1, 1]]


def test_greedy_takes_the_first_of_equals():
    assert draw(np.zeros(9, dtype=np.float32), SamplingSettings()) == [0]


@given(LOGITS, st.floats(0.2, 5))
def test_a_penalty_moves_seen_tokens_one_way_and_no_others(logits, penalty):
    seen = np.arange(len(logits)) % 2 == 0
    moved = penalise(logits, seen, penalty)
    np.testing.assert_array_equal(moved[~seen], logits[~seen])
    assert (moved[seen] <= logits[seen]).all() if penalty >= 1 else (moved[seen] >= logits[seen]).all()


def test_a_penalty_counts_the_prompt_and_the_reply():
    settings = SamplingSettings(repetition_penalty=2.0)
    sampler = Sampler(settings, [0], 3)
    logits = np.array([3.0, 2.0, 1.6], dtype=np.float32)
    assert [sampler.pick(logits) for _ in range(3)] == [1, 2, 0]


QUARTER_PENALTIES = st.integers(-8, 8).map(lambda number: number / 4)


@given(st.lists(arrays.arrays(np.float32, 9, elements=QUARTERS), min_size=1, max_size=9),
       st.lists(st.integers(0, 8), max_size=4), st.sampled_from([0.5, 1.0, 2.0]), QUARTER_PENALTIES,
       QUARTER_PENALTIES, st.dictionaries(st.integers(0, 8), QUARTERS))  # fmt: skip
def test_penalties_and_biases_are_what_they_say(rows, prompt, repetition, presence, frequency, biases):
    """The prompt counts for the repetition penalty alone, the reply for all three; then come the biases."""
    settings = SamplingSettings(repetition_penalty=repetition, presence_penalty=presence,
                                frequency_penalty=frequency, logit_bias=biases)  # fmt: skip
    sampler = Sampler(settings, prompt, 9)
    reply = []
    for row in rows:
        changed = []
        for token_id, logit in enumerate(row.tolist()):
            if token_id in prompt + reply:
                logit = logit / repetition if logit > 0 else logit * repetition
            if token_id in reply:
                logit -= presence + frequency * reply.count(token_id)
            changed.append(logit + biases.get(token_id, 0))
        reply.append(changed.index(max(changed)))
        before = row.copy()
        assert sampler.pick(row) == reply[-1]
        np.testing.assert_array_equal(row, before)


@given(LOGITS, st.integers(0, 20), st.integers(0, 9))
def test_log_probabilities_are_the_models_own(logits, top_logprobs, seed):
    shifts = {"temperature": 2, "top_k": 3, "repetition_penalty": 1.5, "logit_bias": {0: 100}}
    sampler = Sampler(SamplingSettings(top_logprobs=top_logprobs, seed=seed, **shifts), [0], len(logits))
    token_id = sampler.pick(logits)
    expected = logits - np.log(np.exp(logits.astype(np.float64)).sum())
    ranked = sorted(range(len(logits)), key=lambda number: (-logits[number], number))
    (told,) = sampler.logprobs
    assert told.token_id == token_id and told.logprob == pytest.approx(expected[token_id], abs=1e-5)
    assert [number for number, _ in told.top] == ranked[:top_logprobs]
    for number, logprob in told.top:
        assert logprob == pytest.approx(expected[number], abs=1e-5)


def test_nothing_is_told_that_was_not_asked():
    sampler = Sampler(SamplingSettings(), [], 2)
    sampler.pick(np.zeros(2, dtype=np.float32))
    assert not sampler.logprobs


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("max_tokens", 0, "1 or more"),
        ("temperature", -0.1, "0 or more"),
        ("temperature", float("nan"), "0 or more"),
        ("top_k", -1, "0 (all tokens) or more"),
        ("top_p", 0.0, "above 0 and at most 1"),
        ("min_p", 1.5, "between 0 and 1"),
        ("repetition_penalty", 0.0, "0.01 to 100 (1 changes nothing)"),
        ("presence_penalty", 2.1, "between -2 and 2"),
        ("frequency_penalty", float("nan"), "between -2 and 2"),
        ("seed", -1, "0 or more and less than 2**64"),
        ("seed", 2**64, "0 or more and less than 2**64"),
        ("top_logprobs", 21, "between 0 and 20"),
        ("top_logprobs", -1, "between 0 and 20"),
    ],
)
def test_numbers_out_of_range_are_named(name, value, expected):
    with pytest.raises(RequestError) as caught:
        SamplingSettings(**{name: value})
    assert str(caught.value) == f"{name} must be {expected}; found {value}."


def test_a_bias_out_of_range_is_named_with_its_token():
    for bias in (-101, float("nan")):
        with pytest.raises(RequestError) as caught:
            SamplingSettings(logit_bias={3: 1.5, 7: bias})
        expected = f"logit_bias of token 7 must be between -100 and 100; found {bias}."
        assert str(caught.value) == expected


@pytest.mark.parametrize("stranger", [-1, 8])
def test_a_bias_of_a_token_that_the_model_does_not_know_is_refused(stranger):
    settings = SamplingSettings(logit_bias={0: 1, 7: 1, stranger: 1})
    with pytest.raises(RequestError, match=f"token of logit_bias must be 0 to 7; found {stranger}"):
        settings.check_fits(8)


def test_settings_are_values():
    biases = {7: 1.5, 3: -2}
    settings = SamplingSettings(logit_bias=biases)
    same = SamplingSettings(logit_bias=((3, -2), (7, 1.5)))
    assert settings == same == dataclasses.replace(settings) and hash(settings) == hash(same)
    biases[7] = 0.0
    assert settings.logit_bias == ((3, -2), (7, 1.5)) and settings != SamplingSettings()


def test_the_options_are_the_settings():
    fields = {field.name for field in dataclasses.fields(SamplingSettings)}
    assert set(SamplingOptions.__annotations__) == fields


def test_without_a_seed_every_reply_has_its_own():
    assert SamplingSettings(seed=5).choose_seed() == 5
    assert len({SamplingSettings().choose_seed() for _ in range(9)}) == 9
