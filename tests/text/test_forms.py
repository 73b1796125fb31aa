"""Rows into records: every form is recognised, and a row that is none says what was expected."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camelid.errors import DataError
from camelid.text.corpus import read_records
from camelid.text.forms import RecordMaker, make_key, normalise
from camelid.text.phrases import ask_translation
from camelid.text.readers import Reading
from camelid.text.records import Message, Record
from camelid.text.sources import Source

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), min_size=1).filter(
    str.strip
)


def make(*rows, **settings):
    source = Source(name="s", path="a.jsonl", **settings)
    reading = Reading("s", source.skip_bad, file="a.jsonl")
    maker = RecordMaker(source, reading)
    records = [record for number, row in enumerate(rows, 1) for record in maker.make(number, row)]
    maker.check_columns()
    return records, reading


def chat(*contents: str) -> tuple[Message, ...]:
    return tuple(Message("assistant" if index % 2 else "user", text) for index, text in enumerate(contents))


def turns(*contents: str, role="role", content="content", names=("user", "assistant")):
    return [{role: names[index % 2], content: text} for index, text in enumerate(contents)]


RECOGNISED = {
    "text": ({"text": "A tale.", "id": 3}, "text", "A tale."),
    "alpaca": ({"instruction": "Add.", "input": "1 1", "output": "2"}, "alpaca", chat("Add.\n\n1 1", "2")),
    "alpaca without input": ({"instruction": "Hi", "output": "Hello"}, "alpaca", chat("Hi", "Hello")),
    "alpaca with null": ({"instruction": "Hi", "input": None, "output": "Oh"}, "alpaca", chat("Hi", "Oh")),
    "sharegpt": (
        {"conversations": turns("a", "b", "c", "d", role="from", content="value", names=("human", "gpt"))},
        "sharegpt",
        chat("a", "b", "c", "d"),
    ),
    "messages": ({"messages": turns("a", "b", "c", "d")}, "messages", chat("a", "b", "c", "d")),
    "turns": ({"id": "1", "turns": turns("a", "b", content="text")}, "messages", chat("a", "b")),
    "texts": ({"lang": "en", "turns": ["a", "b", "c", "d"]}, "messages", chat("a", "b", "c", "d")),
    "parts": (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}, *turns("", "b")[1:]]},
        "messages",
        chat("a", "b"),
    ),
}


@pytest.mark.parametrize("row, form, expected", RECOGNISED.values(), ids=RECOGNISED.keys())
def test_forms_are_recognised(row, form, expected):
    records, reading = make(row)
    assert reading.form == form
    assert [record.messages or record.text for record in records] == [expected]


@settings(max_examples=50, deadline=None)
@given(contents=st.lists(WORDS, min_size=2, max_size=6).filter(lambda texts: len(texts) % 2 == 0))
def test_a_conversation_comes_back(contents):
    assert make({"messages": turns(*contents)})[0][0].messages == chat(*contents)


def test_a_system_turn_is_kept_and_one_can_be_given():
    said = [{"role": "system", "content": "Be brief."}, *turns("a", "b")]
    brief, kind = Message("system", "Be brief."), Message("system", "Be kind.")
    assert make({"messages": said})[0][0].messages == (brief, *chat("a", "b"))
    assert make({"messages": said}, system="Be kind.")[0][0].messages == (brief, *chat("a", "b"))
    assert make({"messages": turns("a", "b")}, system="Be kind.")[0][0].messages == (kind, *chat("a", "b"))
    assert make({"instruction": "a", "output": "b"}, system="Be kind.")[0][0].messages == (
        kind,
        *chat("a", "b"),
    )


def test_what_follows_the_last_answer_is_cut_off():
    assert make({"turns": ["a", "b", "c"]})[0][0].messages == chat("a", "b")
    assert make({"turns": ["a", "b", "c", " ", "e", "f"]})[0][0].messages == chat("a", "b")


@pytest.mark.parametrize(
    "row",
    [{"text": " "}, {"text": None}, {"instruction": "a", "output": ""}, {"turns": ["a"]}, {"turns": []}],
)
def test_a_row_without_words_is_counted_as_empty(row):
    records, reading = make(row)
    assert (records, reading.empty, reading.bad) == ([], 1, 0)


def test_pairs_go_both_ways_and_share_the_english_key():
    (there, back), reading = make({"de": "Geh!", "en": "Go!"})
    assert reading.form == "pairs"
    assert (there.answer, there.lang, back.answer, back.lang) == ("Go!", "en", "Geh!", "de")
    assert (there.source_lang, back.source_lang) == ("de", "en")
    assert there.messages[0].content == ask_translation("Geh!", "de", "en")
    assert there.key == back.key == "go!"
    assert there.task == "translation"


@pytest.mark.parametrize(
    "directions, answers", [("forward", ["Geh!"]), ("backward", ["Go!"]), ("both", ["Geh!", "Go!"])]
)
def test_pairs_can_go_one_way(directions, answers):
    records, _ = make(
        {"en": "Go!", "de": "Geh!", "fr": "Va !"}, pair_langs=("en", "de"), directions=directions
    )
    assert [record.answer for record in records] == answers


def test_pairs_without_english_go_by_the_first_of_the_alphabet():
    assert make({"fr": "Va !", "de": "Geh!"})[0][0].key == "geh!"


def test_pairs_are_found_inside_a_translation_column_and_beside_an_id():
    assert make({"translation": {"en": "Go!", "de": "Geh!"}})[0][0].answer == "Geh!"
    assert make({"id": "7", "en": "Go!", "de": "Geh!"})[0][0].answer == "Geh!"


def test_pairs_take_prompts_of_their_own():
    records, _ = make({"en": "Go!", "de": "Geh!"}, prompt="{source}>{target}: {text}")
    assert [record.messages[0].content for record in records] == ["en>de: Go!", "de>en: Geh!"]


@given(
    text=WORDS,
    direction=st.sampled_from([("en", "de"), ("fr", "es"), ("de", "fr"), ("ru", "en"), ("fi", "sv")]),
)
def test_a_request_to_translate_holds_the_text_and_no_open_slot(text, direction):
    asked = ask_translation(text, *direction)
    assert asked == ask_translation(text, *direction)
    assert text in asked
    assert "{" not in asked.replace(text, "", 1)


def test_requests_are_phrased_in_both_languages():
    asked = {ask_translation("x" * size, "de", "fr").split()[0] for size in range(1, 200)}
    assert {"Übersetze", "Traduis", "Wie", "Comment"} <= asked
    assert {ask_translation("x" * size, "ru", "fi").split()[0] for size in range(1, 200)} <= {
        "Translate", "How", "What", "Say",
    }  # fmt: skip


def test_rows_go_through_templates():
    row = {"source": ["One.", "Two."], "target": ["Short.", "Other."], "n": 7}
    records, reading = make(row, prompt="{n}: {source}", answer="{target[0]}", task="summary", lang="en")
    assert reading.form == "rows"
    assert records == [
        Record(messages=chat("7: One. Two.", "Short."), lang="en", task="summary", key="7 one. two.")
    ]  # fmt: skip


def test_of_several_prompts_a_record_always_takes_the_same_and_the_key_does_not_change():
    rows = [{"text": f"text {number}", "label": "yes"} for number in range(50)]
    prompts = ("A {text}", "B {text}", "C {text}")
    first = make(*rows, prompt=prompts, answer="{label}")[0]
    assert first == make(*rows, prompt=prompts, answer="{label}")[0]
    assert {record.messages[0].content[0] for record in first} == {"A", "B", "C"}
    assert [record.key for record in first] == [row["text"] for row in rows]


def test_where_keeps_relabel_changes_and_rename_renames():
    rows = [{"body": "one", "ok": True, "l": "hinglish"}, {"body": "two", "ok": False, "l": "german"}]
    relabel = {"l": {"hinglish": "hi"}}
    records, reading = make(
        *rows, where={"ok": "true"}, rename={"body": "text"}, relabel=relabel, lang_field="l"
    )
    assert [(record.text, record.lang) for record in records] == [("one", "hi")]
    assert reading.filtered == 1
    records, _ = make(
        *rows,
        where={"ok": ["true", "false"]},
        rename={"body": "text"},
        relabel={"l": {"*": "fr"}},
        lang_field="l",
    )
    assert [record.lang for record in records] == ["fr", "fr"]


@pytest.mark.parametrize(
    "row, lang",
    [({"lang": "de-AT"}, "de"), ({"language": "french"}, "fr"), ({}, "und"), ({"lang": None}, "und")],
)
def test_a_record_has_the_language_that_its_row_says(row, lang):
    assert make({"text": "x", **row})[0][0].lang == lang


def test_the_key_can_be_columns():
    rows = [{"text": "x", "story": "S 1", "page": 2}]
    assert make(*rows, key="story")[0][0].key == "s 1"
    assert make(*rows, key=("story", "page"))[0][0].key == "s 1 2"


def test_the_default_key_is_the_question():
    assert make({"instruction": "Hi", "output": "a"})[0][0].key == make({"turns": ["HI", "b"]})[0][0].key
    assert make({"turns": ["Hi", "a", "b", "c"]})[0][0].key != make({"turns": ["Hi", "a"]})[0][0].key


@given(text=st.text())
def test_normalising_forgets_case_and_space(text):
    plain = normalise(text)
    assert normalise(f"  {text}\n") == plain
    assert plain == " ".join(plain.split())
    assert len(make_key(text)) <= 40
    assert make_key(text) == make_key(f" {text} ")


def test_composed_and_decomposed_letters_are_the_same():
    assert normalise("cafe\u0301 Stra\u00dfe") == normalise("CAF\u00c9 STRASSE")


def test_line_ends_become_newlines():
    assert make({"text": "a\r\nb\rc"})[0][0].text == "a\nb\nc"


WRONG = {
    "columns": (
        {"sentence": "x", "label": 1},
        {},
        "the columns are not recognised: sentence, label. Expected text",
    ),
    "no column of the form": ({"txt": "x"}, {"form": "text"}, "there is no column 'text'; found txt"),
    "no turns": ({"txt": "x"}, {"form": "messages"}, "there is no column messages or conversations or turns"),
    "text of the wrong kind": ({"text": 3}, {}, "column 'text' must be a text; found 3"),
    "turns of the wrong kind": ({"turns": "x"}, {"form": "messages"}, "must be a list of turns; found x"),
    "turn of the wrong kind": ({"turns": [3]}, {}, "turn 1 must be a table or a text; found 3"),
    "role": (
        {"messages": [{"role": "boss", "content": "x"}]},
        {},
        "turn 1 has the role 'boss'. Known: agent",
    ),
    "no content": (
        {"messages": [{"role": "user", "say": "x"}]},
        {},
        "turn 1 has no content; found role, say",
    ),
    "image": ({"messages": [{"role": "user", "content": [{"image": "x"}]}]}, {}, "turn 1 must be text"),
    "surrogate": ({"text": "\ud800"}, {}, "half of a surrogate pair (\\ud800)"),
    "language": ({"text": "x", "lang": "germn"}, {}, "Unknown language 'germn'. Did you mean 'german'?"),
    "template": ({"a": "x"}, {"prompt": "{b}", "answer": "{a}"}, "there is no column 'b'"),
}


@pytest.mark.parametrize("row, settings, message", WRONG.values(), ids=WRONG.keys())
def test_a_row_that_is_none_gets_one_clear_line(row, settings, message):
    with pytest.raises(DataError) as caught:
        make(row, **settings)
    assert str(caught.value).startswith("a.jsonl, line 1: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    _, reading = make(
        row, {"text": "x"}, **{**settings, "skip_bad": True, "form": settings.get("form", "auto")}
    )
    assert reading.bad >= 1


def test_bad_rows_can_be_skipped():
    records, reading = make({"text": 3}, {"text": "x"}, {"text": 4}, skip_bad=True)
    assert ([record.text for record in records], reading.bad, reading.rows) == (["x"], 2, 3)


@pytest.mark.parametrize(
    "settings", [{"where": {"licens": "x"}}, {"rename": {"licens": "x"}}, {"lang_field": "licens"}]
)
def test_a_column_that_no_row_has_is_an_error(settings):
    with pytest.raises(DataError, match=r"names columns that no row has: 'licens'. Found: text, licence"):
        make({"text": "x", "licence": "y"}, **settings)


def test_a_source_may_mix_forms_and_says_so(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "x"}) + "\n")
    (tmp_path / "b.jsonl").write_text(json.dumps({"instruction": "a", "output": "b"}) + "\n")
    reading = Reading("s")
    assert len(list(read_records(Source(name="s", path="*.jsonl"), data_root=tmp_path, reading=reading))) == 2
    assert reading.form == "text, alpaca"
