"""Samples are held-out prompts with their gold answers, and what the two models say."""

import json

import pytest

from camelid.cli import tasting
from camelid.cli.tasting import Sample, choose_samples, read_samples, show_sample
from camelid.pair import load
from camelid.text.records import Message


def test_each_kind_and_language_is_shown_once(camelid, folder):
    result = camelid("samples", folder, "--max-tokens", 4)
    assert result.status == 0
    samples = read_samples(folder)
    kinds = {(sample.kind, sample.lang) for sample in samples}
    assert sum(line.startswith("── ") for line in result.out.splitlines()) == len(kinds)
    assert (
        result.out.count("\ngold ")
        == result.out.count("\nllama ")
        == result.out.count("\nalpaca ")
        == len(kinds)
    )
    assert max(len(line.rstrip()) for line in result.out.splitlines()) <= 100
    answers = sum(1 for sample in choose_samples(samples, task="", lang="", count=1) if not sample.text)
    assert f"Word for word as gold, of {answers} answers: llama 0, alpaca 0." in result.out


def test_a_task_and_a_language_can_be_chosen(camelid, folder):
    result = camelid(
        "samples", folder, "--task", "translation", "--lang", "German", "--count", 2, "--max-tokens", 4
    )
    heads = [line for line in result.out.splitlines() if line.startswith("── ")]
    assert len(heads) == 2 and all("translation · German" in head for head in heads)


def test_the_first_of_a_kind_are_chosen_in_the_order_of_the_file():
    samples = [Sample(task, lang, f"{number}") for number, (task, lang) in enumerate(
        [("b", "en"), ("a", "de"), ("b", "de"), ("b", "en"), ("a", "de"), ("b", "en")])]  # fmt: skip
    chosen = choose_samples(samples, task="", lang="", count=2)
    assert [sample.gold for sample in chosen] == ["2", "0", "3", "1", "4"]


def test_the_prompt_is_all_before_the_last_answer(folder):
    rows = [json.loads(line) for line in (folder / "held_out.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if "messages" in row]
    samples = [sample for sample in read_samples(folder) if not sample.text]
    for row, sample in zip(rows, samples, strict=True):
        assert [turn.content for turn in sample.turns] == [turn["content"] for turn in row["messages"][:-1]]
        assert sample.gold == row["messages"][-1]["content"] and sample.turns[-1].role == "user"


def test_an_answer_that_is_gold_is_marked(folder, monkeypatch, capsys):
    pair = load(folder)
    said = pair.reply("Hello", model="llama", max_tokens=6).text
    sample = Sample("chat", "en", f"  {said}\n", turns=(Message("user", "Hello"),))
    exact = show_sample(tasting.Console(width=100), pair, sample, 6)
    assert exact == {"llama": bool(said.split()), "alpaca": False}
    assert capsys.readouterr().out.count("✓") == 1


def test_a_prompt_that_does_not_fit_is_said_not_to(folder, capsys):
    sample = Sample("chat", "en", "Yes.", turns=(Message("user", "wool " * 200),))
    assert show_sample(tasting.Console(width=100), load(folder), sample, 6) == {
        "llama": False,
        "alpaca": False,
    }
    assert capsys.readouterr().out.count("(this prompt does not fit in the context of 96 tokens)") == 2


def test_the_middle_of_a_long_turn_is_left_out_and_counted(folder, capsys):
    sample = Sample("chat", "en", "Yes.", turns=(Message("user", "a" * 1000 + "b" * 1000),))
    show_sample(tasting.Console(width=100), load(folder), sample, 6)
    shown = capsys.readouterr().out
    assert (shown.count("a") - 600 < 20) and "(800 characters not shown)" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task", "translate"], "has the task 'translate'. Did you mean 'translation'"),
        (
            ["--lang", "ru"],
            "No held-out record is in Russian; they are in English, French, German and Spanish.",
        ),
        (["--lang", "germna"], "Unknown language 'germna'. Did you mean 'german'"),
    ],
)
def test_what_is_not_there_is_named(camelid, folder, words, message):
    result = camelid("samples", folder, *words)
    assert (result.status, result.out) == (1, "") and message in result.err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has no held-out records"),
        ("", "has no held-out records"),
        ('{"text": "One.", "lang": "en", "ta', "line 1 is no held-out record"),
        ('{"messages": [{"role": "usr"}], "lang": "en", "task": "chat"}', "unknown role 'usr'"),
        ('{"text": "Too short.", "lang": "en", "task": "story"}', "has no held-out records"),
    ],
)
def test_held_out_records_that_cannot_be_read(camelid, folder, tmp_path, content, message):
    for role in ("llama", "alpaca"):
        (tmp_path / role).symlink_to(folder / role)
    (tmp_path / "pair.json").write_bytes((folder / "pair.json").read_bytes())
    if content is not None:
        (tmp_path / "held_out.jsonl").write_text(content)
    result = camelid("samples", tmp_path)
    assert result.status == 1 and message in result.err


def test_one_model_has_no_samples(camelid, folder):
    assert "it is one model" in camelid("samples", folder / "llama").err
