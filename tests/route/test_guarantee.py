"""Laws of the guarantee: p-values are valid, and a promise is broken no more often than it says."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from camelid.errors import DataError, RequestError
from camelid.route.guarantee import (
    betting_p,
    binomial_p,
    clopper_pearson,
    keep_promise,
    lose,
    num_needed,
)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 400), st.data(), st.floats(0.01, 0.9))
def test_the_binomial_p_value_is_exact(num, data, rate):
    lost = data.draw(st.integers(0, num))
    assert binomial_p(lost, num, rate) == pytest.approx(stats.binom.cdf(lost, num, rate), abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 300), st.data(), st.floats(0.5, 0.99))
def test_the_upper_bound_is_that_of_scipy(num, data, confidence):
    lost = data.draw(st.integers(0, num))
    theirs = stats.binomtest(lost, num, alternative="less").proportion_ci(confidence, method="exact").high
    assert clopper_pearson(lost, num, confidence) == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("shape", ["ternary", "uniform", "rare", "constant"])
def test_betting_is_wrong_no_more_often_than_it_says(shape):
    """Losses with a mean of exactly max_loss: a p-value below 0.1 comes in at most a tenth of all draws."""
    generator = np.random.default_rng(7)
    draws = {
        "ternary": lambda: generator.choice([1, 0, -1], 300, p=[0.12, 0.81, 0.07]).astype(float),
        "uniform": lambda: generator.uniform(-0.2, 0.3, 300),
        "rare": lambda: (generator.random(300) < 0.05).astype(float),
        "constant": lambda: np.full(300, 0.05),
    }
    p_values = np.array([betting_p(draws[shape](), 0.05) for _ in range(600)])
    for level in (0.05, 0.1, 0.2):
        assert (p_values <= level).mean() <= level + 2.5 * math.sqrt(level * (1 - level) / 600)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=50), st.randoms(use_true_random=False))
def test_betting_does_not_care_for_the_order(losses, random):
    shuffled = random.sample(losses, len(losses))
    assert betting_p(np.array(losses), 0.1) == pytest.approx(betting_p(np.array(shuffled), 0.1))


def test_more_loss_never_gives_a_smaller_p_value():
    losses = np.zeros(200)
    found = []
    for lost in range(20):
        losses[:lost] = 1
        found.append((betting_p(losses, 0.05), binomial_p(lost, 200, 0.05)))
    assert found == sorted(found) and found[0][0] < 0.1 < found[-1][0]


@pytest.mark.parametrize("net", [True, False])
def test_a_promise_is_kept_as_often_as_it_says(net):
    """A router with some skill, drawn anew 300 times; the true loss of its thresholds is known."""
    generator = np.random.default_rng(3)

    def draw(num):
        gain = generator.beta(2, 5, num) * 0.6
        llama = (generator.random(num) < 0.8).astype(float)
        alpaca = np.where(generator.random(num) < gain, 0.0, llama)
        alpaca = np.where(generator.random(num) < 0.05, 1.0, alpaca)
        return gain, llama, alpaca

    cuts = np.quantile(draw(100_000)[0], np.linspace(0, 1, 21))

    def losses(num):
        gain, llama, alpaca = draw(num)
        routed = np.where(gain[:, None] >= cuts, llama[:, None], alpaca[:, None])
        return lose(llama, routed, net=net)

    truth = losses(400_000).mean(axis=0)
    broken = met = 0
    for _ in range(300):
        place = keep_promise(losses(600), max_loss=0.06, confidence=0.9).place
        met += place is not None and place > 0
        broken += place is not None and truth[place] > 0.06
    assert met > 200
    assert broken <= 300 * 0.1 + 2.5 * math.sqrt(300 * 0.1 * 0.9)


def test_testing_stops_at_the_first_candidate_that_fails():
    losses = np.zeros((300, 4))
    losses[:, 2] = 1
    promise = keep_promise(losses, max_loss=0.05, confidence=0.9)
    assert (promise.place, len(promise.p_values), promise.bound) == (1, 3, "exact binomial")
    assert keep_promise(losses[:, 2:], max_loss=0.05, confidence=0.9).place is None
    assert keep_promise(losses / 2, max_loss=0.05, confidence=0.9).bound == "betting"


def test_too_few_requests_are_told_with_how_many_it_takes():
    assert num_needed(0.02, 0.9) == 114
    keep_promise(np.zeros((114, 1)), max_loss=0.02, confidence=0.9)
    with pytest.raises(DataError, match="needs at least 114 labelled requests to judge by; found 113"):
        keep_promise(np.zeros((113, 1)), max_loss=0.02, confidence=0.9)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"max_loss": 0.0, "confidence": 0.9}, "largest loss must lie between 0 and 1; found 0.0. Try 0.02"),
        ({"max_loss": 0.1, "confidence": 1.0}, "confidence must be at least 0.5 and below 1; found 1.0"),
        ({"max_loss": 0.1, "confidence": 0.3}, "confidence must be"),
    ],
)
def test_wishes_out_of_range(wish, message):
    with pytest.raises(RequestError, match=message):
        keep_promise(np.zeros((500, 1)), **wish)


def test_losses_out_of_range():
    with pytest.raises(DataError, match="between -1 and 1"):
        keep_promise(np.full((500, 1), 2.0), max_loss=0.1, confidence=0.9)
