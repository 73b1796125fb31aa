"""Adapters from the command line: asked by their folder or beside a model, and what does not fit is told."""

import json

import pytest
import tiny
from adapted import make_adapter, write_adapter

import camelid as package
from camelid.model.folder import read_config

HELLO = "Hello, llama!"
FEW = ("--max-tokens", 8)


@pytest.fixture(scope="module")
def adapter(folder, tmp_path_factory):
    """Return an adapter of the pair's Llama, which it names."""
    llama = folder / "llama"
    place = tmp_path_factory.mktemp("adapters") / "pirate"
    return write_adapter(place, make_adapter(read_config(llama), base=str(llama)))


@pytest.fixture(scope="module")
def said(folder, adapter):
    """Return what the Llama answers with the adapter, and without."""
    speaker = package.Speaker(folder / "llama", adapters={"pirate": adapter})
    return [each.reply(HELLO, max_tokens=8).text for each in (speaker.adapted("pirate"), speaker)]


def test_an_adapters_folder_is_asked_like_a_models(camelid, adapter, said):
    result = camelid("generate", adapter, HELLO, *FEW)
    assert (result.status, result.out) == (0, said[0] + "\n")
    assert said[0] != said[1]


def test_it_is_named_in_the_figures(camelid, adapter, said):
    told = json.loads(camelid("generate", adapter, HELLO, *FEW, "--json").out)
    assert (told["model"], told["text"]) == ("pirate", said[0])


@pytest.mark.parametrize("place", ["llama", ""])
def test_it_answers_beside_a_model_or_a_pair_unless_another_is_asked(camelid, folder, adapter, said, place):
    words = ("generate", folder / place, HELLO, *FEW, "--adapter", adapter)
    assert camelid(*words).out == said[0] + "\n"
    assert camelid(*words, "--model", "llama").out == said[1] + "\n"


def test_a_text_goes_on_with_it(camelid, folder, adapter):
    plain = camelid("generate", folder / "llama", HELLO, *FEW, "--continue").out
    result = camelid("generate", folder, HELLO, *FEW, "--continue", "--adapter", adapter)
    assert result.status == 0 and result.out != plain


def test_a_conversation_with_it_can_ask_the_model_without(camelid, adapter, said):
    result = camelid("chat", adapter, *FEW, text=f"{HELLO}\n/reset\n/model llama\n{HELLO}\n")
    assert result.status == 0 and result.out.splitlines() == "\n".join(said).splitlines()


def test_the_base_is_said_where_the_adapter_does_not_know_it(camelid, folder, tmp_path, said):
    lost = write_adapter(tmp_path / "llama", make_adapter(read_config(folder / "llama"), base="org/Llama-1B"))
    result = camelid("chat", lost, *FEW, text=HELLO)
    assert result.status == 1 and "names 'org/Llama-1B' as its base" in result.err and "--base" in result.err
    for base in (folder / "llama", folder):
        found = camelid("chat", lost, *FEW, "--base", base, text=f"{HELLO}\n")
        assert found.status == 0 and found.out.splitlines() == said[0].splitlines()


def refused(result, *words):
    assert result.status == 1
    assert result.err.count("\n") <= 2 and all(word in result.err for word in words), result.err


def test_what_cannot_be_is_said_in_a_line(camelid, folder, adapter, tmp_path):
    alpaca, llama = folder / "alpaca", folder / "llama"
    refused(camelid("generate", alpaca, HELLO, "--adapter", adapter), "which the model lacks")
    refused(camelid("generate", llama, HELLO, "--adapter", alpaca), "is no adapter: it has no adapter_config")
    refused(camelid("generate", llama, HELLO, "--base", alpaca), "--base is for an adapter's folder")
    refused(camelid("chat", adapter, "--adapter", adapter, text="x"), "is an adapter itself")
    refused(camelid("generate", adapter), "Say what")
    refused(camelid("serve", adapter, "--port", 0), "it is an adapter. Talk with it")
    stranger = write_adapter(tmp_path / "wide", make_adapter(tiny.make_decoder(hidden_size=64).config))
    refused(camelid("chat", folder, "--adapter", stranger, text="x"), "does not fit the llama nor the alpaca")
    (stranger / "adapter_model.safetensors").write_bytes(b"short")
    refused(camelid("chat", folder, "--adapter", stranger, text="x"), "truncated or corrupt")


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("nameless", "NAME=FOLDER; found 'nameless'"),
        ("llama={}", "cannot be called 'llama'"),
        ("blend={}", "cannot be called 'blend'"),
        ("two words={}", "letters, digits"),
        ("mine=nowhere", "is no adapter"),
    ],
)
def test_serve_takes_a_name_and_a_folder(camelid, folder, adapter, told, message):
    refused(camelid("serve", folder, "--port", 0, "--adapter", told.format(adapter)), message)


def test_serve_wants_each_name_once(camelid, folder, adapter):
    twice = ("--adapter", f"mine={adapter}") * 2
    refused(camelid("serve", folder, "--port", 0, *twice), "Two adapters are called 'mine'")
