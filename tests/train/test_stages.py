import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from camelid.errors import RecipeError, RunError
from camelid.files import lock_folder
from camelid.model.pairfile import read_pair_file
from camelid.text.corpus import build_corpus
from camelid.train import stages
from camelid.train.progress import Silent
from camelid.train.stages import STAGES, raise_pair
from camelid.train.upbringing import read_upbringing

RECIPE = """
name = "mini"
context = 64
{top}
[[source]]
name = "village"
builtin = "world"
records = {records}
held_out = 0.1
[tokenizer]
vocab_size = 400
sample_bytes = 40000
[llama]
depth = 2
hidden_size = 64
[llama.pretrain]
steps = {steps}
batch_tokens = 256
evaluations = 1
checkpoint_minutes = 0.0
[llama.finetune]
steps = 4
batch_tokens = 256
evaluations = 0
checkpoint_minutes = 0.0
[alpaca]
depth = 1
[alpaca.distill]
steps = 4
batch_tokens = 256
evaluations = 0
checkpoint_minutes = 0.0
[alpaca.finetune]
steps = 4
batch_tokens = 256
evaluations = 0
checkpoint_minutes = 0.0
"""

KILLED = """
import os, signal, sys
import torch
from camelid.text.corpus import build_corpus
from camelid.train.progress import Silent
from camelid.train.stages import raise_pair
from camelid.train.upbringing import read_upbringing

torch.set_num_threads(1)

class Killed(Silent):
    def step(self, status):
        if [status.stage, str(status.step)] == sys.argv[3:5]:
            os.kill(os.getpid(), signal.SIGKILL)
    def begin(self, stage):
        if [stage, "begin"] == sys.argv[3:5]:
            os.kill(os.getpid(), signal.SIGKILL)

raise_pair(read_upbringing(sys.argv[1], out=sys.argv[2]), progress=Killed())
"""


class Told(Silent):
    def __init__(self):
        self.begun, self.skipped, self.notes = [], [], []

    def begin(self, stage):
        self.begun.append(stage)

    def skip(self, stage):
        self.skipped.append(stage)

    def note(self, text):
        self.notes.append(text)


def _write_recipe(folder, *, records=300, steps=6, top="", replace=("", "")):
    path = folder / "mini.toml"
    path.write_text(RECIPE.format(records=records, steps=steps, top=top).replace(*replace))
    return path


def _raise(recipe, out, **options):
    told = Told()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        raise_pair(read_upbringing(recipe, out=str(out)), progress=told, **options)
    finally:
        torch.set_num_threads(threads)
    return told


