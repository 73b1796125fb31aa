"""UniMax against its definition, over any sizes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camelid.errors import RecipeError
from camelid.text.mixing import unimax

SIZES = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 10**9), min_size=1)
BUDGETS = st.integers(0, 10**10)
EPOCHS = st.floats(0.1, 20)


@given(sizes=SIZES, budget=BUDGETS, epochs=EPOCHS)
def test_unimax_spends_the_budget_within_the_caps(sizes, budget, epochs):
    shares = unimax(sizes, budget, epochs)
    caps = {lang: epochs * size for lang, size in sizes.items()}
    assert all(0 <= shares[lang] <= caps[lang] * (1 + 1e-9) for lang in sizes)
    assert math.isclose(sum(shares.values()), min(budget, sum(caps.values())), rel_tol=1e-9, abs_tol=1e-6)


@given(sizes=SIZES, budget=BUDGETS, epochs=EPOCHS)
def test_unimax_gives_every_uncapped_language_the_same_and_no_capped_one_more(sizes, budget, epochs):
    shares = unimax(sizes, budget, epochs)
    level = max(shares.values())
    for lang, size in sizes.items():
        assert math.isclose(shares[lang], min(level, epochs * size), rel_tol=1e-6, abs_tol=1e-3)


@given(sizes=SIZES, budget=BUDGETS, epochs=EPOCHS)
def test_unimax_does_not_depend_on_the_order(sizes, budget, epochs):
    turned = dict(reversed(sizes.items()))
    assert unimax(turned, budget, epochs) == unimax(sizes, budget, epochs)


def test_a_small_language_is_capped_and_the_rest_is_shared():
    assert unimax({"en": 1000, "de": 10, "fr": 100}, 300, 2) == {"en": 140, "de": 20, "fr": 140}


@pytest.mark.parametrize("sizes, budget, epochs", [({"en": -1}, 1, 1), ({"en": 1}, -1, 1), ({"en": 1}, 1, 0)])
def test_impossible_numbers_are_errors(sizes, budget, epochs):
    with pytest.raises(RecipeError, match="must"):
        unimax(sizes, budget, epochs)
