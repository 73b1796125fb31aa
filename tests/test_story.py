"""The whole story, as a user lives it: a recipe into a pair, and the pair into an answer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import camelid

HOUSE = Path(__file__).parents[1]
RECIPE = HOUSE / "recipes" / "tiny.toml"


def _camelid(*words, given=""):
    command = [sys.executable, "-m", "camelid", *map(str, words)]
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=120, cwd=HOUSE, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    folder = tmp_path_factory.mktemp("story") / "pair"
    return folder, _camelid("train", RECIPE, "--out", folder)


def test_every_stage_is_told_and_the_second_time_skipped(story):
    folder, told = story
    for stage in (
        "tokenizer",
        "corpus",
        "llama-pretrain",
        "llama-finetune",
        "alpaca-distill",
        "alpaca-finetune",
    ):
        assert stage in told
    again = _camelid("train", RECIPE, "--out", folder)
    assert "loss" not in again and "camelid chat" in again


def test_both_models_learnt(story):
    folder, _ = story
    for stage, better in (("llama-pretrain", 0.9), ("alpaca-finetune", 1.0)):
        lines = [
            json.loads(line)
            for line in (folder / "stages" / stage / "metrics.jsonl").read_text().splitlines()
        ]
        losses = [line["loss"] for line in lines if "loss" in line]
        assert losses[-1] < better * losses[0]


def test_the_pair_answers_from_python(story):
    pair = camelid.load(story[0])
    for role in ("llama", "alpaca"):
        whole = pair.reply([{"role": "user", "content": "Hello"}], model=role, max_tokens=12)
        pieces = pair.stream([{"role": "user", "content": "Hello"}], model=role, max_tokens=12)
        assert "".join(pieces) == whole.text and whole.model == role and whole.completion_tokens > 0


def test_the_pair_talks_and_shows_itself(story):
    folder, _ = story
    assert _camelid("chat", folder, given="Hello\n/model llama\nHello again\n/quit\n").strip()
    table = _camelid("info", folder)
    assert all(word in table for word in ("parameters", "bits per byte", "tokens per second"))
    assert "translation" in _camelid("samples", folder, "--count", "1", "--task", "translation")
