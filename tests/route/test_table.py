"""Laws of the task table and of recognising a request by its words."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camelid.route.features import LENGTHS, Kind, Recognizer, as_reading, length_of, words_of
from camelid.route.table import fit_table
from camelid.text.records import Message

KINDS = (Kind("service", "en"), Kind("translation", "de"), Kind("translation", "fr"))


def test_without_data_every_cell_is_the_whole():
    none = np.zeros(0, np.int64)
    empty = fit_table(KINDS, none, none, np.zeros((0, 2)))
    assert np.allclose(empty.means, 0.5) and empty.means.shape == (3, len(LENGTHS), 2)
    one = fit_table(KINDS, np.array([0, 0]), np.array([0, 0]), np.array([[0.2, 0.6], [0.4, 0.8]]))
    assert np.allclose(one.means[1:], [0.3, 0.7])
    assert one.counts.sum() == one.counts[0, 0] == 2


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 80))
def test_cells_lie_between_their_own_mean_and_what_is_above(seed, num):
    generator = np.random.default_rng(seed)
    kinds, lengths = generator.integers(0, 3, num), generator.integers(0, 3, num)
    qualities = generator.random((num, 2))
    table = fit_table(KINDS, kinds, lengths, qualities)
    assert (table.means >= qualities.min(axis=0) - 1e-9).all()
    assert (table.means <= qualities.max(axis=0) + 1e-9).all()
    assert table.row(0, 0) == tuple(table.look_up(np.array([0]), np.array([0]))[0])


def test_much_data_is_believed():
    kinds = np.repeat([0, 1, 2], 4000)
    truth = np.array([[0.2, 0.9], [0.8, 0.3], [0.5, 0.5]])
    noise = np.random.default_rng(1).normal(0, 0.1, (12000, 2))
    table = fit_table(KINDS, kinds, np.zeros(12000, np.int64), truth[kinds] + noise)
    assert np.allclose(table.means[:, 0], truth, atol=0.02)


def test_a_kind_is_told_by_its_words(evidence):
    recognizer = Recognizer.learn(evidence.requests[:200], evidence.kinds[:200])
    found = [recognizer.kinds[recognizer.recognize(request)] for request in evidence.requests[200:]]
    assert found == list(evidence.kinds[200:])


def test_without_a_known_word_it_is_the_most_frequent_kind():
    requests = [[Message("user", "guten Tag")]] * 3 + [[Message("user", "hello there")]]
    kinds = [Kind("a", "de")] * 3 + [Kind("b", "en")]
    recognizer = Recognizer.learn(requests, kinds)
    assert recognizer.kinds[recognizer.recognize([Message("user", "zzz")])] == Kind("a", "de")


def test_long_turns_are_looked_at_where_they_begin_and_end():
    text = "Translate " + "x " * 500 + "into German"
    words = words_of([Message("user", text)])
    assert words[0] == "translate" and words[-1] == "german" and len(words) < 200
    talk = [Message("user", "Hola"), Message("assistant", "¿Qué?"), Message("user", "Nada")]
    assert words_of(talk) == ["hola", "nada"]
    assert words_of([Message("system", "Be kind")]) == ["be", "kind"]


@pytest.mark.parametrize(("chars", "place"), [(0, 0), (199, 0), (200, 1), (600, 2)])
def test_lengths(chars, place):
    assert length_of([Message("user", "x" * chars)]) == place


def test_a_reading_of_logits():
    reading = as_reading(np.zeros(3, np.float32), np.log(np.array([0.5, 0.3, 0.2], np.float32)))
    assert (reading.top, reading.margin) == (pytest.approx(0.5), pytest.approx(0.2))
    assert reading.entropy == pytest.approx(-sum(p * np.log(p) for p in (0.5, 0.3, 0.2)))
