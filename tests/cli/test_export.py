"""camelid export and camelid import, as a user types them."""

import json

import pytest
import tiny

from camelid.model.folder import read_config
from camelid.text.tokenizer import Tokenizer

pytest.importorskip("gguf", reason="needs the extra export: pip install 'camelid[export]'")


def test_a_model_goes_out_and_comes_back(camelid, folder, tmp_path):
    out = camelid("export", folder / "llama", "--gguf", "--out", tmp_path / "m.gguf", "--type", "f32")
    assert (out.status, out.err) == (0, "") and out.out.startswith(f"{tmp_path / 'm.gguf'}: ")
    back = camelid("import", tmp_path / "m.gguf", "--out", tmp_path / "back")
    assert back.status == 0 and "2 layers" in back.out and "stored there as F32" in back.out
    assert f"camelid chat {tmp_path / 'back'}" in back.out
    assert read_config(tmp_path / "back").num_parameters == read_config(folder / "llama").num_parameters
    words = ["generate", "Hello", "--max-tokens", 8]
    said = [camelid(words[0], each, *words[1:]).out for each in (folder / "llama", tmp_path / "back")]
    assert said[0] == said[1]


def test_a_pair_becomes_two_files(camelid, folder, tmp_path):
    told = json.loads(camelid("export", folder, "--gguf", "--out", tmp_path / "out", "--json").out)
    assert [each["file"] for each in told] == [
        str(tmp_path / "out" / f"{role}-f16.gguf") for role in ("llama", "alpaca")
    ]
    assert all(each["bytes"] == (tmp_path / "out" / name).stat().st_size for each, name in zip(
        told, ("llama-f16.gguf", "alpaca-f16.gguf"), strict=True))  # fmt: skip
    one = camelid("export", folder, "--gguf", "--model", "alpaca", "--out", tmp_path / "one.gguf")
    assert one.status == 0 and (tmp_path / "one.gguf").is_file()


def test_without_a_name_files_lie_here(camelid, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert camelid("export", folder / "alpaca", "--gguf", "--type", "q8_0").status == 0
    assert camelid("export", folder, "--gguf", "--model", "llama").status == 0
    assert camelid("export", folder, "--gguf").status == 0
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.gguf")}
    assert found == {
        "alpaca-q8_0.gguf", "tiny-llama-f16.gguf", "tiny-gguf/llama-f16.gguf", "tiny-gguf/alpaca-f16.gguf",
    }  # fmt: skip


def test_a_modelfile_says_how_to_talk(camelid, folder, tmp_path):
    out = camelid("export", folder / "llama", "--ollama", "--out", tmp_path / "m.gguf")
    assert out.status == 0 and f"ollama create m -f {tmp_path / 'm.Modelfile'}" in out.out
    text = (tmp_path / "m.Modelfile").read_text()
    assert text.startswith('FROM ./m.gguf\nTEMPLATE """')
    assert '{{ if eq .Role "user" }}<|user|>{{ .Content }}<|end|>' in text and "<|bos|>" not in text
    for line in ('PARAMETER stop "<|eos|>"', 'PARAMETER stop "<|end|>"', f"PARAMETER num_ctx {tiny.CONTEXT}"):
        assert line in text.splitlines()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["export", "{pair}"], "Say as what: --gguf for llama.cpp, --ollama for Ollama"),
        (["export", "{pair}", "--gguf", "--out", "x.gguf"], "--out must be a folder; found x.gguf"),
        (["export", "{pair}/llama", "--gguf", "--model", "llama"], "is one model; --model is for a pair"),
        (["import", "x.bin", "--out", "y"], "Name that too: --tokenizer tok512.bin"),
        (["import", "x.bin", "--tokenizer", "t", "--dtype", "float16", "--out", "y"], "Leave --dtype out"),
        (["import", "x.gguf", "--tokenizer", "t", "--out", "y"], "Leave --tokenizer out"),
        (["import", "x.gguf", "--out", "y"], "x.gguf cannot be read (No such file or directory)"),
        (["import", "{pair}/llama", "--out", "y"], "is a model folder already and needs no import"),
    ],
)
def test_what_cannot_be_is_one_line(camelid, folder, words, message):
    result = camelid(*(word.format(pair=folder) for word in words))
    assert (result.status, result.out) == (1, "")
    assert message in " ".join(result.err.split()) and result.err.count("\n") == 1


def test_a_model_of_llama2c(camelid, tmp_path):
    stories = pytest.importorskip("stories")
    if not stories.STORIES.is_dir():
        pytest.skip("needs stories260K of the shared data")
    words = [stories.STORIES / "stories260K.bin", "--tokenizer", stories.STORIES / "tok512.bin"]
    told = json.loads(camelid("import", *words, "--out", tmp_path / "s", "--json").out)
    assert (told["parameters"], told["layers"], told["tokens"]) == (260_032, 5, 512)
    assert told["chat_template"] is False
    assert Tokenizer.load(tmp_path / "s").stop_ids == (2, 1)
    said = camelid("generate", tmp_path / "s", "", "--continue", "--weights", "f32").out.strip()
    documented = stories.read_documented()
    assert said[: len(documented)] == documented
