"""What show prints is what a model would see."""

import json
import re

import pytest

RECIPE = """
name = "shown"
context = 64
data_root = "{root}"
out = "{root}/pair"

[[source]]
name = "talk"
path = "talk.jsonl"

[[source]]
name = "village"
builtin = "world"
tasks = ["sentiment"]
records = 50

[tokenizer]
vocab_size = 300

[llama]
depth = 2
pretrain = {{ steps = 2 }}
finetune = {{ steps = 2 }}

[alpaca]
depth = 1
distill = {{ steps = 2 }}
finetune = {{ steps = 2 }}
"""
TALKS = {
    "sharegpt": {
        "conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "The llama."}]
    },
    "messages": {"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "It."}]},
}
FORMS = {
    "text": ("a.jsonl", '{"text": "The llama sleeps."}\n'),
    "alpaca": ("a.json", '[{"instruction": "Who?", "input": "", "output": "The llama."}]'),
    "pairs": ("a.tsv", "en\tde\nThe llama.\tDas Lama.\n"),
    **{form: ("a.jsonl", json.dumps(row) + "\n") for form, row in TALKS.items()},
}


def talk(*turns):
    roles = ("user", "assistant") * len(turns)
    return {"messages": [{"role": role, "content": turn} for role, turn in zip(roles, turns, strict=False)]}


@pytest.fixture
def recipe(tmp_path):
    rows = [talk("Open?", "Yes."), talk("Why?", "Because. " * 40), talk("How?", "So.", "And?", "Thus.")]
    (tmp_path / "talk.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "recipe.toml").write_text(RECIPE.format(root=tmp_path))
    return tmp_path / "recipe.toml"


@pytest.mark.parametrize("form", FORMS)
def test_the_form_is_recognised_and_said(camelid, tmp_path, form):
    name, content = FORMS[form]
    (tmp_path / name).write_text(content)
    result = camelid("show", tmp_path / name)
    assert result.status == 0, result.err
    assert f"── a · read as {form} · {tmp_path / name}" in result.out
    assert "learnt from the beginning of this data" in result.out and "<|bos|>" in result.out


def test_what_is_learnt_is_the_assistants_and_nothing_else(camelid, recipe):
    result = camelid("show", recipe, "--source", "talk")
    learnt = re.findall(r"⟦([^⟧]*)⟧", result.out)
    assert learnt == ["Yes.<|end|>", "Because. " * 40 + "<|end|>", "So.<|end|>", "Thus.<|end|>"]
    assert "<|bos|><|user|>Open?<|end|><|assistant|>⟦Yes.<|end|>⟧\n" in result.out


def test_colours_and_brackets_mark_the_same(camelid, recipe, monkeypatch):
    brackets = camelid("show", recipe, "--plain").out
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    monkeypatch.setenv("TERM", "xterm")
    coloured = camelid("show", recipe).out
    green = re.sub(r"\x1b\[32m(.*?)\x1b\[0m", r"⟦\1⟧", coloured, flags=re.DOTALL)
    assert "⟦" not in coloured and re.findall(r"⟦[^⟧]*⟧", green) == re.findall(r"⟦[^⟧]*⟧", brackets)
    assert "⟦" in camelid("show", recipe, "--plain").out


def test_every_source_of_a_recipe_is_shown_or_the_one_that_is_asked_for(camelid, recipe):
    everything = camelid("show", recipe, "--limit", 2).out
    assert "── talk · read as messages" in everything and "── village · the built-in world" in everything
    assert len(re.findall(r"tokens, \d+ of them learnt", everything)) == 4
    one = camelid("show", recipe, "--source", "village").out
    assert "── talk" not in one and "sentiment" in one


def test_a_record_longer_than_the_context_is_said_to_be(camelid, recipe):
    lines = camelid("show", recipe, "--source", "talk").out.splitlines()
    assert [line.endswith("longer than the context of 64") for line in lines if "learnt" in line][1:] == [
        False,
        True,
        False,
    ]


def test_the_tokenizer_of_any_folder_will_do(camelid, recipe, folder):
    for place in (folder, folder / "llama"):
        result = camelid("show", recipe, "--tokenizer", place)
        assert f"tokenizer: that of {place}; 400 tokens" in result.out


def test_a_recipe_that_has_run_shows_its_own_tokenizer(camelid, recipe, folder):
    stage = recipe.parent / "pair" / "stages" / "tokenizer"
    stage.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (stage / name).write_bytes((folder / "llama" / name).read_bytes())
    assert f"tokenizer: that of {recipe.parent / 'pair'}; 400 tokens" in camelid("show", recipe).out


def test_bad_rows_stop_it_or_are_left_out_and_said(camelid, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "One llama."}\n{"text": \n{"text": "Two llamas."}\n')
    result = camelid("show", path)
    assert result.status == 1 and f"{path}, line 2: bad JSON" in result.err
    result = camelid("show", path, "--skip-bad")
    assert result.status == 0 and "left out: " in result.out and "Two llamas." in result.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--source", "tlak"], "has no source 'tlak'. Did you mean 'talk'"),
        (["--tokenizer", "/nowhere"], "there is no tokenizer.json"),
    ],
)
def test_what_cannot_be_shown(camelid, recipe, words, message):
    result = camelid("show", recipe, *words)
    assert result.status == 1 and message in result.err


def test_a_recipes_data_may_be_elsewhere(camelid, recipe, tmp_path):
    (tmp_path / "moved").mkdir()
    (tmp_path / "talk.jsonl").rename(tmp_path / "moved" / "talk.jsonl")
    assert "There is no file or folder" in camelid("show", recipe).err
    assert "Open?" in camelid("show", recipe, "--data-root", tmp_path / "moved").out


def test_a_data_file_has_no_sources(camelid, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "One llama."}\n')
    assert "--source belongs to a recipe" in camelid("show", tmp_path / "a.jsonl", "--source", "a").err
    assert "There is no file or folder" in camelid("show", tmp_path / "b.jsonl").err
    assert "There is no recipe" in camelid("show", tmp_path / "b.toml").err
