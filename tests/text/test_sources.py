"""The source: what a recipe may say of one, and what it is told when it says something else."""

import os
import tomllib
from pathlib import Path

import pytest

from camelid.errors import DataError, RecipeError
from camelid.recipe import fill
from camelid.text.languages import LANGUAGE_NAMES, is_language, language_code
from camelid.text.sources import Source, fingerprint_source
from camelid.text.template import RowError, Template

WRONG = {
    "no name": ({"name": "", "path": "a.txt"}, "needs a name"),
    "no origin": ({}, "expected exactly one of path, builtin and dataset; found none"),
    "two origins": ({"path": "a.txt", "dataset": "d"}, "found path and dataset"),
    "builtin without records": ({"builtin": "world"}, "needs records"),
    "builtin with where": ({"builtin": "world", "records": 9, "where": {"a": "b"}}, "where would be ignored"),
    "builtin with key": ({"builtin": "world", "records": 9, "key": "a"}, "key would be ignored"),
    "tasks of a file": ({"path": "a.txt", "tasks": ["story"]}, "tasks works only with builtin"),
    "subset of a file": ({"path": "a.txt", "subset": "x"}, "subset works only with dataset"),
    "separator of a dataset": ({"dataset": "d", "separator": "x"}, "separator works only with path"),
    "columns of JSON": (
        {"path": "a.jsonl.gz", "columns": ["a"]},
        "columns works only with .csv and .tsv; the path",
    ),
    "cut_chars of JSON": ({"path": "a.jsonl", "cut_chars": 9}, "cut_chars works only with .txt"),
    "held_out": ({"path": "a.txt", "held_out": 1.5}, "held_out must lie between 0 and 1; found 1.5"),
    "records": ({"path": "a.txt", "records": -1}, "records must not be negative"),
    "epochs": ({"path": "a.txt", "max_epochs": 0}, "max_epochs must be above 0"),
    "rows without templates": ({"path": "a.csv", "form": "rows"}, "needs the templates prompt and answer"),
    "answer for a text": ({"path": "a.csv", "form": "text", "answer": "x"}, "answer works only with form"),
    "prompt for a text": (
        {"path": "a.csv", "form": "text", "prompt": "x"},
        "prompt works only with the forms",
    ),
    "answer alone": ({"path": "a.csv", "answer": "{x}"}, "answer needs a prompt"),
    "pair_langs for a text": (
        {"path": "a.csv", "form": "text", "pair_langs": ["en", "de"]},
        "pair_langs works",
    ),
    "one pair_lang": ({"path": "a.csv", "pair_langs": ["en"]}, "pair_langs must name two columns"),
    "language": ({"path": "a.txt", "lang": "germn"}, "Unknown language 'germn'. Did you mean 'german'?"),
    "language code": ({"path": "a.txt", "lang": "dee"}, "Unknown language 'dee'. Did you mean 'de'?"),
    "lang twice": ({"path": "a.csv", "lang": "en", "lang_field": "l"}, "exclude each other"),
    "open brace": ({"path": "a.csv", "prompt": "{x", "answer": "{y}"}, "cannot be read"),
    "attribute": ({"path": "a.csv", "prompt": "{x!r}", "answer": "{y}"}, "where a column is expected"),
    "no column": ({"path": "a.csv", "prompt": "{}", "answer": "{y}"}, "where a column is expected"),
    "unknown key": ({"path": "a.csv", "colums": []}, "no key 'colums'. Did you mean 'columns'?"),
    "unknown form": ({"path": "a.csv", "form": "table"}, "form must be one of 'auto', 'text'"),
}


@pytest.mark.parametrize("table, message", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_source_gets_one_clear_line(table, message):
    with pytest.raises(RecipeError) as caught:
        fill(Source, {"name": "s", **table}, "source[0]")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lists_and_texts_are_both_taken():
    source = fill(
        Source, {"name": "s", "path": "a.csv", "key": ["a", "b"], "prompt": "{x}", "answer": "{y}"}, "s"
    )
    assert (source.keys, source.prompts) == (("a", "b"), ("{x}",))


def test_the_reference_sources_are_sources():
    recipes = Path(__file__).parents[2] / "recipes"
    for recipe in recipes.glob("reference*"):
        tables = tomllib.loads(recipe.read_text(encoding="utf-8"))["source"]
        sources = [fill(Source, table, "source") for table in tables]
        assert len({source.name for source in sources}) == len(sources) > 10


def test_the_fingerprint_follows_settings_and_files(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    prints = [fingerprint_source(Source(name="s", path="a.txt"), tmp_path)]
    assert fingerprint_source(Source(name="s", path="a.txt"), tmp_path) == prints[0]
    prints.append(fingerprint_source(Source(name="s", path="a.txt", lang="en"), tmp_path))
    (tmp_path / "a.txt").write_text("xy")
    prints.append(fingerprint_source(Source(name="s", path="a.txt"), tmp_path))
    (tmp_path / "a.txt").write_text("yx")  # of the same size
    prints.append(fingerprint_source(Source(name="s", path="a.txt"), tmp_path))
    assert len(set(prints)) == 4


def test_the_fingerprint_is_the_same_for_a_copy_of_the_data(tmp_path):
    source = Source(name="s", path="texts")
    for name, time_s in [("one", 1_000_000_000), ("two", 1_700_000_000)]:
        (tmp_path / name / "texts").mkdir(parents=True)
        (tmp_path / name / "texts" / "a.txt").write_text("x")
        os.utime(tmp_path / name / "texts" / "a.txt", (time_s, time_s))
    assert fingerprint_source(source, tmp_path / "one") == fingerprint_source(source, str(tmp_path / "two"))


@pytest.mark.parametrize(
    "word, code",
    [("de", "de"), ("DE", "de"), ("pt-BR", "pt"), ("pt_BR", "pt"), ("German", "de"), ("und", "und")],
)
def test_languages_go_by_code_or_name(word, code):
    assert language_code(word) == code


def test_every_known_language_has_two_letters():
    assert all(len(code) == 2 and is_language(code) for code in LANGUAGE_NAMES)
    assert len(LANGUAGE_NAMES) == len(set(LANGUAGE_NAMES.values())) > 180


def test_an_unknown_language_without_a_near_one_says_what_to_use():
    with pytest.raises(DataError, match="Use an ISO 639-1 code"):
        language_code("qqqqqqq")


def test_a_template_reads_columns():
    row = {"a": "x", "n": 3, "flag": True, "list": ["p", "q"], "none": None, "table": {}}
    assert Template("{{{a}}} {n} {flag} {list} {list[1]} {list[9]}{none}").fill(row) == "{x} 3 true p q q "
    for template, message in [
        ("{b}", "no column 'b'"),
        ("{a[0]}", "needs a list"),
        ("{table}", "found a table"),
    ]:
        with pytest.raises(RowError, match=message):
            Template(template).fill(row)
