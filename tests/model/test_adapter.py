"""Adapters as folders have them: what peft writes is read, what is damaged or strange is named."""

import json

import numpy as np
import pytest
import tiny
import torch
from adapted import make_adapter, merged, write_adapter
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from camelid.errors import CheckpointError, RecipeError
from camelid.files import write_json
from camelid.model.adapter import (
    ADAPTER_WEIGHTS,
    PRODUCTS,
    TARGETS,
    check_fits,
    choose_owner,
    find_base,
    find_changes,
    is_adapter,
    read_adapter,
    sort_adapters,
)
from camelid.model.checkpoint import save_model_folder
from camelid.model.folder import read_config

CONFIG = tiny.make_decoder().config


@pytest.fixture
def folder(tmp_path):
    return write_adapter(tmp_path / "adapter", make_adapter(CONFIG))


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
def test_numbers_are_read_whatever_they_are_stored_in(folder, kind):
    stored = {name: part.to(kind) for name, part in load_file(folder / ADAPTER_WEIGHTS).items()}
    save_file(stored, folder / ADAPTER_WEIGHTS)
    found = read_adapter(folder)
    assert (found.base, found.settings.rank, found.settings.scale) == ("base", 4, 2.0)
    assert set(found.settings.targets) == set(TARGETS) and len(found.tensors) == 7 * 2
    for name, pair in found.tensors.items():
        for letter, part in zip("AB", pair, strict=True):
            expected = stored[f"base_model.model.{name}.lora_{letter}.weight"].float().numpy()
            assert part.dtype == np.float32 and np.array_equal(part, expected)


@settings(max_examples=40, deadline=None)
@given(
    st.sets(st.sampled_from(TARGETS), min_size=1),
    st.sets(st.sampled_from([0, 1]), min_size=1),
    st.integers(1, 9),
)
def test_changes_of_products_are_the_changes_of_their_modules(targets, layers, rank):
    """b a is what merging adds to the stacked weights, for any modules of any layers."""
    decoder = tiny.make_decoder()
    adapter = make_adapter(CONFIG, targets=sorted(targets), layers=layers, rank=rank)
    before, after = decoder.state_dict(), merged(decoder, adapter).state_dict()
    found = {(change.layer, change.product): change.b @ change.a for change in find_changes(adapter, CONFIG)}
    for layer in (0, 1):
        for product, modules in PRODUCTS.items():
            names = [f"model.layers.{layer}.{module}.weight" for module in modules]
            expected = torch.cat([after[name] - before[name] for name in names]).numpy()
            got = found.get((layer, product), np.zeros_like(expected))
            np.testing.assert_allclose(got, expected, atol=1e-5)
    assert {layer for layer, _ in found} == layers


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(
            ("alora_invocation_tokens", [1, 2]),
            ("use_qalora", True),
            ("lora_bias", True),
            ("use_rslora", True),
        ),
        *(
            ("kasa_config", {"beta": 1e-4}),
            ("layer_replication", [[0, 2]]),
            ("init_lora_weights", "pissa_niter_4"),
        ),
    ],
)
def test_what_newer_versions_of_peft_add_is_refused_by_name(folder, key, value):
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(CheckpointError, match=f"sets {key} to .*[Mm]erge it with peft"):
        read_adapter(folder)


def test_numbers_that_are_none_are_found(folder):
    stored = load_file(folder / ADAPTER_WEIGHTS)
    next(iter(stored.values()))[0, 0] = float("nan")
    save_file(stored, folder / ADAPTER_WEIGHTS)
    with pytest.raises(CheckpointError, match=r"infinite or none at all\. The adapter is damaged"):
        read_adapter(folder)


def test_half_a_pair_and_other_numbers_are_refused(folder):
    stored = load_file(folder / ADAPTER_WEIGHTS)
    first = next(iter(stored))
    save_file({name: part for name, part in stored.items() if name != first}, folder / ADAPTER_WEIGHTS)
    with pytest.raises(CheckpointError, match="must hold pairs of lora_A and lora_B"):
        read_adapter(folder)
    save_file({**stored, first: stored[first].to(torch.int8)}, folder / ADAPTER_WEIGHTS)
    with pytest.raises(CheckpointError, match="is stored as I8"):
        read_adapter(folder)


