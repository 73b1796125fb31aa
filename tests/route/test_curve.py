"""Laws of the deferral curve and its figures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camelid.route.curve import Curve, apgr, compare_areas, draw_curve, threshold_for

GENERATOR = np.random.default_rng(0)
ALPACA = (GENERATOR.random(2000) < 0.6).astype(float)
LLAMA = (GENERATOR.random(2000) < 0.8).astype(float)


def test_its_ends_are_the_constants_whatever_the_scores():
    curve = draw_curve(GENERATOR.random(2000), ALPACA, LLAMA)
    assert curve.qualities[0] == pytest.approx(ALPACA.mean())
    assert curve.qualities[-1] == pytest.approx(LLAMA.mean())
    assert curve.at(0.0) == pytest.approx(ALPACA.mean()) and len(curve.points(5)) == 5


def test_a_random_mix_recovers_half_and_the_oracle_is_above_all():
    blind = draw_curve(np.zeros(2000), ALPACA, LLAMA)
    assert blind.recovered == pytest.approx(0.5)
    oracle = draw_curve(LLAMA - ALPACA, ALPACA, LLAMA)
    some = draw_curve(LLAMA - ALPACA + GENERATOR.normal(0, 1, 2000), ALPACA, LLAMA)
    assert oracle.area > some.area > blind.area
    assert oracle.recovered > 1


def test_ties_bring_neither_luck_nor_misfortune():
    scores = GENERATOR.integers(0, 3, 2000).astype(float)
    order = GENERATOR.permutation(2000)
    one = draw_curve(scores, ALPACA, LLAMA).area
    assert one == pytest.approx(draw_curve(scores[order], ALPACA[order], LLAMA[order]).area)


def test_the_least_share_is_the_first_crossing():
    curve = Curve(np.array([0.0, 0.6, 0.4, 0.8, 1.0]))
    assert curve.share_for(0.5) == 0.25
    assert draw_curve(np.zeros(2000), ALPACA, LLAMA).share_for(0.5) == pytest.approx(0.5, abs=0.001)


def test_ten_thresholds_come_near_the_whole_curve():
    scores = LLAMA - ALPACA + GENERATOR.normal(0, 1, 2000)
    assert apgr(scores, ALPACA, LLAMA) == pytest.approx(draw_curve(scores, ALPACA, LLAMA).recovered, abs=0.02)
    assert apgr(GENERATOR.random(2000), ALPACA, LLAMA) == pytest.approx(0.5, abs=0.06)


def test_areas_are_compared_on_the_same_requests():
    good = LLAMA - ALPACA
    assert compare_areas(good, good, ALPACA, LLAMA, draws=20) == (0.0, 0.0)
    ahead, surely = compare_areas(good, -good, ALPACA, LLAMA, draws=50)
    assert ahead > 0 and surely == 1.0


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=60), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_share_never_asks_the_llama_less(gains, one, other):
    low, high = sorted((one, other))
    asked = [sum(gain > threshold_for(gains, share) for gain in gains) for share in (low, high)]
    assert asked[0] <= asked[1] <= high * len(gains) + 1e-6
    assert threshold_for(gains, 1.0) == -np.inf
