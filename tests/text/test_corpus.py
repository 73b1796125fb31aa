"""The corpus: no record twice, and nothing held out is ever trained on."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camelid.errors import DataError, RecipeError
from camelid.text.corpus import build_corpus, place_key, read_records
from camelid.text.sources import Source

WORDS = st.text("abcdé ", min_size=1, max_size=6).filter(str.strip)
PAIRS = st.lists(st.fixed_dictionaries({"en": WORDS, "de": WORDS}), min_size=1, max_size=30)
TEXTS = st.lists(st.fixed_dictionaries({"text": WORDS}), min_size=1, max_size=30)


def build(*files, **each):
    """Build a corpus of one source per list of rows; `each` maps a setting to one value per source."""
    with tempfile.TemporaryDirectory() as folder:
        sources = []
        for index, rows in enumerate(files):
            path = Path(folder) / f"{index}.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            chosen = {name: values[index] for name, values in each.items()}
            sources.append(Source(name=f"s{index}", path=path.name, **chosen))
        return build_corpus(sources, data_root=folder)


def numbered(start: int, stop: int) -> list[dict[str, str]]:
    return [{"text": f"text number {number}"} for number in range(start, stop)]


def every(side):
    return [record for records in side.values() for record in records]


@settings(max_examples=50, deadline=None)
@given(
    first=PAIRS,
    second=PAIRS,
    texts=TEXTS,
    held=st.lists(st.sampled_from([0.0, 0.2, 0.5, 1.0]), min_size=3, max_size=3),
)
def test_nothing_held_out_is_trained_on(first, second, texts, held):
    corpus = build(first, second, texts, held_out=held)
    train, held_out = every(corpus.train), every(corpus.held_out)
    assert not {record.key for record in train} & {record.key for record in held_out}
    questions = {record.messages[0].content for record in held_out if record.messages}
    assert not questions & {record.messages[0].content for record in train if record.messages}
    counted = sum(
        report.train + report.held_out + report.duplicates + report.withheld for report in corpus.report
    )
    assert counted == sum(report.records for report in corpus.report)


@settings(max_examples=30, deadline=None)
@given(rows=TEXTS)
def test_deduplicating_twice_is_deduplicating_once(rows):
    once = build(rows, held_out=[0.3])
    twice = build(
        [{"text": record.text} for record in every(once.train) + every(once.held_out)], held_out=[0.3]
    )
    assert twice.report[0].duplicates == 0
    assert (twice.train, twice.held_out) == (once.train, once.held_out)
    doubled = build(rows + rows, held_out=[0.3])
    assert (doubled.train, doubled.held_out) == (once.train, once.held_out)


def test_adding_data_and_changing_the_seed_move_no_record():
    few = build(numbered(0, 300), held_out=[0.2])
    many = build(numbered(0, 300), numbered(300, 900), held_out=[0.2, 0.2])
    assert many.train["s0"] == few.train["s0"]
    assert many.held_out["s0"] == few.held_out["s0"]
    assert 30 < len(few.held_out["s0"]) < 90


def test_a_larger_fraction_holds_out_what_a_smaller_one_did():
    small, large = build(numbered(0, 500), held_out=[0.05]), build(numbered(0, 500), held_out=[0.2])
    assert {record.key for record in every(small.held_out)} < {record.key for record in every(large.held_out)}


def test_the_place_of_a_key_never_changes():
    assert place_key("go!") == 0.6192155789810165
    assert place_key("¡ve!") == 0.6448464255524655


def test_duplicates_are_found_over_sources_whatever_their_case_and_space():
    corpus = build(
        [{"text": "One  llama."}], [{"text": "one\nLLAMA."}, {"text": "Two."}], held_out=[0.0, 0.0]
    )
    assert [report.duplicates for report in corpus.report] == [0, 1]
    assert [record.text for record in every(corpus.train)] == ["One  llama.", "Two."]


def test_a_question_and_a_text_of_the_same_words_are_not_duplicates():
    corpus = build([{"text": "a b"}], [{"turns": ["a", "b"]}], [{"turns": ["a", "c"]}], held_out=[0.0] * 3)
    assert len(every(corpus.train)) == 3


def test_translations_of_one_sentence_stay_together():
    german = [{"en": f"number {index}", "de": f"Nummer {index}"} for index in range(200)]
    french = [{"en": f"Number {index}", "fr": f"numéro {index}"} for index in range(200)]
    corpus = build(german, french, held_out=[0.2, 0.2])
    keys = [{record.key for record in corpus.held_out[name]} for name in ("s0", "s1")]
    assert keys[0] == keys[1]
    assert len(keys[0]) > 10


def test_a_published_validation_set_is_withheld_from_training():
    rows = [{"story": f"s{index}", "text": f"page {index}"} for index in range(20)]
    again = [{"story": f"s{index}", "text": f"Seite {index}"} for index in range(10)]
    corpus = build(rows, again, held_out=[0.0, 1.0], key=["story", "story"])
    assert [report.withheld for report in corpus.report] == [10, 0]
    assert [len(corpus.train["s0"]), len(corpus.held_out["s1"])] == [10, 10]


def test_two_pairs_that_share_their_german_are_not_on_both_sides():
    rows = [{"en": f"english {index}", "de": f"deutsch {index // 2}"} for index in range(200)]
    corpus = build(rows, held_out=[0.3])
    asked = [
        {record.messages[0].content for record in every(side)} for side in (corpus.train, corpus.held_out)
    ]
    assert not asked[0] & asked[1]
    assert corpus.report[0].withheld > 0


def test_the_report_counts_what_happened():
    rows = [
        {"text": "é", "lang": "fr"},
        {"text": "É", "lang": "fr"},
        {"text": ""},
        {"text": 3},
        {"text": "b", "lang": "de"},
    ]
    corpus = build(rows, held_out=[0.0], skip_bad=[True], relabel=[{"lang": {"x": "y"}}])
    report = corpus.to_dict()["sources"][0]
    complaints = report.pop("complaints")
    counts = {"rows": 5, "bad": 1, "empty": 1, "filtered": 0, "records": 3, "duplicates": 1, "withheld": 0}
    kept = {"train": 2, "held_out": 0, "num_bytes": 3, "languages": {"fr": 1, "de": 1}}
    assert report == {"name": "s0", "form": "text", "files": 1, **counts, **kept}
    assert len(complaints) == 1 and "line 4: column 'text' must be a text" in complaints[0]


def test_notify_hears_of_every_source(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    heard = []
    build_corpus([Source(name="s", path="a.txt")], data_root=tmp_path, notify=heard.append)
    assert [(report.name, report.records) for report in heard] == [("s", 1)]


def test_records_limits_how_many_are_read(tmp_path):
    (tmp_path / "a.txt").write_text("a|b|c")
    source = Source(name="s", path="a.txt", separator="|", records=2)
    assert [record.text for record in read_records(source, data_root=tmp_path)] == ["a", "b"]


def test_a_source_without_records_says_why():
    with pytest.raises(
        DataError, match=r"'s0' has no records: of 2 rows 2 were left out by `where`, 0 had no text"
    ):
        build([{"text": "x"}, {"text": "y"}], where=[{"text": "z"}])
    with pytest.raises(
        DataError, match=r"and 1 could not be read. The first: .*line 1: column 'text' must be a text"
    ):
        build([{"text": 3}], skip_bad=[True])


def test_two_sources_of_one_name_are_an_error():
    source = Source(name="s", path="a.txt")
    with pytest.raises(RecipeError, match="Two sources are called 's'"):
        build_corpus([source, source])


def test_the_builtin_corpus_is_what_the_source_asks_for():
    source = Source(
        name="w", builtin="world", records=30, tasks=("story", "sentiment"), languages=("de", "en")
    )
    records = list(read_records(source, seed=3))
    assert len(records) == 30
    assert {record.task for record in records} == {"story", "sentiment"}
    assert {record.lang for record in records} == {"de", "en"}
    assert records == list(read_records(source, seed=3))
    assert records != list(read_records(source, seed=4))


def test_the_builtin_corpus_is_split_without_a_shared_scene():
    corpus = build_corpus([Source(name="w", builtin="world", records=400, held_out=0.1)], seed=1)
    keys = [{record.key for record in side["w"]} for side in (corpus.train, corpus.held_out)]
    assert keys[0] and keys[1]
    assert not keys[0] & keys[1]
    assert corpus.report[0].form == "world"
