"""camelid finetune --base, camelid alpaca and camelid merge, from the words to what is said at the end."""

import json
import sys

import pytest

from camelid.text.world import build_world
from camelid.train import sibling, tuning

FAST = ("--steps", 2, "--batch-tokens", 192, "--context", 96, "--held-out", 0.3)


@pytest.fixture
def talks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open("talks.jsonl", "w", encoding="utf-8") as file:
        for record in build_world(seed=5, num_records=40, tasks=("smalltalk",), languages=("en",)):
            turns = [{"role": turn.role, "content": turn.content} for turn in record.messages]
            file.write(json.dumps({"messages": turns, "lang": "en"}) + "\n")
    return "talks.jsonl"


@pytest.fixture
def votes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open("votes.jsonl", "w", encoding="utf-8") as file:
        for number in range(20):
            replies = {"llama": "Gladly.", "alpaca": f"No {number}."}
            prompt = [{"role": "user", "content": f"Number {number}?"}]
            file.write(json.dumps({"prompt": prompt, "chosen": "llama", "replies": replies}) + "\n")
    return "votes.jsonl"


def test_a_model_is_tuned_and_says_how_much_better_it_reads(camelid, folder, talks, tmp_path):
    result = camelid("finetune", "--base", folder / "llama", "--data", talks, *FAST)
    assert (result.status, result.err) == (0, "")
    assert "tune: done in" in result.out and "The model is in llama-tuned." in result.out
    assert "held-out bits per byte    before     after" in result.out and "\n  en  " in result.out
    assert (tmp_path / "llama-tuned" / "model.safetensors").is_file()


def test_an_adapter_is_kept_and_merged(camelid, folder, talks, tmp_path):
    words = ("--base", folder / "llama", "--data", talks, "--lora", "--keep-adapter", "--rank", 2)
    result = camelid("finetune", *words, "--targets", "q_proj,v_proj", "--out", "adapter", *FAST)
    assert result.status == 0, result.err
    assert "Make a model of it: camelid merge adapter --out FOLDER" in result.out
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["target_modules"]) == (2, ["q_proj", "v_proj"])
    result = camelid("merge", "adapter", "--out", "merged")
    assert result.status == 0 and "The model is in merged." in result.out
    assert (tmp_path / "merged" / "config.json").is_file()
    assert "merged is there already" in camelid("merge", "adapter", "--out", "merged").err


def test_preferences_as_json_for_a_machine(camelid, folder, votes):
    words = ("--base", folder / "llama", "--data", votes, "--preferences", "--json")
    result = camelid("finetune", *words, *FAST)
    assert result.status == 0 and "pairs to learn from" in result.err
    report = json.loads(result.out)
    assert (report["learnt"], report["before"]["accuracy"], report["beta"]) == ("preferences", 0.5, 0.1)
    assert report["after"]["pairs"] > 0


def test_preferences_in_words(camelid, folder, votes):
    words = ("--base", folder / "llama", "--data", votes, "--preferences", "--beta", 0.3)
    result = camelid("finetune", *words, *FAST)
    assert result.status == 0 and "held-out pairs" in result.out and "50.0%" in result.out


def test_an_alpaca_is_made_and_what_comes_next_is_said(camelid, folder, talks, monkeypatch):
    """Its stages are tried in tests/train; here they are as short as can be."""
    budget = sibling.Budget
    monkeypatch.setattr("camelid.train.study.Budget", lambda **_: budget(steps=1, batch_tokens=96))
    words = ("--from", folder / "llama", "--layers", 1, "--data", talks, "--context", 96, "--held-out", 0.3)
    result = camelid("alpaca", *words)
    assert (result.status, result.err) == (0, "")
    assert "held-out bits per byte     Llama    Alpaca" in result.out
    for verb in ("chat", "compare", "calibrate", "serve"):
        assert f"  camelid {verb} pairs/llama" in result.out
    again = camelid("alpaca", *words, "--json")
    assert json.loads(again.out)["pair"] == "pairs/llama" and "distill: unchanged, skipped" in again.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("finetune",), "takes a RECIPE, or --base FOLDER with --data FILE; found neither"),
        (("finetune", "r.toml", "--base", "b"), "found both"),
        (("finetune", "--base", "b"), "nothing to learn from. Name a file with --data"),
        (("finetune", "r.toml", "--data", "d"), "--data works only with --base FOLDER"),
        (("finetune", "--base", "b", "--data", "d", "--role", "llama"), "--role works only with a RECIPE"),
        (("finetune", "--base", "b", "--data", "d", "--rank", "4"), "--rank works only with --lora"),
        (("finetune", "--base", "b", "--data", "d", "--beta", "1"), "--beta works only with --preferences"),
        (("finetune", "--base", "b", "--data", "d", "--lora", "--rank", "0"), "rank of an adapter must be"),
        (("finetune", "--base", "b", "--data", "d", "--epochs", "1", "--steps", "1"), "A budget is one of"),
        (("finetune", "--base", "nowhere", "--data", "d"), "There is no folder nowhere"),
        (("alpaca", "--from", "nowhere", "--layers", "1", "--data", "d"), "There is no folder nowhere"),
        (
            ("alpaca", "--from", "b", "--layers", "1", "--data", "d", "--epochs", "1", "--minutes", "1"),
            "A budget",
        ),
        (("merge", "nowhere", "--out", "x"), "is no adapter"),
    ],
)
def test_what_cannot_be_followed_is_one_line_and_leaves_nothing(
    camelid, tmp_path, monkeypatch, words, message
):
    monkeypatch.chdir(tmp_path)
    result = camelid(*words)
    assert result.status == 1 and message in result.err and result.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_data_that_is_missing_is_named(camelid, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in (
        ("finetune", "--base", folder / "llama"),
        ("alpaca", "--layers", 1, "--from", folder / "llama"),
    ):
        result = camelid(*words, "--data", "nothing.jsonl")
        assert result.status == 1 and "no file or folder nothing.jsonl" in result.err
    assert not list(tmp_path.iterdir())


def test_ctrl_c_says_how_to_go_on(camelid, folder, talks, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(tuning, "tune", stop)
    monkeypatch.setattr(sys, "argv", ["camelid", "finetune", "--base", "b"])
    result = camelid("finetune", "--base", folder / "llama", "--data", talks)
    assert result.status == 130 and "goes on from there: camelid finetune --base b" in result.err


def test_without_torch_the_extra_is_named(camelid, folder, talks, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for words in (("finetune", "--base", "b", "--data", talks), ("merge", "a", "--out", "b")):
        result = camelid(*words)
        assert result.status == 1 and "pip install 'camelid[train]'" in result.err
