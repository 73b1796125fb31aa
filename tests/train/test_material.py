"""The held-out records that a pair keeps are drawn evenly from all that there are."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from camelid.text.records import Message, Record
from camelid.train.material import choose_held_out

KINDS = st.tuples(
    st.sampled_from(["one", "two"]), st.sampled_from(["en", "de"]), st.sampled_from(["", "fr", "es"])
)
SOURCES = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.lists(KINDS, max_size=30))


def make(kinds):
    """Return a record of each (task, language, language translated from), all different."""
    records = []
    for number, (task, lang, source_lang) in enumerate(kinds):
        turns = (Message("user", f"{number}?"), Message("assistant", "Yes."))
        records.append(Record(messages=turns, lang=lang, task=task, source_lang=source_lang))
    return records


def count(records):
    """Return the numbers of records by task and language, and there by source and language from."""
    found = {}
    for name, record in records:
        counts = found.setdefault((record.task, record.lang), Counter())
        counts[name, record.source_lang] += 1
    return found


@given(SOURCES, st.integers(1, 20))
def test_sources_and_languages_give_alike_until_they_have_no_more(sources, most):
    held_out = {name: make(kinds) for name, kinds in sources.items()}
    there = [(name, record) for name, records in held_out.items() for record in records]
    chosen = choose_held_out(held_out, most)
    assert len(set(chosen)) == len(chosen) and set(chosen) <= set(there)
    taken = count(chosen)
    for kind, had in count(there).items():
        assert taken[kind].total() == min(most, had.total())
        share = max(taken[kind].values())
        assert all(taken[kind][giver] in (share, share - 1, number) for giver, number in had.items())


def test_what_stands_first_in_a_file_is_not_preferred():
    records = make([("story", "en", "")] * 100)
    chosen = choose_held_out({"a": records}, 30)
    assert chosen == choose_held_out({"a": records[::-1]}, 30)
    halves = Counter(records.index(record) < 50 for _, record in chosen)
    assert min(halves.values()) > 5
