"""Model folders: what is saved is what loads, and what cannot be loaded says why."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from camelid.errors import CheckpointError, RunError, TokenizerError
from camelid.model import checkpoint
from camelid.model.checkpoint import load_decoder, save_model_folder
from camelid.model.folder import read_config
from camelid.text.tokenizer import Tokenizer, train_tokenizer

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
NORM, HEAD, EMBEDDING = "model.norm.weight", "lm_head.weight", "model.embed_tokens.weight"


def _edit_config(folder, **fields):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def _edit_weights(folder, edit):
    weights = {name: weight.clone() for name, weight in load_file(folder / WEIGHTS).items()}
    edit(weights)
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})


def _shard(folder):
    """Cut the weights of a folder in two files with an index."""
    weights = load_file(folder / WEIGHTS)
    names = sorted(weights)
    files = {name: f"part-{number % 2}.safetensors" for number, name in enumerate(names)}
    for file in set(files.values()):
        save_file({name: weights[name] for name in names if files[name] == file}, folder / file)
    (folder / INDEX).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": files}))
    (folder / WEIGHTS).unlink()
    return files


def _same(decoder, other, dtype=torch.float32):
    found, expected = decoder.state_dict(), other.state_dict()
    return found.keys() == expected.keys() and all(
        torch.equal(found[name], expected[name].to(dtype)) for name in expected
    )


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_what_is_saved_is_what_loads(tmp_path, make_decoder, tokenizer, tied, dtype):
    decoder = make_decoder(tie_word_embeddings=tied)
    save_model_folder(tmp_path / "model", decoder, tokenizer, dtype=dtype)
    loaded = load_decoder(tmp_path / "model", dtype=dtype)
    assert _same(loaded, decoder, dtype)
    assert loaded.compute_dtype == dtype
    assert {weight.dtype for weight in loaded.parameters()} == {dtype}
    assert all(weight.requires_grad for weight in loaded.parameters())
    assert torch.equal(loaded.rope_frequencies, decoder.rope_frequencies)
    assert json.loads((tmp_path / "model" / "config.json").read_text())["dtype"] == str(dtype)[6:]


def test_shards_load_like_one_file(model_folder, make_decoder):
    _shard(model_folder)
    assert _same(load_decoder(model_folder), make_decoder())


def test_a_model_saved_again_is_the_same_files(tmp_path, model_folder):
    again = tmp_path / "again"
    save_model_folder(again, load_decoder(model_folder), Tokenizer.load(model_folder))
    names = sorted(path.name for path in again.iterdir())
    assert names == sorted(path.name for path in model_folder.iterdir())
    for name in names:
        assert (again / name).read_bytes() == (model_folder / name).read_bytes(), name


def test_loaded_weights_do_not_hang_on_their_file(model_folder, make_decoder):
    loaded = load_decoder(model_folder)
    size = (model_folder / WEIGHTS).stat().st_size
    with open(model_folder / WEIGHTS, "r+b") as file:
        file.write(b"\xff" * size)
    assert _same(loaded, make_decoder())


def test_what_the_tokenizer_knows_goes_beside_the_weights(model_folder, tokenizer):
    config, generation = (
        json.loads((model_folder / name).read_text()) for name in ("config.json", "generation_config.json")
    )
    for table in (config, generation):
        assert table["eos_token_id"] == list(tokenizer.stop_ids)
        assert (table["bos_token_id"], table["pad_token_id"]) == (tokenizer.bos_id, tokenizer.pad_id)
    assert Tokenizer.load(model_folder).fingerprint == tokenizer.fingerprint
    with safe_open(model_folder / WEIGHTS, framework="pt") as file:
        assert file.metadata() == {"format": "pt"}
        assert HEAD not in file.keys()  # noqa: SIM118


def test_everyone_may_read_what_is_saved(model_folder):
    assert {path.stat().st_mode & 0o777 for path in model_folder.iterdir()} == {0o644}


def test_buffers_of_old_checkpoints_are_passed_over(model_folder, make_decoder):
    extra = ("model.layers.0.self_attn.rotary_emb.inv_freq", "model.rotary_emb.inv_freq")
    _edit_weights(model_folder, lambda weights: weights.update({name: torch.ones(4) for name in extra}))
    assert _same(load_decoder(model_folder), make_decoder())


def test_a_tied_head_that_is_stored_all_the_same_is_passed_over(model_folder, make_decoder):
    _edit_weights(model_folder, lambda weights: weights.update({HEAD: weights[EMBEDDING].clone()}))
    assert _same(load_decoder(model_folder), make_decoder())


def test_a_model_takes_the_place_of_an_older_one(model_folder, make_decoder, tokenizer):
    other = make_decoder(num_hidden_layers=3)
    save_model_folder(model_folder, other, tokenizer)
    assert _same(load_decoder(model_folder), other)


def test_a_config_is_read_without_torch(model_folder):
    code = (
        "import sys; from camelid.model.folder import read_config; import camelid.model.pairfile;"
        "print(read_config(sys.argv[1]).num_hidden_layers, [m for m in ('torch', 'numpy', 'transformers',"
        "'tokenizers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, model_folder], capture_output=True, text=True)
    assert done.stdout == "2 []\n", done.stderr


# What cannot be read


def test_weights_cut_off_anywhere_are_refused(model_folder):
    whole = (model_folder / WEIGHTS).read_bytes()
    for size in (0, 5, 8, 100, len(whole) // 2, len(whole) - 1):
        (model_folder / WEIGHTS).write_bytes(whole[:size])
        with pytest.raises(CheckpointError, match=r"model\.safetensors is truncated or corrupt.*anew"):
            load_decoder(model_folder)


def test_weights_that_are_noise_are_refused(model_folder):
    (model_folder / WEIGHTS).write_bytes(bytes(range(256)) * 99)
    with pytest.raises(CheckpointError, match="truncated or corrupt"):
        load_decoder(model_folder)


def _drop(name):
    return lambda weights: weights.pop(name)


def _put(name, weight):
    return lambda weights: weights.update({name: weight})


@pytest.mark.parametrize(
    "edit, message",
    [
        (_drop(NORM), "lacks model.norm.weight, which config.json asks for"),
        (lambda weights: [weights.pop(name) for name in list(weights)], r"lacks .* and 17 more"),
        (_put("model.layers.2.mlp.up_proj.weight", torch.ones(2)), "holds model.layers.2.mlp.up_proj.weight"),
        (_put("model.layers.0.self_attn.q_proj.bias", torch.ones(2)), "holds .*q_proj.bias, which a Llama"),
        (_put(HEAD, torch.ones(2)), "tied to the embedding .*but lm_head.weight differs"),
        (_put(NORM, torch.ones(31)), r"model.norm.weight must have the shape \[32\].*found \[31\]"),
        (
            _put(NORM, torch.ones(32, dtype=torch.int8)),
            "norm.weight is stored as I8; camelid reads F32",
        ),
    ],
    ids=["missing", "all missing", "one layer more", "bias", "head not tied", "shape", "int8"],
)
def test_a_tensor_that_does_not_fit_is_named(model_folder, edit, message):
    _edit_weights(model_folder, edit)
    with pytest.raises(CheckpointError, match=message):
        load_decoder(model_folder)


def test_an_untied_head_that_is_not_there_is_named(model_folder):
    _edit_config(model_folder, tie_word_embeddings=False)
    with pytest.raises(CheckpointError, match=r"lacks lm_head.weight.*set tie_word_embeddings to true"):
        load_decoder(model_folder)


def test_a_config_of_another_model_is_noticed(model_folder):
    _edit_config(model_folder, intermediate_size=50)
    with pytest.raises(CheckpointError, match=r"mlp.gate_proj.weight must have the shape \[50, 32\]"):
        load_decoder(model_folder)


def test_a_missing_shard_is_named(model_folder):
    _shard(model_folder)
    (model_folder / "part-1.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"shard .*part-1.safetensors is missing, though the index"):
        load_decoder(model_folder)


def test_a_truncated_shard_is_named(model_folder):
    _shard(model_folder)
    path = model_folder / "part-1.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match=r"part-1.safetensors is truncated"):
        load_decoder(model_folder)


def test_shards_of_different_models_are_noticed(model_folder):
    files = _shard(model_folder)
    save_file({"other": torch.ones(1)}, model_folder / files[NORM])
    with pytest.raises(
        CheckpointError, match=r"index.json says that part-\d.safetensors holds .*it does not"
    ):
        load_decoder(model_folder)


@pytest.mark.parametrize(
    "content, message",
    [
        ('{"weight_map": {"a"', "is not whole JSON"),
        ("{}", "must have a weight_map"),
        ('{"weight_map": {}}', "must have a weight_map"),
        ('{"weight_map": {"a": 3}}', "must have a weight_map"),
        ('{"weight_map": {"a": "../model.safetensors"}}', "a file beside it"),
    ],
)
def test_an_index_that_is_none_is_refused(model_folder, content, message):
    _shard(model_folder)
    (model_folder / INDEX).write_text(content)
    with pytest.raises(CheckpointError, match=message):
        load_decoder(model_folder)


@pytest.mark.parametrize(
    "name, message",
    [
        (None, "config.json alone is no model"),
        ("pytorch_model.bin", r"pickled weights.*AutoModelForCausalLM.*save_pretrained"),
        ("pytorch_model.bin.index.json", "pickled weights"),
        ("model-00001-of-00002.safetensors", "It has model-00001-of-00002.safetensors: copy model"),
    ],
)
def test_weights_that_are_not_there_say_what_is(model_folder, name, message):
    (model_folder / WEIGHTS).unlink()
    if name:
        (model_folder / name).write_bytes(b"x")
    with pytest.raises(CheckpointError, match=f"has no model.safetensors.*{message}"):
        load_decoder(model_folder)


@pytest.mark.parametrize(
    "files, message",
    [
        ({}, "it is empty"),
        ({"notes.txt": "x"}, "it has no config.json"),
        ({"adapter_config.json": "{}"}, "it is an adapter.*camelid chat .*camelid merge"),
        ({"model.gguf": "x"}, "it holds a GGUF file"),
        ({"pair.json": "{}"}, "it is a pair. Name one of its two models: .*/llama or .*/alpaca"),
        ({"config.json": '{"model_type": "llama", "hid'}, "is not whole JSON .*half-written"),
        ({"config.json": ""}, "is not whole JSON"),
        ({"config.json": "[1]"}, "must hold a JSON object; found list"),
        ({"config.json": '{"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"}'}, "GPT2LMHeadModel"),
        ({"config.json": "{}"}, "lacks vocab_size, hidden_size"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_folder_that_is_no_model_says_what_it_is(tmp_path, files, message):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    for read in (read_config, load_decoder):
        with pytest.raises(CheckpointError, match=message):
            read(tmp_path)


def test_no_folder_and_a_file_are_told_apart(model_folder, tmp_path):
    with pytest.raises(CheckpointError, match=r"There is no folder .*nowhere.*download it first"):
        load_decoder(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"model.safetensors is a file; a folder is expected"):
        load_decoder(model_folder / WEIGHTS)


# What cannot be written


def test_a_tokenizer_of_another_model_is_refused(tmp_path, make_decoder):
    other = train_tokenizer(["different words, many more of them than before " * 9], vocab_size=290)
    decoder = make_decoder(vocab_size=other.vocab_size - 1)
    with pytest.raises(TokenizerError, match="they do not belong together"):
        save_model_folder(tmp_path / "model", decoder, other)
    assert not (tmp_path / "model").exists()


def test_saving_never_deletes_something_else(tmp_path, make_decoder, tokenizer):
    for name, content in (("pair.json", "a pair"), ("notes.txt", "something else than a model")):
        folder = tmp_path / name.replace(".", "-")
        folder.mkdir()
        (folder / name).write_text("mine")
        with pytest.raises(CheckpointError, match=f"holds {content}, which saving would delete"):
            save_model_folder(folder, make_decoder(), tokenizer)
        assert (folder / name).read_text() == "mine"
    with pytest.raises(CheckpointError, match="is a file"):
        save_model_folder(tmp_path / "notes-txt" / "notes.txt", make_decoder(), tokenizer)


def test_an_empty_folder_may_be_saved_into(tmp_path, make_decoder, tokenizer):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / ".lock").touch()
    save_model_folder(tmp_path / "model", make_decoder(), tokenizer)
    assert _same(load_decoder(tmp_path / "model"), make_decoder())


def test_a_full_disk_leaves_the_old_model(model_folder, make_decoder, tokenizer, monkeypatch):
    def fail(*_, **__):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    before = make_decoder()
    monkeypatch.setattr(checkpoint, "save_file", fail)
    with pytest.raises(RunError, match="disk is full"):
        save_model_folder(model_folder, make_decoder(num_hidden_layers=3), tokenizer)
    assert _same(load_decoder(model_folder), before)
    assert os.listdir(model_folder.parent) == [model_folder.name]


def test_a_copy_of_the_folder_is_the_model(model_folder, tmp_path, make_decoder):
    shutil.copytree(model_folder, tmp_path / "copy")
    assert _same(load_decoder(tmp_path / "copy"), make_decoder())
