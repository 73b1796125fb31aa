import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from camelid.errors import RecipeError, RunError
from camelid.model.config import shape_from_depth
from camelid.model.decoder import Decoder
from camelid.text.batches import Batches, MixPart
from camelid.text.chat import render_records
from camelid.text.shards import write_shard
from camelid.text.tokenizer import train_tokenizer
from camelid.text.world import build_world
from camelid.train import checkpoints
from camelid.train.evaluate import measure_bits_per_byte
from camelid.train.journal import NAME, read_journal
from camelid.train.loop import Loop
from camelid.train.precision import Plan
from camelid.train.progress import Silent
from camelid.train.settings import StageSettings
from camelid.train.stepper import Stepper, Teacher, place_rows

CONTEXT = 64
PLAN = Plan(device="cpu", dtype="float32", compile=False, micro_rows=4, rate_flops=1e9)
SETTINGS = StageSettings(steps=12, batch_tokens=4 * CONTEXT, lr=3e-3, warmup_steps=2, evaluations=3)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    records = list(build_world(seed=3, num_records=150, tasks=("translation", "smalltalk", "story")))
    tokenizer = train_tokenizer((record.text or record.answer for record in records), vocab_size=400)
    shard = write_shard(tmp_path_factory.mktemp("shard") / "s", records, tokenizer, name="village")
    return tokenizer, shard, records


def _decoder(text, depth=2):
    decoder = Decoder(shape_from_depth(depth, vocab_size=text[0].vocab_size, context=CONTEXT, hidden_size=64))
    decoder.initialise(torch.Generator().manual_seed(0))
    return decoder


def _batches(text, *, mode="pretrain", max_epochs=0.0, batch_size=4):
    part = MixPart(text[1], 1.0, max_epochs)
    return Batches([part], batch_size=batch_size, context=CONTEXT, seed=1, mode=mode)


def _loop(text, folder, *, settings=SETTINGS, progress=None, decoder=None, teacher=None, **batches):
    folder.mkdir(exist_ok=True)
    return Loop(
        decoder or _decoder(text),
        _batches(text, **batches),
        settings,
        stage="llama-pretrain",
        folder=folder,
        make_plan=lambda: PLAN,
        evaluate=lambda decoder, plan: measure_bits_per_byte(
            decoder, [text[1]], plan, context=CONTEXT, tokens_per_language=200
        ),
        progress=progress or Silent(),
        teacher=teacher,
    )


class _StopAt(Silent):
    """Raises in the middle of a run, as a kill would: nothing is saved on the way out."""

    def __init__(self, step):
        self.at = step

    def step(self, status):
        if status.step == self.at:
            raise SystemExit


def _weights(folder):
    newest = sorted((folder / "checkpoints").iterdir())[-1]
    return {
        f"{kind}/{name}": value
        for kind in ("weights", "optimizer")
        for name, value in load_file(newest / f"{kind}.safetensors").items()
    }


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize("stop", [1, 7, 11])
def test_resumed_is_uninterrupted_bit_for_bit(text, tmp_path, optimizer, stop):
    settings = dataclasses.replace(SETTINGS, optimizer=optimizer, checkpoint_minutes=0.0)
    whole = _loop(text, tmp_path / "whole", settings=settings).run()
    with pytest.raises(SystemExit):
        _loop(text, tmp_path / "cut", settings=settings, progress=_StopAt(stop)).run()
    resumed = _loop(text, tmp_path / "cut", settings=settings).run()
    mine, theirs = _weights(tmp_path / "cut"), _weights(tmp_path / "whole")
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert resumed.bits_per_byte == whole.bits_per_byte and resumed.tokens == whole.tokens
    steps = [line["step"] for line in read_journal(tmp_path / "cut") if "loss" in line]
    assert steps == sorted(set(steps))


def test_a_broken_checkpoint_gives_way_to_the_one_before(text, tmp_path):
    settings = dataclasses.replace(SETTINGS, checkpoint_minutes=0.0)
    whole = _loop(text, tmp_path / "whole", settings=settings).run()
    with pytest.raises(SystemExit):
        _loop(text, tmp_path / "cut", settings=settings, progress=_StopAt(6)).run()
    newest = sorted((tmp_path / "cut" / "checkpoints").iterdir())[-1]
    (newest / "optimizer.safetensors").write_bytes(b"half of it")
    told = []
    progress = Silent()
    progress.note = told.append
    resumed = _loop(text, tmp_path / "cut", settings=settings, progress=progress).run()
    assert resumed.bits_per_byte == whole.bits_per_byte
    assert any("cannot be read" in line for line in told)


def test_only_the_newest_checkpoints_are_kept(text, tmp_path):
    _loop(text, tmp_path, settings=dataclasses.replace(SETTINGS, checkpoint_minutes=0.0)).run()
    assert len(list((tmp_path / "checkpoints").iterdir())) == checkpoints.KEPT


@pytest.mark.parametrize(("measured", "warned"), [([2.0, 1.0, 1.5], True), ([2.0, 1.5, 1.0], False)])
def test_a_run_that_learns_by_heart_says_so(text, tmp_path, measured, warned):
    told, values = [], iter(measured)
    progress = Silent()
    progress.note = told.append
    loop = _loop(text, tmp_path, progress=progress)
    loop._evaluate = lambda decoder, plan: {"en": next(values)}
    loop.run()
    warning = "better after step 8 (1.000 bits per byte) than now (1.500): it learns the text by heart."
    assert any(warning in line for line in told) == warned
    assert any("heart" in line for line in told) == warned


