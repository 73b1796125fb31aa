"""camelid pair: any two Llamas, whatever their weights and tokenizers lie in."""

import json
import os
import shutil

import pytest
import spm
import tiny
import torch

from camelid.export import pairing
from camelid.export.pairing import make_pair
from camelid.model.checkpoint import load_decoder, save_model_folder
from camelid.model.folder import read_config
from camelid.model.pairfile import read_pair_file
from camelid.pair import Pair
from camelid.text.heldout import read_held_out
from camelid.text.pieces import Kind, Piece, Pieces, build_core
from camelid.text.tokenizer import Tokenizer, train_tokenizer


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """A model with another tokenizer, and no chat template."""
    folder = tmp_path_factory.mktemp("models") / "stranger"
    tokenizer = train_tokenizer(["other words than those of the pair"] * 9, vocab_size=290)
    decoder = tiny.make_decoder(vocab_size=tokenizer.vocab_size, num_hidden_layers=1)
    save_model_folder(folder, decoder, tokenizer, dtype=torch.float16)
    (folder / "tokenizer_config.json").write_text('{"eos_token": "<|eos|>", "bos_token": "<|bos|>"}')
    return folder


def shard(source, target):
    """Write a model folder as two shards with an index."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(source, target)
    tensors = load_file(target / "model.safetensors")
    (target / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[:5], "model-00002-of-00002.safetensors": names[5:]}
    for file, held in parts.items():
        save_file({name: tensors[name] for name in held}, target / file)
    index = {"metadata": {}, "weight_map": {name: file for file, held in parts.items() for name in held}}
    (target / "model.safetensors.index.json").write_text(json.dumps(index))
    return target


def test_two_of_one_tokenizer_guess_and_their_weights_are_linked(camelid, folder, tmp_path):
    words = ["pair", "--llama", folder / "llama", "--alpaca", folder / "alpaca", "--out", tmp_path / "p"]
    result = camelid(*words)
    assert (result.status, result.err) == (0, "")
    assert "tokenizer: the same for both, so the Alpaca guesses ahead" in result.out
    assert " linked\n" in result.out and f"camelid chat {tmp_path / 'p'}" in result.out
    assert os.path.samefile(tmp_path / "p/llama/model.safetensors", folder / "llama" / "model.safetensors")
    file = read_pair_file(tmp_path / "p")
    assert (file.name, file.tokenizer) == ("p", Tokenizer.load(folder / "llama").fingerprint)
    for role in ("llama", "alpaca"):
        said = [Pair(each).reply("Hello", model=role, max_tokens=8).text for each in (folder, tmp_path / "p")]
        assert said[0] == said[1]
    assert json.loads(camelid(*words, "--json").out)["speculation"] is True


def test_shards_come_whole_and_logits_are_the_same_bit_for_bit(folder, tmp_path):
    made = make_pair(shard(folder / "llama", tmp_path / "shards"), folder / "alpaca", tmp_path / "p")
    assert made.guesses and len(list((tmp_path / "p" / "llama").glob("*.safetensors"))) == 2
    ids = torch.arange(30)[None]
    with torch.no_grad():
        both = [load_decoder(each)(ids) for each in (folder / "llama", tmp_path / "p" / "llama")]
    assert torch.equal(*both)


def test_where_nothing_can_be_linked_it_is_copied(folder, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(pairing.os, "link", refuse)
    made = make_pair(folder / "llama", folder / "alpaca", tmp_path / "p")
    assert made.linked_bytes == 0 and made.copied_bytes > 0
    copy = (tmp_path / "p/llama/model.safetensors").read_bytes()
    assert copy == (folder / "llama" / "model.safetensors").read_bytes()


def test_two_tokenizers_are_told_apart(camelid, folder, stranger, tmp_path):
    words = ["pair", "--llama", folder / "llama", "--alpaca", stranger, "--out", tmp_path / "p"]
    result = camelid(*words)
    assert result.status == 0 and "tokenizer: two different ones, so there is no guessing ahead" in result.out
    assert "the Alpaca has none and can only continue texts;" in result.out
    assert "--chat-template alpaca, llama-2, vicuna, or a file" in result.out  # those whose tokens it has
    assert f"camelid chat {tmp_path / 'p'} --model llama\n" in result.out
    assert read_pair_file(tmp_path / "p").tokenizer == ""
    told = json.loads(camelid(*words, "--json", "--chat-template", "llama-2").out)
    assert told["speculation"] is False and told["roles"]["alpaca"]["chat_template"] is True
    pair = Pair(tmp_path / "p")
    for role in ("llama", "alpaca"):
        assert pair.reply("Hello", model=role, max_tokens=4).completion_tokens <= 4


def test_tokenizer_model_and_tokenizer_json_of_one_vocabulary_are_one_tokenizer(camelid, tmp_path):
    pieces = [
        *[Piece(name, 0.0, kind) for name, kind in (("<unk>", Kind.unknown), ("<s>", Kind.control))],
        Piece("</s>", 0.0, Kind.control),
        *[Piece(f"<0x{byte:02X}>", 0.0, Kind.byte) for byte in range(256)],
        *[Piece(text, -float(rank)) for rank, text in enumerate(("▁a", "ab", "▁ab", "▁", "a", "b"))],
    ]
    for role, depth in (("one", 2), ("two", 1)):
        core = build_core(Pieces(tuple(pieces)))
        tokenizer = Tokenizer(core, {"bos_token": "<s>", "eos_token": "</s>"})
        decoder = tiny.make_decoder(vocab_size=len(pieces), num_hidden_layers=depth)
        save_model_folder(tmp_path / role, decoder, tokenizer)
    raw = spm.write_model(pieces)
    (tmp_path / "one" / "tokenizer.json").unlink()
    (tmp_path / "one" / "tokenizer.model").write_bytes(raw)
    table = json.loads((tmp_path / "two" / "tokenizer.json").read_text())
    table["model"]["merges"].reverse()  # the same tokens, written down in another way
    (tmp_path / "two" / "tokenizer.json").write_text(json.dumps(table))
    words = ["--llama", tmp_path / "one", "--alpaca", tmp_path / "two", "--out", tmp_path / "p"]
    result = camelid("pair", *words, "--chat-template", "alpaca")
    assert "tokenizer: the same for both" in result.out
    both = [(tmp_path / "p" / role / "tokenizer.json").read_bytes() for role in ("llama", "alpaca")]
    assert both[0] == both[1]
    said = camelid("generate", tmp_path / "p", "ab a", "--continue", "--max-tokens", 4, "--model", "llama")
    assert said.status == 0


def test_a_template_is_lent_where_the_tokens_are_the_same(camelid, folder, tmp_path):
    shutil.copytree(folder / "alpaca", tmp_path / "bare")
    config = json.loads((tmp_path / "bare" / "tokenizer_config.json").read_text())
    del config["chat_template"]
    (tmp_path / "bare" / "tokenizer_config.json").write_text(json.dumps(config))
    words = ["pair", "--llama", folder / "llama", "--alpaca", tmp_path / "bare", "--out", tmp_path / "p"]
    said = camelid(*words).out
    assert "the Alpaca had none and takes the Llama's" in said and "guesses ahead" in said
    config["chat_template"] = "{{ messages[0].content }}"
    (tmp_path / "bare" / "tokenizer_config.json").write_text(json.dumps(config))
    assert "the same tokens, but the chat templates" in " ".join(camelid(*words).out.split())
    assert "guesses ahead" in camelid(*words, "--chat-template", "alpaca").out


def test_what_cannot_talk_is_not_told_to(camelid, stranger, tmp_path):
    result = camelid("pair", "--llama", stranger, "--alpaca", stranger, "--out", tmp_path / "p")
    assert f"camelid generate {tmp_path / 'p'} 'Once upon a time' --continue" in result.out
    assert "camelid chat" not in result.out and "camelid serve" not in result.out


def test_with_data_two_of_different_tokenizers_get_a_router(camelid, folder, stranger, tmp_path):
    talks = [{"messages": [{"role": "user", "content": f"Is {n} a llama?"},
              {"role": "assistant", "content": f"No, {n} is a number."}]} for n in range(30)]  # fmt: skip
    (tmp_path / "talks.jsonl").write_text("\n".join(map(json.dumps, talks)))
    words = ["pair", "--llama", folder / "llama", "--alpaca", stranger, "--out", tmp_path / "p"]
    (tmp_path / "short.jinja").write_text("{{ messages[0]['content'] }}")
    words += ["--chat-template", tmp_path / "short.jinja"]
    assert "this command again, with --data FILE" in camelid(*words).out
    made = camelid(*words, "--data", tmp_path / "talks.jsonl")
    assert "data: 30 records kept" in made.out
    assert f"camelid calibrate {tmp_path / 'p'} --llama-share 0.3" in made.out
    assert len(read_held_out(tmp_path / "p" / "held_out.jsonl")) == 30
    found = camelid("calibrate", tmp_path / "p", "--llama-share", 0.5, "--limit", 20)
    assert found.status == 0, found.err
    assert Pair(tmp_path / "p").reply("Is 3 a llama?", model="auto", max_tokens=4).decision
    with open(tmp_path / "talks.jsonl", "a") as file:
        file.write("\n{bad\n")
    assert "line 31: bad JSON" in camelid(*words, "--data", tmp_path / "talks.jsonl").err
    assert "data: 30 records" in camelid(*words, "--data", tmp_path / "talks.jsonl", "--skip-bad").out
    (tmp_path / "none.jsonl").write_text("")
    assert "none.jsonl" in camelid(*words, "--data", tmp_path / "none.jsonl").err


def test_a_pair_that_was_trained_does_not_give_way(camelid, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "p")
    words = ["pair", "--llama", folder / "llama", "--alpaca", folder / "alpaca", "--out", tmp_path / "p"]
    assert "holds a pair that was trained, which would be deleted" in camelid(*words).err
    assert (tmp_path / "p" / "pair.json").read_bytes() == (folder / "pair.json").read_bytes()


def test_swapped_roles_are_noticed(camelid, folder, tmp_path):
    words = ["pair", "--llama", folder / "alpaca", "--alpaca", folder / "llama", "--out", tmp_path / "p"]
    assert "the Llama is the smaller of the two" in camelid(*words).out
    assert read_config(tmp_path / "p" / "llama").num_hidden_layers == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: (p / "model.safetensors").unlink(), "has no model.safetensors"),
        (lambda p: (p / "tokenizer.json").unlink(), "there is no tokenizer.json"),
        (
            lambda p: (p / "config.json").write_text('{"model_type": "qwen2"}'),
            "camelid reads LlamaForCausalLM",
        ),
    ],
)
def test_a_folder_that_is_no_llama_leaves_nothing_behind(camelid, folder, tmp_path, change, message):
    shutil.copytree(folder / "llama", tmp_path / "broken")
    change(tmp_path / "broken")
    words = ["--llama", tmp_path / "broken", "--alpaca", folder / "alpaca", "--out", tmp_path / "p"]
    result = camelid("pair", *words)
    assert result.status == 1 and message in result.err and not (tmp_path / "p").exists()


def test_other_things_in_the_place_are_left_alone(camelid, folder, tmp_path):
    (tmp_path / "notes.txt").write_text("precious")
    words = ["pair", "--llama", folder / "llama", "--alpaca", folder / "alpaca", "--out"]
    assert "holds something else than a pair" in camelid(*words, tmp_path).err
    assert "is a file; a pair is saved as a folder" in camelid(*words, tmp_path / "notes.txt").err


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("chatml", "writes <|im_start|>, which this tokenizer has not"),
        ("lama-2", "There is no chat template 'lama-2', neither a file nor a name. Did you mean 'llama-2'?"),
    ],
)
def test_a_chat_template_that_cannot_be(camelid, folder, tmp_path, named, message):
    words = ["--llama", folder / "llama", "--alpaca", folder / "alpaca", "--out", tmp_path / "p"]
    assert message in " ".join(camelid("pair", *words, "--chat-template", named).err.split())
    (tmp_path / "broken.jinja").write_text("{% if %}")
    result = camelid("pair", *words, "--chat-template", tmp_path / "broken.jinja")
    assert "is not valid Jinja (line 1)" in result.err
