"""Adapters: nothing at first, the base untouched while they learn, merged what they were apart."""

import json

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM

from camelid.errors import CheckpointError, RecipeError
from camelid.model.adapter import TARGETS, LoraSettings, read_adapter
from camelid.model.checkpoint import save_model_folder
from camelid.text.batches import IGNORE, Batch
from camelid.train import forms
from camelid.train.lora import attach, attach_adapter, detach, find_changes, merge, save_adapter
from camelid.train.precision import Plan
from camelid.train.settings import StageSettings
from camelid.train.stepper import Stepper

PLAN = Plan(device="cpu", dtype="float32", compile=False, micro_rows=4, rate_flops=1e9)
SETTINGS = StageSettings(steps=4, optimizer="adamw", lr=1e-2, batch_tokens=128)
IDS = torch.randint(8, tiny.VOCABULARY, (4, 33), generator=torch.Generator().manual_seed(5))


def weights(decoder):
    return {name: value.clone() for name, value in decoder.state_dict().items()}


def make_batch():
    ids = IDS.numpy().astype("int32")
    ones = ids[:, 1:] * 0 + 1
    targets = ids[:, 1:].copy()
    targets[:, :4] = IGNORE
    return Batch(ids[:, :-1].copy(), targets, ones.cumsum(1) - 1, ones)


def train(decoder, steps=4):
    stepper = Stepper(decoder, SETTINGS, PLAN)
    return [stepper.step(make_batch(), 1.0) for _ in range(steps)]


@pytest.fixture
def decoder():
    return tiny.make_decoder()


@pytest.mark.parametrize("targets", [TARGETS, ("q_proj", "v_proj")])
@pytest.mark.parametrize("rank", [1, 8])
def test_at_first_it_changes_nothing(decoder, rank, targets):
    before = decoder(IDS)
    attach(decoder, LoraSettings(rank, 2.0 * rank, targets))
    assert torch.equal(decoder(IDS), before)
    assert len(find_changes(decoder)) == len(targets) * 2


def test_only_the_adapter_learns_and_the_loss_falls(decoder):
    before = weights(decoder)
    attach(decoder, LoraSettings(rank=4))
    losses = train(decoder)
    assert losses[-1] < losses[0] - 0.05
    assert all(change.lora_B.any() for change in find_changes(decoder).values())
    detach(decoder)
    after = weights(decoder)
    assert after.keys() == before.keys() and all(torch.equal(after[name], before[name]) for name in before)


def test_merged_is_to_the_bit_what_was_trained(decoder):
    before = weights(decoder)
    attach(decoder, LoraSettings(rank=4))
    train(decoder)
    apart = decoder(IDS)
    merge(decoder)
    assert torch.equal(decoder(IDS), apart) and not find_changes(decoder)
    assert weights(decoder).keys() == before.keys()
    assert all(weight.requires_grad for weight in decoder.parameters())


def test_the_compiled_layer_computes_with_it(decoder):
    """The training form of a layer reads weights itself; without compiling, as a test must be quick."""
    attach(decoder, LoraSettings(rank=4))
    train(decoder)
    plain = decoder(IDS)
    decoder.run_block = forms.run_block
    torch.testing.assert_close(decoder(IDS), plain, rtol=1e-4, atol=1e-4)


def test_written_and_read_it_is_the_same(decoder, tmp_path):
    settings = LoraSettings(rank=4, alpha=6.0, targets=("q_proj", "up_proj"))
    attach(decoder, settings, seed=3)
    train(decoder)
    save_adapter(tmp_path / "adapter", decoder, settings, base="my/model")
    adapter = read_adapter(tmp_path / "adapter")
    assert (adapter.settings, adapter.base) == (settings, "my/model")
    other = tiny.make_decoder()
    attach_adapter(other, adapter)
    assert torch.equal(other(IDS), decoder(IDS))


