"""Out and back again: what a GGUF file keeps, and what llama.cpp makes of it."""

import json
import struct

import numpy as np
import pytest
import torch
from stories import DATA

from camelid.errors import CheckpointError, MissingExtraError, RequestError, RunError, TokenizerError
from camelid.export.gguf import write_gguf
from camelid.export.numbers import as_floats
from camelid.export.reading import import_gguf, read_gguf
from camelid.export.vocabulary import describe, rebuild
from camelid.model.checkpoint import load_decoder
from camelid.model.folder import read_config, read_dtype
from camelid.model.tensors import open_tensors
from camelid.text.tokenizer import Tokenizer

gguf = pytest.importorskip("gguf", reason="needs the extra export: pip install 'camelid[export]'")

LLAMA2 = DATA / "llama_checkpoints" / "llama2_tokenizer" / "tokenizer.model"
SORTS = ("ours", "pieces", "llama3")
TEXTS = [
    "the llama and the alpaca",
    " two  blanks",
    "🦙 é ñ \n\tx",
    "12345 don't DON'T I'll",
    "\n\n  x",
    "Größe",
]
# The largest share of a matrix' largest weight by which a type may miss any of its weights.
ROUNDING = {"f32": 0, "bf16": 0, "f16": 2**-11, "q8_0": 1 / 250, "q4_0": 1 / 7.9}


def logits(folder, count=40):
    decoder = load_decoder(folder)
    ids = torch.arange(count)[None] * 7 % decoder.config.vocab_size
    with torch.no_grad():
        return decoder(ids)


def weights(folder):
    return {name: as_floats(each) for name, each in open_tensors(folder, read_config(folder)).items()}


@pytest.mark.parametrize("type_", ["bf16", "f32"])
@pytest.mark.parametrize("sort", SORTS)
def test_out_and_back_the_logits_are_the_same_bit_for_bit(folders, tmp_path, sort, type_):
    write_gguf(folders[sort], tmp_path / "m.gguf", type=type_)
    import_gguf(tmp_path / "m.gguf", tmp_path / "back")
    assert torch.equal(logits(tmp_path / "back"), logits(folders[sort]))
    assert read_dtype(tmp_path / "back") == {"bf16": "bfloat16", "f32": "float32"}[type_]
    ours, back = read_config(folders[sort]), read_config(tmp_path / "back")
    assert back == ours


@pytest.mark.parametrize("type_", ["f16", "q8_0", "q4_0"])
@pytest.mark.parametrize("sort", SORTS)
def test_out_and_back_no_weight_moves_by_more_than_its_type_rounds(folders, tmp_path, sort, type_):
    write_gguf(folders[sort], tmp_path / "m.gguf", type=type_)
    import_gguf(tmp_path / "m.gguf", tmp_path / "back")
    before, after = weights(folders[sort]), weights(tmp_path / "back")
    for name, numbers in before.items():
        most = ROUNDING[type_] * np.abs(numbers).max() * (numbers.ndim > 1)
        assert np.abs(after[name] - numbers).max() <= most, name


@pytest.mark.parametrize("sort", [*SORTS, "smollm", "gpt2"])
def test_out_and_back_the_tokenizer_says_the_same(folders, tmp_path, sort):
    write_gguf(folders[sort], tmp_path / "m.gguf")
    import_gguf(tmp_path / "m.gguf", tmp_path / "back")
    before, after = Tokenizer.load(folders[sort]), Tokenizer.load(tmp_path / "back")
    for text in TEXTS:
        assert after.encode(text) == before.encode(text) and after.decode(before.encode(text)) == text
    for what in ("bos_id", "eos_id", "pad_id", "end_id", "vocab_size", "special_ids", "begins_with_bos"):
        assert getattr(after, what) == getattr(before, what), what
    assert set(after.stop_ids) == set(before.stop_ids)
    template = before.template and before.template.source
    assert (after.template and after.template.source) == template
    assert read_config(tmp_path / "back").rope_scaling == read_config(folders[sort]).rope_scaling
    if sort == "ours":
        assert after.fingerprint == before.fingerprint


