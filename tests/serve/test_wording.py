"""Tokens into text: the same however they come, ended by the first stop string, whole characters only."""

import tiny
from hypothesis import given
from hypothesis import strategies as st

from camelid.generate.sampling import TokenLogprob
from camelid.serve.wording import StopFinder, Wording

TOKENIZER = tiny.make_tokenizer()
letters = st.text("ab🦙", max_size=24)
stops = st.lists(st.text("ab🦙", min_size=1, max_size=4), max_size=3)


def first_stop(text, stops):
    """Return where the stop string begins that ends first, the longest of several; by trying every place."""
    for end in range(len(text) + 1):
        found = [stop for stop in stops if text[:end].endswith(stop)]
        if found:
            return end - max(map(len, found))
    return None


@given(letters, stops, st.lists(st.integers(1, 5), min_size=1))
def test_text_goes_through_up_to_the_first_stop_however_it_is_cut(text, stops, sizes):
    finder, shown, rest, place = StopFinder(stops), [], text, 0
    while rest:
        size = sizes[place % len(sizes)]
        shown.append(finder.push(rest[:size]))
        rest, place = rest[size:], place + 1
    shown.append(finder.flush())
    expected = first_stop(text, stops)
    assert "".join(shown) == (text if expected is None else text[:expected])
    assert (finder.found is None) == (expected is None)


@given(letters, stops)
def test_nothing_is_held_back_that_cannot_begin_a_stop(text, stops):
    finder = StopFinder(stops)
    shown = "".join(finder.push(char) for char in text)
    held = text[len(shown) :]
    assert finder.found or any(stop.startswith(held) for stop in stops) or not held


@given(st.lists(st.integers(0, tiny.VOCABULARY - 1), max_size=40))
def test_the_pieces_are_what_decoding_at_once_gives(token_ids):
    wording = Wording(TOKENIZER.decoder())
    pieces = [wording.push(token_id) for token_id in token_ids]
    assert "".join([*pieces, wording.flush(cut=False)]) == TOKENIZER.decode(token_ids) == wording.text


@given(st.text(max_size=30), st.integers(0, 60))
def test_a_cut_reply_ends_with_a_whole_character(text, most):
    token_ids = TOKENIZER.encode(text)[:most]
    wording = Wording(TOKENIZER.decoder())
    for token_id in token_ids:
        wording.push(token_id)
    wording.flush(cut=True)
    assert text.encode("utf-8", "replace").decode().startswith(wording.text)


@given(st.text("ab c🦙é", max_size=30), stops)
def test_every_token_of_the_text_is_told_once_and_in_order(text, stops):
    token_ids = TOKENIZER.encode(text)
    wording = Wording(TOKENIZER.decoder(), stops)
    told = []
    for token_id in token_ids:
        wording.push(token_id, TokenLogprob(token_id, -1.0, ()))
        told += wording.take_logprobs()
        if wording.stop:
            break
    wording.flush(cut=False)
    told += wording.take_logprobs(last=True)
    ids = [item.logprob.token_id for item in told]
    assert ids == token_ids[: len(ids)]
    assert TOKENIZER.decode(ids).startswith(wording.text)
    if not wording.stop:
        assert ids == token_ids


@given(st.text("ab c🦙é", max_size=30), stops, st.sets(st.integers(0, 40)))
def test_guessed_tokens_are_coloured_where_they_stand(text, stops, guessed):
    wording = Wording(TOKENIZER.decoder(), stops)
    colour, expected, shown = [], [], 0
    for place, token_id in enumerate(TOKENIZER.encode(text)):
        piece = wording.push(token_id, guessed=place in guessed)
        colour += paint(piece, wording.take_guessed(shown))
        shown += len(piece)
        if wording.stop:
            break
    rest = wording.flush(cut=False)
    colour += paint(rest, wording.take_guessed(shown))
    decoder = TOKENIZER.decoder()
    for place, token_id in enumerate(TOKENIZER.encode(text)):
        expected += [place in guessed] * len(decoder.push(token_id))
    assert colour == expected[: len(colour)] and len(colour) == len(wording.text)


def paint(piece, spans):
    marks = [False] * len(piece)
    for begin, end in spans:
        assert 0 <= begin < end <= len(piece)
        marks[begin:end] = [True] * (end - begin)
    return marks
