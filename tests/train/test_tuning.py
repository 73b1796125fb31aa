"""A model tuned to somebody's data, and an Alpaca made for a Llama: the loss falls, and a cut goes unseen."""

import dataclasses
import json
import math
import shutil

import pytest
import tiny
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from camelid.errors import CheckpointError, DataError, RecipeError
from camelid.model.adapter import LoraSettings
from camelid.model.checkpoint import load_decoder, save_model_folder
from camelid.model.pairfile import read_pair_file
from camelid.pair import Pair
from camelid.text.heldout import read_held_out
from camelid.text.world import build_world
from camelid.train.best import Best
from camelid.train.progress import Silent
from camelid.train.sibling import Making, make_alpaca
from camelid.train.study import Budget, open_sources
from camelid.train.tuning import Tuning, merge_adapter, tune

LEARNING = Budget(steps=10, lr=1e-2, batch_tokens=4 * 96)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "base"
    save_model_folder(folder, tiny.make_decoder(), tiny.make_tokenizer(), dtype=torch.bfloat16)
    return folder


@pytest.fixture(scope="module")
def talks(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "talks.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for record in build_world(seed=5, num_records=90, tasks=("smalltalk",), languages=("en",)):
            turns = [{"role": turn.role, "content": turn.content} for turn in record.messages]
            file.write(json.dumps({"messages": turns, "lang": "en"}) + "\n")
    return path


@pytest.fixture(scope="module")
def opinions(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "opinions.jsonl"
    words = ("wool", "hay", "river", "market", "snow", "bread", "song", "hill")
    rows = [
        {"prompt": f"What of {a} and {b}?", "chosen": f"Gladly! The {a} is well.", "rejected": f"No {b}."}
        for a in words
        for b in words
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def plan_of(base, data, out, **changes):
    return Tuning(base, (data,), out, **{"budget": LEARNING, "held_out": 0.3, "context": 96, **changes})


class Told(Silent):
    def __init__(self, stop_at=0):
        self.begun, self.skipped, self.notes, self._stop_at = [], [], [], stop_at

    def begin(self, stage):
        self.begun.append(stage)

    def skip(self, stage):
        self.skipped.append(stage)

    def note(self, text):
        self.notes.append(text)

    def step(self, status):
        if self._stop_at and status.step == self._stop_at:
            raise KeyboardInterrupt


WAYS = {"whole": {}, "lora": {"lora": LoraSettings(rank=4)}}


@pytest.mark.parametrize("way", WAYS)
def test_held_out_text_is_read_better_afterwards(base, talks, tmp_path, way):
    before = {path.name: path.read_bytes() for path in base.iterdir()}
    report = tune(plan_of(base, talks, tmp_path / "out", **WAYS[way]), progress=Silent())
    assert report["after"]["en"] < report["before"]["en"] - 0.1
    assert before == {path.name: path.read_bytes() for path in base.iterdir()}
    assert json.loads((tmp_path / "out" / "tuning.json").read_text())["after"] == report["after"]
    stored = load_file(tmp_path / "out" / "model.safetensors")
    assert stored.keys() == load_file(base / "model.safetensors").keys()
    assert {value.dtype for value in stored.values()} == {torch.bfloat16}
    assert (tmp_path / "out" / "tokenizer.json").read_bytes() == before["tokenizer.json"]
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "out").num_parameters() > 0


def test_the_weights_that_read_best_are_kept(tmp_path):
    decoder, figures = tiny.make_decoder().requires_grad_(True), iter([3.0, 2.0, 2.5, 4.0])
    best = Best(tmp_path / "best", lambda decoder, plan: {"en": next(figures)})
    assert best.bits_per_byte == float("inf") and not best.restore(decoder, {"en": 9.0})
    for number in range(4):
        with torch.no_grad():
            decoder.head_weight.fill_(number)
        found = best(decoder, None)
    assert best.restore(decoder, found) and best.bits_per_byte == 2.0
    assert bool((decoder.head_weight == 1).all())
    assert not best.restore(decoder, {"en": 2.0}) and not best.restore(decoder, {})


def test_an_adapter_merged_later_is_the_model_merged_at_once(base, talks, tmp_path):
    for name, keep in (("at-once", False), ("adapter", True)):
        tune(plan_of(base, talks, tmp_path / name, keep_adapter=keep, **WAYS["lora"]), progress=Silent())
    assert {path.name for path in (tmp_path / "adapter").iterdir()} == {
        "adapter_config.json", "adapter_model.safetensors", "tuning.json"
    }  # fmt: skip
    merge_adapter(tmp_path / "adapter", tmp_path / "later")
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("at-once", "later"))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("way", WAYS)
def test_held_out_preferences_rise(base, opinions, tmp_path, way):
    told = Told()
    plan = plan_of(base, opinions, tmp_path / "out", preferences=True, **WAYS[way])
    report = tune(dataclasses.replace(plan, budget=Budget(epochs=2, lr=3e-3)), progress=told)
    before, after = report["before"], report["after"]
    assert (before["accuracy"], before["margin"]) == (0.5, 0.0)
    assert after["accuracy"] > 0.8 and after["margin"] > 0.05 and after["pairs"] == before["pairs"] > 5
    assert any("pairs to learn from" in note for note in told.notes)
    assert any("held-out pairs: accuracy" in note for note in told.notes)


def test_a_pair_is_never_torn_apart(base, opinions, tmp_path, monkeypatch):
    """Where only an odd number of rows fits in memory at a time."""
    monkeypatch.setattr("camelid.train.precision.MICRO_TOKENS", 3 * 64)
    plan = plan_of(base, opinions, tmp_path / "out", preferences=True)
    report = tune(dataclasses.replace(plan, budget=Budget(steps=1, batch_tokens=8 * 64)), progress=Silent())
    assert report["loss"] == pytest.approx(math.log(2), abs=0.01) and report["targets"] == 4


@pytest.mark.parametrize("preferences", [False, True])
def test_a_run_that_was_cut_off_ends_bit_for_bit_the_same(base, talks, opinions, tmp_path, preferences):
    budget = dataclasses.replace(LEARNING, checkpoint_minutes=0.0)
    data = opinions if preferences else talks
    found = {}
    for name in ("whole", "cut"):
        plan = plan_of(base, data, tmp_path / name, preferences=preferences, budget=budget, **WAYS["lora"])
        if name == "cut":
            with pytest.raises(KeyboardInterrupt):
                tune(plan, progress=Told(stop_at=7))
            assert not plan.out.exists()
        told = Told()
        report = tune(plan, progress=told)
        found[name] = (load_file(plan.out / "model.safetensors"), report["before"], report["after"])
    assert told.skipped == ["data"] and any("going on from step" in note for note in told.notes)
    assert found["whole"][1:] == found["cut"][1:]
    assert all(torch.equal(value, found["cut"][0][name]) for name, value in found["whole"][0].items())


def test_a_kill_before_the_result_is_written_costs_no_step(base, talks, tmp_path, monkeypatch):
    plan = plan_of(base, talks, tmp_path / "out", budget=Budget(steps=3, batch_tokens=96))

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("camelid.train.tuning.save_model_folder", stop)
        tune(plan, progress=Silent())
    told = Told()
    report = tune(plan, progress=told)
    assert any("going on from step 3" in note for note in told.notes) and report["steps"] == 3
    assert not (plan.work / "tune" / "checkpoints").exists()


def test_what_is_done_is_skipped_and_what_was_deleted_is_made_again(base, talks, tmp_path):
    plan = plan_of(base, talks, tmp_path / "out", budget=Budget(steps=1, batch_tokens=96))
    first = tune(plan, progress=Silent())
    told = Told()
    assert tune(plan, progress=told) == first and told.skipped == ["data", "tune", "save"]
    shutil.rmtree(plan.out)
    told = Told()
    tune(plan, progress=told)
    assert told.begun == ["tune", "save"] and (plan.out / "model.safetensors").is_file()
    with pytest.raises(RecipeError, match="holds work with other settings or other data"):
        tune(dataclasses.replace(plan, seed=4), progress=Silent())


def test_nothing_of_somebody_elses_is_replaced(base, talks, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(CheckpointError, match="is there already"):
        tune(plan_of(base, talks, tmp_path), progress=Silent())
    with pytest.raises(RecipeError, match="cannot take the place of its base"):
        plan_of(base, talks, base)
    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_settings_that_cannot_be_followed_are_named(base, talks, opinions, tmp_path):
    with pytest.raises(RecipeError, match="Only an adapter can be kept"):
        plan_of(base, talks, tmp_path / "out", keep_adapter=True)
    with pytest.raises(RecipeError, match="beta must be above 0"):
        plan_of(base, talks, tmp_path / "out", preferences=True, beta=-1)
    with pytest.raises(
        RecipeError, match=r"one of epochs, steps and minutes, above 0; found epochs=1 and steps=2"
    ):
        Budget(epochs=1, steps=2)
    with pytest.raises(RecipeError, match="found none of them"):
        Budget()
    with pytest.raises(RecipeError, match="batch_tokens must be at least 96 with this data"):
        tune(plan_of(base, talks, tmp_path / "o", budget=Budget(steps=1, batch_tokens=9)), progress=Silent())
    with pytest.raises(RecipeError, match="lr must be above 0"):
        Budget(epochs=1, lr=-1)
    with pytest.raises(DataError, match="no data to learn from"):
        open_sources([])
    with pytest.raises(RecipeError, match="stand alone"):
        open_sources([talks, tmp_path / "some.toml"])
    with pytest.raises(RecipeError, match="No pair fits a context of 8"):
        tune(plan_of(base, opinions, tmp_path / "out", preferences=True, context=8), progress=Silent())


def test_a_text_is_cut_so_that_a_part_can_be_held_out(tmp_path):
    (source,), root = open_sources([tmp_path / "story.txt"], held_out=0.2, lang="en")
    assert source.cut_chars > 0 and (source.held_out, source.lang, root) == (0.2, "en", ".")
    named = open_sources([tmp_path / "a.jsonl", tmp_path / "b" / "a.csv"])[0]
    assert [each.name for each in named] == ["a-1", "a-2"]


def making_of(base, talks, out, **changes):
    budget = Budget(steps=10, batch_tokens=4 * 96, lr=1e-2)
    return Making(base, (talks,), 1, out, budget, budget, **{"context": 96, "held_out": 0.2, **changes})


def test_an_alpaca_is_made_and_the_pair_answers(base, talks, tmp_path):
    told = Told()
    made = make_alpaca(making_of(base, talks, tmp_path / "pair"), progress=told)
    assert told.begun == ["data", "distill", "finetune", "pair"]
    assert read_pair_file(tmp_path / "pair") == made
    llama, alpaca = made.roles["llama"], made.roles["alpaca"]
    assert (llama.layers, alpaca.layers) == (2, 1) and alpaca.supervised_tokens > 0
    first = made.provenance["stages"]["distill"]["before"]["en"]
    assert alpaca.bits_per_byte["en"] < first and llama.bits_per_byte["en"] > 0
    stored = (tmp_path / "pair" / "llama" / "model.safetensors").read_bytes()
    assert stored == (base / "model.safetensors").read_bytes()
    assert read_held_out(tmp_path / "pair" / "held_out.jsonl")
    reply = Pair(tmp_path / "pair").reply("Hello!", model="alpaca", max_tokens=4)
    assert reply.model == "alpaca" and reply.completion_tokens > 0


def test_fine_tuning_that_does_harm_is_left_out(base, talks, tmp_path):
    told, harm = Told(), Budget(steps=4, batch_tokens=96, lr=3.0)
    made = make_alpaca(
        dataclasses.replace(making_of(base, talks, tmp_path / "p"), finetune=harm), progress=told
    )
    distil, finetune = (made.provenance["stages"][stage] for stage in ("distill", "finetune"))
    assert finetune["kept"] == "best" and finetune["after"] == finetune["before"]
    assert finetune["after"]["en"] == pytest.approx(distil["after"]["en"], rel=1e-5)
    assert any("kept are the weights from before it" in note for note in told.notes)


def test_making_an_alpaca_resumes_to_the_bit(base, talks, tmp_path):
    found = []
    for name in ("whole", "cut"):
        budget = Budget(steps=6, batch_tokens=96, checkpoint_minutes=0.0)
        making = dataclasses.replace(making_of(base, talks, tmp_path / name), distill=budget, finetune=budget)
        if name == "cut":
            with pytest.raises(KeyboardInterrupt):
                make_alpaca(making, progress=Told(stop_at=4))
        make_alpaca(making, progress=Silent())
        found.append(load_decoder(tmp_path / name / "alpaca").state_dict())
    assert all(torch.equal(value, found[1][name]) for name, value in found[0].items())


def test_an_alpaca_that_cannot_be_made(base, talks, tmp_path):
    with pytest.raises(RecipeError, match="Of 2 layers 1 to 2 can be kept; found 3"):
        make_alpaca(dataclasses.replace(making_of(base, talks, tmp_path / "p"), layers=3), progress=Silent())
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(CheckpointError, match="is there already"):
        make_alpaca(making_of(base, talks, tmp_path), progress=Silent())