@pytest.mark.parametrize("sort", SORTS)
def test_the_library_reads_what_the_file_says(folders, tmp_path, sort):
    write_gguf(folders[sort], tmp_path / "m.gguf", type="q4_0", name="llama of mine")
    reader = gguf.GGUFReader(tmp_path / "m.gguf")
    told = {name: field.contents() for name, field in reader.fields.items()}
    config, tokenizer = read_config(folders[sort]), Tokenizer.load(folders[sort])
    assert told["general.name"] == "llama of mine"
    assert told["llama.context_length"] == config.max_position_embeddings
    assert told["llama.attention.key_length"] == 16
    assert told["tokenizer.ggml.model"] == ("llama" if sort == "pieces" else "gpt2")
    pre = {"ours": "qwen2", "pieces": "default", "llama3": "llama-bpe"}
    assert told["tokenizer.ggml.pre"] == pre[sort]
    assert told["tokenizer.ggml.bos_token_id"] == tokenizer.bos_id
    assert told["tokenizer.ggml.add_bos_token"] is True
    kinds, tokens = told["tokenizer.ggml.token_type"], told["tokenizer.ggml.tokens"]
    assert kinds[-3:] == [5, 5, 5] and tokens[-1] == f"[PAD{config.vocab_size - 1}]"
    assert all(kinds[index] in (2, 3) for index in tokenizer.special_ids)
    stored = {tensor.name: tensor.tensor_type.name for tensor in reader.tensors}
    assert stored["blk.0.attn_q.weight"] == "Q4_0" and stored["token_embd.weight"] == "Q8_0"
    assert stored["output_norm.weight"] == "F32"
    assert ("rope_freqs.weight" in stored) == (sort == "llama3")


def test_llama_2s_tokenizer_comes_back_as_it_was(tmp_path):
    if not LLAMA2.is_file():
        pytest.skip("needs Llama 2's tokenizer of the shared data")
    (tmp_path / "tokenizer.model").write_bytes(LLAMA2.read_bytes())
    tokenizer = Tokenizer.load(tmp_path)
    keys = {f"tokenizer.ggml.{key}": value for key, value in describe(tokenizer, 32_000).items()}
    assert rebuild(keys, "m").vocabulary == tokenizer.vocabulary


def test_a_wish_of_dtype_is_kept(folders, tmp_path):
    write_gguf(folders["ours"], tmp_path / "m.gguf", type="q8_0")
    import_gguf(tmp_path / "m.gguf", tmp_path / "f32", dtype="float32")
    import_gguf(tmp_path / "m.gguf", tmp_path / "f16")
    assert (read_dtype(tmp_path / "f32"), read_dtype(tmp_path / "f16")) == ("float32", "float16")
    write_gguf(tmp_path / "f32", tmp_path / "again.gguf", type="q8_0")
    assert [t.data.tobytes() for t in gguf.GGUFReader(tmp_path / "again.gguf").tensors] == [
        t.data.tobytes() for t in gguf.GGUFReader(tmp_path / "m.gguf").tensors
    ]
    with pytest.raises(CheckpointError, match=r"no dtype 'float31'. Did you mean 'float32'"):
        import_gguf(tmp_path / "m.gguf", tmp_path / "x", dtype="float31")


@pytest.mark.parametrize("sort", [*SORTS, "smollm", "gpt2"])
def test_llama_cpp_says_the_same(folders, tmp_path, sort):
    """The same ids of a text and, in F32 and F16, the same greedy tokens."""
    llama_cpp = pytest.importorskip("llama_cpp", reason="needs llama-cpp-python")
    write_gguf(folders[sort], tmp_path / "m.gguf", type="f32")
    other = llama_cpp.Llama(str(tmp_path / "m.gguf"), n_ctx=64, n_threads=1, verbose=False)
    tokenizer, decoder = Tokenizer.load(folders[sort]), load_decoder(folders[sort])
    for text in TEXTS:
        assert other.tokenize(text.encode(), add_bos=False) == tokenizer.encode(text)
    ids = [tokenizer.bos_id, *tokenizer.encode(TEXTS[0])]
    stream = other.generate(ids, temp=0.0, repeat_penalty=1.0)
    with torch.no_grad():
        for _ in range(20):
            best = int(decoder(torch.tensor([ids]))[0, -1].argmax())
            assert next(stream) == best
            ids.append(best)