def test_the_loss_falls_and_the_journal_says_so(text, tmp_path):
    state = _loop(text, tmp_path, settings=dataclasses.replace(SETTINGS, steps=80, lr=1e-2)).run()
    lines = [line for line in read_journal(tmp_path) if "loss" in line]
    assert lines[-1]["loss"] < 0.85 * lines[0]["loss"]
    measured = [line["bits_per_byte"]["en"] for line in read_journal(tmp_path) if "bits_per_byte" in line]
    assert len(measured) == SETTINGS.evaluations and measured[-1] < measured[0]
    assert measured[-1] == state.bits_per_byte["en"]


def test_half_a_line_in_the_journal_is_dropped(text, tmp_path):
    settings = dataclasses.replace(SETTINGS, checkpoint_minutes=0.0)
    with pytest.raises(SystemExit):
        _loop(text, tmp_path, settings=settings, progress=_StopAt(11)).run()
    with open(tmp_path / NAME, "a") as file:
        file.write('{"step": 99, "loss": 1.0}\n{"step": 11, "lo')
    _loop(text, tmp_path, settings=settings).run()
    assert [line["step"] for line in read_journal(tmp_path) if "loss" in line] == [10]


def test_a_budget_in_minutes_cools_down_and_ends(text, tmp_path):
    settings = dataclasses.replace(SETTINGS, steps=0, minutes=0.02, cooldown=0.5, evaluations=0)
    state = _loop(text, tmp_path, settings=settings).run()
    schedule = json.loads((tmp_path / "plan.json").read_text())["schedule"]
    assert 0 < schedule["cooldown_step"] < schedule["total_steps"] == state.step


def test_a_budget_in_minutes_ends_with_the_data(text, tmp_path):
    settings = dataclasses.replace(SETTINGS, steps=0, minutes=60.0, evaluations=0)
    state = _loop(text, tmp_path, settings=settings, max_epochs=1.0).run()
    assert state.step == _batches(text, max_epochs=1.0).total_steps_available


def test_a_budget_beyond_the_data_is_refused_before_it_starts(text, tmp_path):
    settings = dataclasses.replace(SETTINGS, steps=100_000)
    with pytest.raises(RecipeError, match=r"asks for 100000 steps .* sources give \d+ before"):
        _loop(text, tmp_path, settings=settings, max_epochs=1.0)


def test_divergence_is_one_clear_line_and_moves_nothing(text):
    decoder = _decoder(text)
    stepper = Stepper(decoder, SETTINGS, PLAN)
    with torch.no_grad():
        decoder.model.norm.weight[0] = float("nan")
    before = decoder.model.embed_tokens.weight.clone()
    with pytest.raises(RunError, match=r"diverged. Lower lr \(now 0.003\)"):
        stepper.step(_batches(text).batch(0), 1.0)
    assert torch.equal(decoder.model.embed_tokens.weight, before)


def test_rows_at_a_time_make_no_difference(text):
    results = []
    for micro_rows in (1, 3, 4):
        decoder = _decoder(text)
        stepper = Stepper(decoder, SETTINGS, dataclasses.replace(PLAN, micro_rows=micro_rows))
        loss = stepper.step(_batches(text, mode="finetune").batch(0), 1.0)
        results.append((loss, {name: weight.grad for name, weight in decoder.named_parameters()}))
    for loss, gradients in results[1:]:
        assert loss == pytest.approx(results[0][0], rel=1e-5)
        for name, gradient in gradients.items():
            torch.testing.assert_close(gradient, results[0][1][name], atol=1e-5, rtol=1e-3)


def test_packed_records_teach_what_records_alone_teach(text):
    """The loss of a packed batch is the sum of its records' losses, each in a row of its own."""
    tokenizer, _, records = text
    decoder = _decoder(text)
    with torch.no_grad():
        for weight in decoder.parameters():
            weight.add_(0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    batch = _batches(text, mode="finetune", batch_size=2).batch(0)
    hidden = decoder.hidden(*place_rows(batch, slice(None), "cpu"))
    logits = decoder.project(hidden)
    rendered = {tuple(ids): learnt for ids, learnt in render_records(tokenizer, records)}
    for row in range(2):
        for number in range(1, batch.segments[row].max() + 1):
            places = np.flatnonzero(batch.segments[row] == number)
            ids = torch.from_numpy(batch.token_ids[row, places]).long()
            alone = decoder(ids.unsqueeze(0))[0]
            torch.testing.assert_close(logits[row, places], alone, atol=1e-4, rtol=1e-4)
            (learnt,) = [
                flags for known, flags in rendered.items() if known[: len(ids)] == tuple(ids.tolist())
            ]
            assert [target >= 0 for target in batch.targets[row, places]] == learnt[1 : len(ids) + 1]


def test_a_student_comes_nearer_to_its_teacher(text, tmp_path):
    teacher = _decoder(text)
    trained = dataclasses.replace(SETTINGS, steps=40, lr=1e-2)
    _loop(text, tmp_path / "teacher", settings=trained, decoder=teacher).run()
    student = _decoder(text, depth=1)
    settings = dataclasses.replace(trained, alpha=1.0)
    before = [weight.detach().clone() for weight in teacher.parameters()]
    first = Stepper(student, settings, PLAN, teacher=Teacher(teacher, 1.0, 1.0))
    losses = [first.step(_batches(text).batch(step), 1.0) for step in range(30)]
    assert losses[-1] < 0.8 * losses[0]
    assert all(torch.equal(*pair) for pair in zip(teacher.parameters(), before, strict=True))