@pytest.fixture(scope="module")
def raised(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raised")
    recipe = _write_recipe(folder)
    told = _raise(recipe, folder / "pair")
    return recipe, folder / "pair", told


def _weights(pair):
    return {
        (role, name): value
        for role in ("llama", "alpaca")
        for name, value in load_file(pair / role / "model.safetensors").items()
    }


def test_all_stages_run_once_and_a_second_run_skips_them(raised):
    recipe, pair, told = raised
    assert told.begun == list(STAGES) and told.skipped == []
    again = _raise(recipe, pair)
    assert again.begun == [] and again.skipped == list(STAGES)


def test_the_pair_says_what_it_is(raised):
    _, pair, _ = raised
    written = read_pair_file(pair)
    llama, alpaca = written.roles["llama"], written.roles["alpaca"]
    assert (llama.layers, alpaca.layers) == (2, 1) and llama.parameters > alpaca.parameters
    assert llama.unsupervised_tokens > 0 and alpaca.supervised_tokens > 0
    assert llama.bits_per_byte.keys() == alpaca.bits_per_byte.keys() and "en" in llama.bits_per_byte
    assert all(2 < value < 9 for value in llama.bits_per_byte.values())
    assert written.provenance["recipe"]["name"] == "mini"


def test_transformers_reads_both_models(raised):
    _, pair, _ = raised
    for role in ("llama", "alpaca"):
        model = AutoModelForCausalLM.from_pretrained(pair / role)
        tokenizer = AutoTokenizer.from_pretrained(pair / role)
        ids = tokenizer.apply_chat_template(
            [{"role": "user", "content": "Hello"}], add_generation_prompt=True, return_tensors="pt"
        )["input_ids"]
        assert torch.isfinite(model(ids).logits).all()


def test_held_out_records_are_kept_and_were_never_trained_on(raised):
    recipe, pair, _ = raised
    lines = [json.loads(line) for line in (pair / "held_out.jsonl").read_text().splitlines()]
    assert len(lines) > 10
    corpus = build_corpus(read_upbringing(recipe).source)
    learnt = {
        (record.text, *(turn.content for turn in record.messages)) for record in corpus.train["village"]
    }
    kept = {(line.get("text", ""), *(turn["content"] for turn in line.get("messages", []))) for line in lines}
    assert learnt and not learnt & kept
    said = {(line["task"] == "translation", bool(line.get("source_lang"))) for line in lines}
    assert said == {(True, True), (False, False)}


@pytest.mark.parametrize(
    "moment",
    [
        ("corpus", "begin"),
        ("llama-pretrain", "3"),
        ("llama-finetune", "begin"),
        ("alpaca-distill", "2"),
        ("alpaca-finetune", "4"),
        ("pair", "begin"),
    ],
    ids="-".join,
)
def test_a_killed_run_resumes_and_ends_bit_for_bit_the_same(raised, tmp_path, moment):
    recipe, whole, _ = raised
    command = [sys.executable, "-c", KILLED, str(recipe), str(tmp_path / "pair"), *moment]
    killed = subprocess.run(command, cwd=Path(__file__).parents[2], timeout=600, check=False)
    assert killed.returncode == -signal.SIGKILL
    told = _raise(recipe, tmp_path / "pair")
    assert told.begun[0] == moment[0]
    mine, theirs = _weights(tmp_path / "pair"), _weights(whole)
    assert mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_changed_inputs_run_what_depends_on_them_and_keep_the_old(tmp_path):
    out = tmp_path / "pair"
    _raise(_write_recipe(tmp_path), out, until="alpaca-distill")
    before = (out / "stages" / "llama-pretrain" / "done.json").read_text()
    told = _raise(_write_recipe(tmp_path, steps=5), out, until="llama-finetune")
    assert told.skipped == ["tokenizer", "corpus"] and told.begun == ["llama-pretrain", "llama-finetune"]
    assert (out / "stages" / "llama-pretrain.old" / "done.json").read_text() == before
    assert any("kept in" in note and "llama-pretrain.old" in note for note in told.notes)


def test_looking_more_often_changes_nothing(raised, tmp_path):
    _, pair, _ = raised
    recipe = _write_recipe(tmp_path, replace=("evaluations = 1", "evaluations = 3"))
    assert _raise(recipe, pair).begun == []


def test_an_alpaca_of_its_own_and_no_teacher(tmp_path):
    recipe = _write_recipe(tmp_path, replace=("depth = 1", 'depth = 1\nborn = "alone"'))
    text = recipe.read_text().replace("[alpaca.distill]", "[alpaca.distill]\nalpha = 0.0")
    recipe.write_text(text)
    _raise(recipe, tmp_path / "pair")
    assert read_pair_file(tmp_path / "pair").roles["alpaca"].layers == 1


def test_a_folder_in_use_is_left_alone(tmp_path):
    recipe = _write_recipe(tmp_path)
    with lock_folder(tmp_path / "pair"), pytest.raises(RunError, match="in use by another run"):
        _raise(recipe, tmp_path / "pair")


def test_an_unknown_stage_is_named(raised):
    recipe, pair, _ = raised
    with pytest.raises(RecipeError, match=r"no stage 'corpsu'. Did you mean 'corpus'"):
        _raise(recipe, pair, until="corpsu")


def test_conversations_beyond_the_context_are_counted(raised):
    _, _, told = raised
    assert any("longer than the context of 64 and are left out" in note for note in told.notes)


@pytest.mark.parametrize(
    ("budget", "wakes"), [("tokens = 2_000_000", True), ("minutes = 5.0", True), ("steps = 3", False)]
)
def test_the_compiler_wakes_while_text_is_read_where_much_is_to_be_trained(
    tmp_path, monkeypatch, budget, wakes
):
    woken = threading.Event()
    monkeypatch.setattr(stages, "why_not_compile", lambda device: woken.set())
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE.format(top="", records=40, steps=3).replace("steps = 3", budget))
    upbringing = read_upbringing(recipe, out=str(tmp_path / "pair"))
    nursery = stages.Nursery(upbringing, Silent())
    nursery.wake_compiler()
    assert woken.wait(10 if wakes else 0) == (wakes and not torch.cuda.is_available())
    if wakes:
        woken.clear()
        nursery.run("tokenizer")
        nursery.run("corpus")
        nursery.wake_compiler()
        assert not woken.is_set()
