"""Intervals and tests are those of the textbooks, and of two equal ones nothing differs."""

import math

import interval_coverage
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from camelid.compare.intervals import _student, holm, mcnemar, pair_shares, pair_sums, wilson

RIGHT = st.lists(st.booleans(), min_size=1, max_size=60)


def mean(sums):
    return sums[:, 0] / sums[:, 1]


def quiet_mean(sums):
    with np.errstate(invalid="ignore"):
        return mean(sums)


def rows(values):
    return np.column_stack([values, np.ones(len(values))])


@given(RIGHT)
def test_a_compared_with_itself_is_a_tie(right):
    found = pair_shares(right, right).difference
    assert (found.value, found.p) == (0, 1) and found.low < 0 < found.high
    values = rows(np.array(right, float))
    found = pair_sums(values, values, mean, resamples=50).difference
    assert (found.value, found.p) == (0, 1)
    if len(right) > 1:
        assert (found.low, found.high) == (0, 0)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_exact_binomial_test(first, second):
    expected = stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar(first, second) == pytest.approx(expected, rel=1e-9)
    assert mcnemar(first, second) == mcnemar(second, first)


def test_mcnemar_of_many_items_does_not_overflow():
    assert mcnemar(4000, 4200) == pytest.approx(stats.binomtest(4000, 8200).pvalue, rel=1e-6)


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipys(counts):
    right, n = counts
    expected = stats.binomtest(right, n).proportion_ci(method="wilson")
    found = wilson(right, n)
    assert (found.value, found.low, found.high) == pytest.approx((right / n, *expected), abs=1e-9)


@given(st.integers(4, 500), st.floats(0.6, 0.995))
def test_students_quantiles_are_scipys(freedom, probability):
    assert _student(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=5e-3)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_makes_no_p_smaller_and_keeps_their_order(values):
    adjusted = holm(values)
    assert all(p <= q <= min(1.0, p * len(values)) + 1e-12 for p, q in zip(values, adjusted, strict=True))
    order = np.argsort(values, kind="stable")
    assert list(np.array(adjusted)[order]) == sorted(adjusted)


def test_holm_of_a_textbook():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@settings(deadline=None)
@given(st.integers(0, 100))
def test_who_is_first_only_turns_the_sign(seed):
    generator = np.random.default_rng(seed)
    one, two = rows(generator.normal(size=20)), rows(generator.normal(size=20))
    found, turned = (pair_sums(*each, mean, resamples=200).difference for each in ((one, two), (two, one)))
    assert (found.value, found.low, found.high) == pytest.approx((-turned.value, -turned.high, -turned.low))
    assert found.p == turned.p


def test_the_bootstrap_of_a_mean_is_students_interval():
    values = np.random.default_rng(3).normal(10, 2, size=40)
    found = pair_sums(rows(values), rows(values - 1), mean, resamples=20_000).first
    expected = stats.t.interval(0.95, 39, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected, abs=0.05)


def test_a_paired_difference_is_surer_than_its_parts():
    generator = np.random.default_rng(4)
    base = generator.normal(size=100)
    one, two = base + 0.3, base + generator.normal(0, 0.2, size=100)
    found = pair_sums(rows(one), rows(two), mean)
    assert found.difference.high - found.difference.low < (found.first.high - found.first.low) / 3
    assert found.difference.p < 0.01


def test_of_too_few_items_nobody_can_tell():
    found = pair_sums(np.ones((1, 2)), np.ones((1, 2)), mean).difference
    assert math.isnan(found.low) and math.isnan(found.high) and found.p == 1
    found = pair_sums(np.zeros((5, 2)), np.zeros((5, 2)), quiet_mean).difference
    assert math.isnan(found.value) and found.p == 1
    assert pair_shares([True], [False]).difference.p == 1
    assert math.isnan(pair_shares([], []).difference.low)


def test_intervals_cover():
    """A small simulation with a fixed seed; benchmarks/interval_coverage.py does the large one."""
    generator, hits, shares = np.random.default_rng(5), 0, 0
    for run in range(300):
        one = generator.gamma(2, size=60)
        two = one + generator.normal(0.2, 0.5, size=60)
        found = pair_sums(rows(one), rows(two), mean, resamples=300, seed=run).difference
        hits += found.low <= -0.2 <= found.high
        ability = generator.random(60)
        right = [(generator.random(60) < ability) for _ in range(2)]
        found = pair_shares(*right).difference
        shares += found.low <= 0 <= found.high
    assert 0.92 <= hits / 300 <= 0.98 and 0.92 <= shares / 300 <= 0.985


def test_the_benchmark_counts_what_is_covered():
    worlds = {world["metric"]: world for world in interval_coverage.make_up_worlds()}
    rows = []
    for world in worlds.values():
        for size in (50, 100):
            row = interval_coverage.simulate(world, size, 20, seed=1)
            assert row == interval_coverage.simulate(world, size, 20, seed=1)
            assert 0.6 < row["covered"] <= 1 and 0 <= row["false_alarms"] < 0.4
            rows.append(row)
    lies = {**worlds["graded 0 to 100"], "truth": 50.0}
    assert interval_coverage.simulate(lies, 50, 5, seed=1)["covered"] == 0
    told = interval_coverage.render({"pair": "pairs/x", "draws": 20, "noise": 9.5, "rows": rows})
    assert told.count("| made up, ") == 3 and "covered, n = 100" in told
