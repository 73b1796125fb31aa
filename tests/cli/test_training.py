"""The training verbs: what they ask for, what they show, and how they end."""

import sys
from io import StringIO

import pytest
from rich.console import Console

from camelid.cli import progress
from camelid.cli.progress import LiveProgress, PlainProgress
from camelid.errors import RunError
from camelid.train import stages
from camelid.train.progress import Status

RECIPE = """
name = "tried"
seed = 1

[[source]]
name = "texts"
path = "texts.jsonl"

[[source]]
name = "village"
builtin = "world"
records = 50

[llama]
depth = 2
pretrain = { steps = 2 }
finetune = { steps = 2 }

[alpaca]
depth = 1
distill = { steps = 2 }
finetune = { steps = 2 }
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path / "recipe.toml"


@pytest.fixture
def raised(monkeypatch):
    """Return what is asked of the training room, which does nothing."""
    calls = []

    def raise_pair(upbringing, *, progress, until=""):
        progress.begin("tokenizer")
        progress.note("300 tokens")
        progress.end("tokenizer", 3.2)
        progress.skip("corpus")
        calls.append((upbringing, until))
        return upbringing.folder

    monkeypatch.setattr(stages, "raise_pair", raise_pair)
    return calls


@pytest.mark.parametrize(
    ("words", "until"),
    [
        (["train"], ""),
        (["tokenizer"], "tokenizer"),
        (["pretrain"], "llama-pretrain"),
        (["distill"], "alpaca-distill"),
        (["finetune"], "alpaca-finetune"),
        (["finetune", "--role", "both"], "alpaca-finetune"),
        (["finetune", "--role", "alpaca"], "alpaca-finetune"),
        (["finetune", "--role", "llama"], "llama-finetune"),
    ],
)
def test_a_verb_runs_its_stage_and_those_before(camelid, recipe, raised, words, until):
    result = camelid(words[0], recipe, *words[1:])
    assert (result.status, result.err) == (0, "")
    assert raised[0][1] == until and (until == "" or until in stages.STAGES)
    expected = f"pairs/tried/stages/{until}" if until else "camelid chat pairs/tried"
    assert expected in result.out
    assert "tokenizer: done in 3.2 s" in result.out and "corpus: unchanged, skipped" in result.out


def test_options_take_the_place_of_the_recipes_values(camelid, recipe, raised):
    camelid("train", recipe, "--out", "here", "--data-root", "there", "--seed", 7, "--skip-bad")
    upbringing = raised[0][0]
    assert (upbringing.out, upbringing.data_root, upbringing.seed) == ("here", "there", 7)
    assert [source.skip_bad for source in upbringing.source] == [True, False]
    camelid("train", recipe)
    assert (raised[1][0].out, raised[1][0].data_root, raised[1][0].seed) == ("", ".", 1)
    assert not raised[1][0].source[0].skip_bad


def test_ctrl_c_says_how_to_go_on(camelid, recipe, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(stages, "raise_pair", stop)
    monkeypatch.setattr(sys, "argv", ["camelid", "train", "my recipe.toml"])
    result = camelid("train", recipe)
    assert result.status == 130
    assert "the same command goes on from there: camelid train 'my recipe.toml'" in result.err


def test_a_run_that_fails_is_one_line(camelid, recipe, monkeypatch):
    def fail(*_, **__):
        raise RunError("The disk is full.")

    monkeypatch.setattr(stages, "raise_pair", fail)
    result = camelid("train", recipe)
    assert (result.status, result.err) == (1, "camelid: The disk is full.\n")


def test_a_recipe_that_is_wrong_is_one_line(camelid, recipe):
    recipe.write_text(RECIPE.replace("seed", "sede"))
    result = camelid("train", recipe)
    assert result.status == 1 and "no key 'sede'. Did you mean 'seed'" in result.err


def test_without_torch_the_extra_is_named(camelid, recipe, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "camelid.train.stages")
    result = camelid("train", recipe)
    assert result.status == 1 and "pip install 'camelid[train]'" in result.err


def status(step, **changes):
    values = {"stage": "llama-pretrain", "step": step, "total_steps": 1500, "share": step / 1500, "loss": 2.5,
              "tokens_per_s": 41_234.5, "seconds_left": 130.0}  # fmt: skip
    return Status(**{**values, **changes})


def test_plain_lines_come_every_ten_seconds(monkeypatch):
    file = StringIO()
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with PlainProgress(Console(file=file, width=100)) as plain:
        plain.begin("llama-pretrain")
        for step in range(1, 36):
            clock[0] = float(step)
            plain.step(status(step))
    lines = file.getvalue().splitlines()
    assert [line.partition(" of ")[0] for line in lines[1:]] == [
        f"llama-pretrain: {share} · step {step}" for step, share in ((10, "1%"), (20, "1%"), (30, "2%"))
    ]
    assert lines[1].endswith("step 10 of 1,500 · loss 2.500 · 41,234 tokens/s · 2 min 10 s left")


def test_a_budget_in_minutes_has_no_number_of_steps_yet():
    assert progress.say_status(status(7, total_steps=None, seconds_left=-1)).startswith("step 7 · loss")


def draw(live):
    console = Console(width=100, file=StringIO())
    with console.capture() as shown:
        console.print(live._draw())
    return [" ".join(line.split()) for line in shown.get().splitlines()]


def test_the_live_picture_shows_every_stage_and_where_the_running_one_stands():
    file = StringIO()
    console = Console(file=file, width=100, force_terminal=True, highlight=False)
    with LiveProgress(console, ("tokenizer", "corpus", "llama-pretrain", "pair")) as live:
        live.skip("tokenizer")
        live.begin("corpus")
        assert draw(live)[1].startswith("▸ corpus 0 s")
        live.end("corpus", 12.4)
        live.note("3 of 9 could not be read")
        live.begin("llama-pretrain")
        live.step(status(750))
        picture = draw(live)
    assert picture[0] == "✓ tokenizer unchanged" and picture[1] == "✓ corpus 12 s" and picture[3] == "pair"
    assert picture[2].startswith("▸ llama-pretrain ━") and "50% step 750 of 1,500 · loss 2.500" in picture[2]
    assert "3 of 9 could not be read" in file.getvalue()