def test_the_names_are_those_of_peft(decoder, tmp_path):
    settings = LoraSettings(rank=2, targets=("v_proj",))
    attach(decoder, settings)
    save_adapter(tmp_path / "adapter", decoder, settings, base="b")
    stored = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    name = "base_model.model.model.layers.1.self_attn.v_proj.lora_{}.weight"
    assert stored[name.format("A")].shape == (2, 32) and stored[name.format("B")].shape == (16, 2)
    assert len(stored) == 4
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert (config["peft_type"], config["r"], config["lora_alpha"]) == ("LORA", 2, 16.0)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # its own, of transformers
def test_peft_reads_it(decoder, tmp_path):
    peft = pytest.importorskip("peft")
    save_model_folder(tmp_path / "base", decoder, tiny.make_tokenizer())
    settings = LoraSettings(rank=4)
    attach(decoder, settings)
    train(decoder)
    save_adapter(tmp_path / "adapter", decoder, settings, base=str(tmp_path / "base"))
    theirs = peft.PeftModel.from_pretrained(
        LlamaForCausalLM.from_pretrained(tmp_path / "base"), tmp_path / "adapter"
    )
    with torch.no_grad():
        torch.testing.assert_close(theirs(IDS).logits, decoder(IDS), rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_what_peft_wrote_is_read(decoder, tmp_path):
    peft = pytest.importorskip("peft")
    save_model_folder(tmp_path / "base", decoder, tiny.make_tokenizer())
    config = peft.LoraConfig(r=3, lora_alpha=5, target_modules=["k_proj", "down_proj"], use_rslora=False)
    theirs = peft.get_peft_model(LlamaForCausalLM.from_pretrained(tmp_path / "base"), config)
    with torch.no_grad():
        for name, weight in theirs.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.5)
    theirs.save_pretrained(tmp_path / "adapter")
    before = decoder(IDS)
    attach_adapter(decoder, read_adapter(tmp_path / "adapter"))
    with torch.no_grad():
        torch.testing.assert_close(theirs(IDS).logits, decoder(IDS), rtol=1e-4, atol=1e-4)
        assert not torch.allclose(before, decoder(IDS), atol=1e-2)


def test_a_folder_of_something_else_is_not_replaced(decoder, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    attach(decoder, LoraSettings())
    with pytest.raises(CheckpointError, match="holds something else than an adapter"):
        save_adapter(tmp_path, decoder, LoraSettings(), base="b")
    assert (tmp_path / "letter.txt").read_text() == "dear"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rank": 0}, "rank of an adapter must be at least 1; found 0"),
        ({"alpha": 0.0}, "alpha of an adapter must be above 0"),
        ({"targets": ()}, "needs targets"),
        ({"targets": ("q_prj",)}, "cannot change 'q_prj'. Did you mean 'q_proj'"),
    ],
)
def test_wrong_settings_are_named(wrong, message):
    with pytest.raises(RecipeError, match=message):
        LoraSettings(**wrong)


@pytest.fixture
def adapter(decoder, tmp_path):
    attach(decoder, LoraSettings(rank=2, targets=("q_proj",)))
    save_adapter(tmp_path / "adapter", decoder, LoraSettings(rank=2, targets=("q_proj",)), base="b")
    return tmp_path / "adapter"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("peft_type", "IA3", "must describe a LoRA adapter"),
        ("use_dora", True, "sets use_dora to True"),
        ("rank_pattern", {"q_proj": 3}, "sets rank_pattern"),
        ("r", None, "with r and lora_alpha"),
    ],
)
def test_what_cannot_be_computed_is_refused(adapter, key, value, message):
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**config, key: value}))
    with pytest.raises(CheckpointError, match=message):
        read_adapter(adapter)


def test_damaged_and_missing_files_are_named(adapter, tmp_path):
    with pytest.raises(CheckpointError, match="is no adapter"):
        read_adapter(tmp_path)
    path = adapter / "adapter_model.safetensors"
    stored = load_file(path)
    save_file({**stored, "base_model.model.lm_head.weight": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match=r"changes base_model\.model\.lm_head\.weight too"):
        read_adapter(adapter)
    path.write_bytes(b"short")
    with pytest.raises(CheckpointError, match="truncated or corrupt"):
        read_adapter(adapter)
    path.unlink()
    with pytest.raises(CheckpointError, match="has no adapter_model"):
        read_adapter(adapter)
    (adapter / "adapter_config.json").write_text("{")
    with pytest.raises(CheckpointError, match="not whole JSON"):
        read_adapter(adapter)


def test_an_adapter_of_another_model_is_refused(adapter):
    found = read_adapter(adapter)
    with pytest.raises(
        CheckpointError, match=r"changes model.layers.1.self_attn.q_proj, which the model lacks"
    ):
        attach_adapter(tiny.make_decoder(num_hidden_layers=1), found)
    with pytest.raises(CheckpointError, match="belongs to another model"):
        attach_adapter(tiny.make_decoder(hidden_size=64), found)