def test_shapes_that_do_not_multiply_are_refused(folder):
    found = read_adapter(folder)
    name = "model.layers.0.self_attn.q_proj"
    a, b = found.tensors[name]
    for wrong in ((a[:2], b), (a, b[:, :2]), (a[:, :5], b), (a, b[:5]), (a[0], b)):
        other = make_adapter(CONFIG)
        other.tensors[name] = wrong
        with pytest.raises(CheckpointError, match=f"matrices for {name} must multiply to .*another model"):
            check_fits(other, CONFIG)


def test_only_a_folder_with_an_adapter_and_no_model_is_one(folder, tmp_path):
    assert is_adapter(folder) and not is_adapter(tmp_path)
    (folder / "config.json").write_text("{}")
    assert not is_adapter(folder)


class TestBase:
    @pytest.fixture
    def model(self, tmp_path):
        save_model_folder(tmp_path / "model", tiny.make_decoder(), tiny.make_tokenizer())
        return tmp_path / "model"

    def test_it_is_where_the_adapter_says(self, model, tmp_path):
        for number, base in enumerate((str(model), "../model")):
            place = write_adapter(tmp_path / str(number), make_adapter(CONFIG, base=base))
            assert find_base(read_adapter(place)).resolve() == model

    @pytest.mark.parametrize(("base", "said"), [("", "no model"), ("org/Model-1B", "'org/Model-1B'")])
    def test_without_it_the_remedy_is_named(self, tmp_path, base, said):
        place = write_adapter(tmp_path / "adapter", make_adapter(CONFIG, base=base))
        with pytest.raises(CheckpointError, match=f"names {said} as its base.*--base FOLDER"):
            find_base(read_adapter(place))


class TestOwner:
    @pytest.fixture
    def models(self, tmp_path):
        """Return a Llama of two layers and an Alpaca of one."""
        return self.write(tmp_path, 1)

    def write(self, folder, alpaca):
        for name, depth in (("llama", 2), ("alpaca", alpaca)):
            write_json(
                folder / name / "config.json", tiny.make_decoder(num_hidden_layers=depth).config.to_dict()
            )
        return {name: folder / name for name in ("llama", "alpaca")}

    def test_it_is_the_only_one_that_fits_or_whose_last_layer_is_changed(self, models):
        assert choose_owner(make_adapter(CONFIG), models) == "llama"
        assert choose_owner(make_adapter(read_config(models["alpaca"])), models) == "alpaca"

    def test_it_is_the_one_that_the_adapter_names(self, models):
        adapter = make_adapter(read_config(models["alpaca"]), base=str(models["llama"]))
        assert choose_owner(adapter, models) == "llama"
        with pytest.raises(CheckpointError, match="which the model lacks"):
            choose_owner(make_adapter(CONFIG, base=str(models["alpaca"])), models)

    def test_what_fits_both_alike_must_name_one(self, tmp_path):
        with pytest.raises(CheckpointError, match=r"fits the llama and the alpaca.*base_model_name_or_path"):
            choose_owner(make_adapter(CONFIG), self.write(tmp_path, 2))

    def test_what_fits_none_is_refused(self, models):
        stranger = make_adapter(tiny.make_decoder(hidden_size=64).config)
        with pytest.raises(CheckpointError, match="does not fit the llama nor the alpaca"):
            choose_owner(stranger, models)

    def test_several_are_sorted_by_owner(self, models, tmp_path):
        kinds = {"kind": CONFIG, "quick": read_config(models["alpaca"]), "terse": CONFIG}
        folders = {
            name: write_adapter(tmp_path / name, make_adapter(config)) for name, config in kinds.items()
        }
        assert sort_adapters(folders, models) == {
            "llama": {"kind": folders["kind"], "terse": folders["terse"]},
            "alpaca": {"quick": folders["quick"]},
        }

    @pytest.mark.parametrize("name", ["llama", "auto", "blend"])
    def test_a_models_name_is_taken(self, models, folder, name):
        with pytest.raises(RecipeError, match=f"cannot be called '{name}'"):
            sort_adapters({name: folder}, models)
