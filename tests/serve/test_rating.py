"""The rating recovers what made the votes, its intervals hold it, and it knows neither left nor right."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camelid.errors import RequestError
from camelid.serve.rating import Contest, describe, rate


def draw(rng, strengths, num_contests):
    """Return contests between random two, won as Bradley and Terry's model says."""
    names = sorted(strengths)
    contests = []
    for _ in range(num_contests):
        left, right = rng.choice(names, size=2, replace=False)
        chance = 1 / (1 + math.exp(strengths[right] - strengths[left]))
        contests.append(Contest(str(left), str(right), float(rng.random() < chance)))
    return contests


CONTESTS = st.lists(
    st.builds(
        lambda sides, score: Contest(*sides, score),
        st.permutations("abcd").map(lambda names: names[:2]),
        st.sampled_from([0.0, 0.5, 1.0]),
    ),
    min_size=1,
    max_size=60,
)


def test_known_strengths_are_recovered():
    truth = {"a": 1.2, "b": 0.3, "c": -0.4, "d": -1.1}
    found = rate(draw(np.random.default_rng(1), truth, 12_000)).standings
    assert [standing.model for standing in found] == ["a", "b", "c", "d"]
    for standing in found:
        assert standing.strength == pytest.approx(truth[standing.model], abs=0.1)


def test_two_models_have_the_closed_form_but_for_the_prior():
    """With enough votes the chance is the share of the wins, its interval that of a binomial's likelihood."""

    def deviance(share):
        return 2 * (6000 * math.log(0.75 / share) + 2000 * math.log(0.25 / (1 - share)))

    chance = rate([Contest("a", "b", 1.0)] * 6000 + [Contest("a", "b", 0.0)] * 2000).chance("a", "b")
    assert chance.chance == pytest.approx(0.75, abs=1e-3)
    assert chance.low < 0.75 < chance.high
    assert deviance(chance.low) == pytest.approx(1.959964**2, rel=0.02)
    assert deviance(chance.high) == pytest.approx(1.959964**2, rel=0.02)


def test_all_votes_for_one_decide():
    """Wald's intervals would not: the steeper the lead, the flatter the likelihood that they look at."""
    for num_votes, decided in ((3, False), (6, True), (10, True), (1000, True)):
        assert (rate([Contest("a", "b", 1.0)] * num_votes).chance("a", "b").low > 0.5) == decided


@pytest.mark.parametrize("truth", [0.5, 0.65, 0.85])
@pytest.mark.parametrize("num_votes", [12, 40, 150])
def test_intervals_hold_the_truth_as_often_as_they_promise(truth, num_votes):
    """Of all possible numbers of wins, weighed by how likely they are: nothing here is left to chance."""
    held = 0.0
    for wins in range(num_votes + 1):
        weight = math.comb(num_votes, wins) * truth**wins * (1 - truth) ** (num_votes - wins)
        if weight < 1e-7:
            continue  # all of them together would not change the third digit
        votes = [Contest("a", "b", 1.0)] * wins + [Contest("b", "a", 1.0)] * (num_votes - wins)
        chance = rate(votes).chance("a", "b")
        held += weight * (chance.low <= truth <= chance.high)
    assert 0.93 <= held <= 0.985


def test_intervals_of_three_models_hold_the_truth():
    truth = {"a": 0.8, "b": 0.0, "c": -0.8}
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(80):
        rating = rate(draw(rng, truth, 60))
        held += sum(s.low <= truth[s.model] <= s.high for s in rating.standings)
    assert held / 240 > 0.92


@settings(max_examples=30)
@given(CONTESTS)
def test_left_and_right_are_the_same(contests):
    turned = [Contest(c.right, c.left, 1 - c.score) for c in contests]
    for one, other in zip(rate(contests).standings, rate(turned).standings, strict=True):
        assert (one.model, one.wins, one.losses, one.ties) == (
            other.model,
            other.wins,
            other.losses,
            other.ties,
        )
        assert one.strength == pytest.approx(other.strength, abs=1e-9)
        assert one.low == pytest.approx(other.low, abs=1e-9)


@settings(max_examples=30)
@given(CONTESTS)
def test_one_s_chance_and_the_other_s_are_one(contests):
    rating = rate(contests)
    first, last = rating.standings[0].model, rating.standings[-1].model
    ours, theirs = rating.chance(first, last), rating.chance(last, first)
    assert ours.chance + theirs.chance == pytest.approx(1)
    assert ours.low + theirs.high == pytest.approx(1)
    assert ours.low <= ours.chance <= ours.high
    assert sum(standing.strength for standing in rating.standings) == pytest.approx(0, abs=1e-8)


@settings(max_examples=30)
@given(CONTESTS)
def test_winning_once_more_never_hurts(contests):
    before, after = rate(contests), rate([*contests, Contest("a", "b", 1.0)])
    known = {standing.model for standing in before.standings}
    if {"a", "b"} <= known:
        assert after.chance("a", "b").chance > before.chance("a", "b").chance


def test_only_ties_tell_nothing_apart():
    chance = rate([Contest("a", "b", 0.5)] * 30).chance("a", "b")
    assert chance.chance == pytest.approx(0.5)
    assert chance.low < 0.5 < chance.high


def test_who_won_every_vote_has_a_finite_strength():
    standings = rate([Contest("a", "b", 1.0)] * 1000).standings
    assert all(math.isfinite(value) for s in standings for value in (s.strength, s.low, s.high))


def test_more_votes_make_the_interval_narrower():
    def width(times):
        chance = rate([Contest("a", "b", 1.0), Contest("a", "b", 0.0)] * times).chance("a", "b")
        return chance.high - chance.low

    assert width(4) > width(16) > width(64) > width(256)


def test_a_higher_confidence_makes_it_wider():
    votes = [Contest("a", "b", 1.0)] * 5 + [Contest("a", "b", 0.0)] * 3
    narrow, wide = (rate(votes, confidence=level).chance("a", "b") for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_without_votes_there_is_no_rating():
    assert describe(rate([])) == {"confidence": 0.95, "standings": [], "pairs": []}


def test_a_description_names_every_two_once():
    rating = rate(draw(np.random.default_rng(5), {"a": 1, "b": 0, "c": -1}, 90))
    pairs = describe(rating)["pairs"]
    assert [(pair["model"], pair["other"]) for pair in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert all(pair["chance"] >= 0.5 for pair in pairs)


def test_mistakes_are_named():
    with pytest.raises(RequestError, match="between two models; found 'a' on both"):
        rate([Contest("a", "a", 1.0)])
    with pytest.raises(RequestError, match=r"1, 0\.5 or 0; found 0\.7"):
        rate([Contest("a", "b", 0.7)])
    with pytest.raises(RequestError, match="confidence must be above 0"):
        rate([], confidence=1.0)
    with pytest.raises(RequestError, match=r"no votes on 'lama'\. Did you mean 'llama'"):
        rate([Contest("llama", "alpaca", 1.0)]).chance("alpaca", "lama")
