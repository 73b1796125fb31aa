"""Laws of sampling: what the filters leave, and that the draws follow it."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from camelid.errors import RequestError
from camelid.generate.sampling import Sampler, SamplingOptions, SamplingSettings, keep_likely, penalise

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


def draw(logits, settings, times=1):
    sampler = Sampler(settings, [], len(logits))
    return [sampler.pick(logits) for _ in range(times)]


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
    kept = keep_likely(logits, SamplingSettings(temperature=1, top_p=top_p))[0]
    assert shares[kept].sum() >= top_p - 1e-9
    assert shares[kept].sum() - shares[kept].min() < top_p + 1e-9


@given(LOGITS, st.integers(1, 50))
def test_top_k_leaves_k_and_what_ties_with_the_last(logits, top_k):
    weights = keep_likely(logits, SamplingSettings(temperature=1, top_k=top_k))[1]
    assert len(weights) >= min(top_k, len(logits))
    assert (weights > weights.min()).sum() < top_k


@given(LOGITS, SETTINGS, st.integers(0, 5))
def test_only_what_is_left_is_drawn(logits, settings, seed):
    drawn = draw(logits, SamplingSettings(**{**vars(settings), "seed": seed}), times=5)
    assert set(drawn) <= set(keep_likely(logits, settings)[0].tolist())


def test_draws_follow_the_distribution():
    logits = np.log(np.array([0.5, 0.3, 0.15, 0.05], dtype=np.float32))
    drawn = np.bincount(draw(logits, SamplingSettings(temperature=1, seed=0), times=20_000), minlength=4)
    np.testing.assert_allclose(drawn / 20_000, [0.5, 0.3, 0.15, 0.05], atol=0.012)


def test_a_low_temperature_is_greedy_in_the_end():
    logits = np.array([1.0, 1.5, 1.4], dtype=np.float32)
    assert set(draw(logits, SamplingSettings(temperature=0.001, seed=3), times=50)) == {1}


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


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("max_tokens", 0, "1 or more"),
        ("temperature", -0.1, "0 or more"),
        ("temperature", float("nan"), "0 or more"),
        ("top_k", -1, "0 (all tokens) or more"),
        ("top_p", 0.0, "above 0 and at most 1"),
        ("min_p", 1.5, "between 0 and 1"),
        ("repetition_penalty", 0.0, "above 0 (1 changes nothing)"),
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