# --- what is refused --------------------------------------------------------------------------------------


def test_without_the_package_the_extra_is_named(folders, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gguf", None)
    with pytest.raises(MissingExtraError, match=r"'gguf'. Install it: pip install 'camelid\[export\]'"):
        write_gguf(folders["ours"], tmp_path / "m.gguf")


def test_a_weight_beyond_float16_is_named(folders, tmp_path):
    from safetensors.numpy import save_file

    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folders["ours"] / name).read_bytes())
    large = {**weights(folders["ours"])}
    large["model.layers.0.mlp.up_proj.weight"][0, 0] = 1e5
    save_file(large, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"up_proj.weight holds a weight beyond 65504, .* --type bf16"):
        write_gguf(tmp_path, tmp_path / "m.gguf")
    assert not [path for path in tmp_path.iterdir() if "gguf" in path.name]


def test_a_place_that_cannot_be_written_is_one_clear_line(folders, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot be written \(.*\)\. Choose another place"):
        write_gguf(folders["ours"], tmp_path / "file" / "m.gguf")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"type": "Unigram"}}, "BPE tokenizers, of bytes or SentencePiece's; found Unigram"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "no name for how this tokenizer cuts text"),
    ],
)
def test_a_tokenizer_that_llama_cpp_cannot_have_is_refused(folders, monkeypatch, tmp_path, change, message):
    table = Tokenizer.load(folders["ours"]).to_dict() | change
    monkeypatch.setattr(Tokenizer, "to_dict", lambda self: table)
    with pytest.raises(TokenizerError, match=message):
        write_gguf(folders["ours"], tmp_path / "m.gguf")


def _file(path, keys, tensors=(), arch="llama"):
    """Write a GGUF file with these keys and tensors."""
    writer = gguf.GGUFWriter(path, arch)
    for name, value in keys.items():
        add = {
            int: writer.add_uint32,
            float: writer.add_float32,
            str: writer.add_string,
            list: writer.add_array,
        }
        add[type(value)](name, value)
    for name, numbers in tensors:
        writer.add_tensor(name, numbers)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize(
    ("arch", "keys", "message"),
    [
        ("qwen2", {}, "of the architecture 'qwen2'; camelid reads 'llama' only"),
        ("llama", {"llama.expert_count": 8}, "a mixture of experts"),
        ("llama", {"split.count": 3}, "one of 3 parts. Join them: llama-gguf-split --merge"),
        ("llama", {}, "lacks token_embd.weight"),
    ],
)
def test_strangers_are_called_by_their_name(tmp_path, arch, keys, message):
    with pytest.raises(CheckpointError, match=message):
        read_gguf(_file(tmp_path / "m.gguf", keys, arch=arch))


def test_a_file_that_is_none_or_half_of_one(folders, tmp_path):
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_gguf(tmp_path / "none.gguf")
    (tmp_path / "text.gguf").write_text("hello world")
    with pytest.raises(CheckpointError, match="is no GGUF file: it begins with b'hell'"):
        read_gguf(tmp_path / "text.gguf")
    write_gguf(folders["ours"], tmp_path / "m.gguf")
    raw = (tmp_path / "m.gguf").read_bytes()
    for size in (len(raw) - 100, 5000, 30):
        (tmp_path / "half.gguf").write_bytes(raw[:size])
        with pytest.raises(CheckpointError, match=r"is truncated, damaged, or has a type"):
            read_gguf(tmp_path / "half.gguf")


