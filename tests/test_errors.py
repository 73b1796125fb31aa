import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camelid import errors
from camelid.errors import CamelidError, MissingExtraError, suggest

FAMILY = [found for _, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, Exception)]


@pytest.mark.parametrize("kind", FAMILY)
def test_one_except_catches_the_whole_family(kind):
    assert issubclass(kind, CamelidError)


@pytest.mark.parametrize("kind", FAMILY)
def test_the_tree_on_top_shows_every_member(kind):
    assert kind.__name__ in errors.__doc__


def test_a_missing_extra_says_how_to_install_it():
    assert str(MissingExtraError("pyarrow", "data")) == (
        "This needs the package 'pyarrow'. Install it: pip install 'camelid[data]'"
    )


WORDS = st.lists(st.text("abcdefgh_", min_size=3, max_size=12), min_size=1, max_size=8, unique=True)


@given(WORDS, st.data())
def test_a_known_word_suggests_itself(known, data):
    word = data.draw(st.sampled_from(known))
    assert suggest(word, known) == f" Did you mean {word!r}?"


@pytest.mark.parametrize("word", ["minuts", "minute", "mintues", "minutes_"])
def test_a_slip_suggests_the_nearest_word(word):
    assert suggest(word, ["minutes", "tokens", "steps"]) == " Did you mean 'minutes'?"


def test_a_strange_word_lists_the_known_ones():
    assert suggest("zebra", ["tokens", "steps"]) == " Known: steps, tokens."