def test_a_type_that_cannot_be_unpacked_is_named(folders, tmp_path, monkeypatch):
    write_gguf(folders["ours"], tmp_path / "m.gguf", type="q8_0")

    def refuse(data, type_):
        raise NotImplementedError

    monkeypatch.setattr(gguf.quants, "dequantize", refuse)
    with pytest.raises(CheckpointError, match=r"is stored as \w+, which the package gguf cannot unpack"):
        import_gguf(tmp_path / "m.gguf", tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_folder_of_something_else_is_left_alone(folders, tmp_path):
    write_gguf(folders["ours"], tmp_path / "m.gguf")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("precious")
    with pytest.raises(CheckpointError, match="holds something else than a model, which would be deleted"):
        import_gguf(tmp_path / "m.gguf", tmp_path / "notes")
    with pytest.raises(CheckpointError, match="is a file; a model is saved as a folder"):
        import_gguf(tmp_path / "m.gguf", tmp_path / "m.gguf")
    import_gguf(tmp_path / "m.gguf", tmp_path / "model")
    with pytest.raises(CheckpointError, match="holds a model already, which would be deleted"):
        import_gguf(tmp_path / "m.gguf", tmp_path / "model")


def test_keys_that_contradict_the_tensors_are_told(folders, tmp_path):
    write_gguf(folders["ours"], tmp_path / "m.gguf")
    raw = (tmp_path / "m.gguf").read_bytes()
    key = b"llama.block_count" + struct.pack("<I", 4)
    for blocks, message in ((3, r"lacks blk\.2\."), (1, r"holds blk\.1\..*, which a Llama has not")):
        place = raw.index(key) + len(key)
        (tmp_path / "x.gguf").write_bytes(raw[:place] + struct.pack("<I", blocks) + raw[place + 4 :])
        with pytest.raises(CheckpointError, match=message):
            read_gguf(tmp_path / "x.gguf")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "m holds no tokenizer"),
        ({"tokens": ["a"], "model": "bert"}, "a tokenizer of the kind 'bert'; camelid reads gpt2"),
        ({"tokens": ["a"], "model": "gpt2", "pre": "tekken"}, "cuts text as 'tekken'; camelid knows gpt-2"),
        ({"tokens": ["a"], "model": "gpt2", "pre": "qwen2", "token_type": [77]}, "contradicts itself .*77"),
        ({"tokens": ["a"], "model": "llama", "unknown_token_id": 9}, "contradicts itself"),
        ({"tokens": ["a"], "model": "gpt2", "pre": "gpt-2", "merges": ["a z"]}, "contradicts itself"),
    ],
)
def test_a_tokenizer_that_cannot_be_read_is_told(keys, message):
    with pytest.raises(CheckpointError, match=message):
        rebuild({f"tokenizer.ggml.{key}": value for key, value in keys.items()}, "m")


def test_a_type_that_there_is_not(folders, tmp_path):
    with pytest.raises(RequestError, match=r"no type 'q8' to export. Did you mean 'q8_0'"):
        write_gguf(folders["ours"], tmp_path / "m.gguf", type="q8")


def test_rope_factors_of_nobody_are_refused(folders, tmp_path):
    write_gguf(folders["llama3"], tmp_path / "m.gguf", type="f32")
    reader = gguf.GGUFReader(tmp_path / "m.gguf", "r+")
    reader.tensors[0].data[:] = np.arange(1, 9)
    reader.data.flush()
    with pytest.raises(CheckpointError, match=r"has rope factors .* that no Llama has"):
        read_gguf(tmp_path / "m.gguf")


def test_the_folder_is_transformers_own(folders, tmp_path):
    transformers = pytest.importorskip("transformers")
    write_gguf(folders["pieces"], tmp_path / "m.gguf", type="f32")
    import_gguf(tmp_path / "m.gguf", tmp_path / "back")
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "back", dtype=torch.float32)
    ids = torch.arange(40)[None] * 7 % model.config.vocab_size
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, logits(tmp_path / "back"), atol=2e-4, rtol=1e-4)
    told = json.loads((tmp_path / "back" / "generation_config.json").read_text())
    assert told["bos_token_id"] == 1
