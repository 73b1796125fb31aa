"""Without a folder the pair that came with camelid answers; without such a pair one line says what to do."""

import json
import os
import shutil

import pytest

import camelid as package
from camelid.model import pairfile


@pytest.fixture
def shipped(folder, tmp_path, monkeypatch):
    """Return a pair as an installed camelid has it: nothing can be written into it."""
    place = tmp_path / "installed" / "shipped"
    shutil.copytree(folder, place, ignore=shutil.ignore_patterns("held_out.jsonl", ".*"))
    places = [place, *place.rglob("*")]
    for path in places:
        path.chmod(0o555 if path.is_dir() else 0o444)
    monkeypatch.setattr(pairfile, "SHIPPED", place)
    before = {path: path.stat().st_mtime_ns for path in places}
    yield place
    assert {path: path.stat().st_mtime_ns for path in [place, *place.rglob("*")]} == before
    for path in places:
        path.chmod(0o755)


@pytest.fixture
def nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(pairfile, "SHIPPED", tmp_path / "nowhere")


def test_chat_and_generate_take_it(camelid, shipped):
    said = camelid("chat", "--max-tokens", 5, text="Hello\n")
    assert said.status == 0
    assert said.out == camelid("chat", shipped, "--max-tokens", 5, text="Hello\n").out
    assert camelid("generate", "Hello", "--max-tokens", 5).out == said.out
    one = camelid("generate", "Once", "--continue", "--model", "llama", "--max-tokens", 5)
    assert one.out == camelid("generate", shipped, "Once", "--continue", "--max-tokens", 5).out


def test_somebody_at_the_keyboard_is_told_whom_they_talk_to(type_in, shipped):
    assert "camelid's own pair: the alpaca answers" in type_in("chat", "--max-tokens", 3, lines=[]).out


def test_info_and_bench_and_export_take_it(camelid, shipped, tmp_path):
    told = json.loads(camelid("info", "--no-measure", "--json").out)
    assert (told["name"], told["folder"]) == ("tiny", str(shipped))
    words = ["--weights", "int8", "--prompt-tokens", 8, "--new-tokens", 2, "--json"]
    assert set(json.loads(camelid("bench", *words).out)["models"]) == {"llama", "alpaca"}
    assert camelid("export", "--gguf", "--model", "alpaca", "--out", tmp_path / "a.gguf").status == 0


def test_serve_takes_it(camelid, shipped, monkeypatch):
    served = []
    monkeypatch.setattr("camelid.serve.run.serve", lambda settings, *_, **__: served.append(settings.folder))
    assert camelid("serve", "--port", 0).status == 0
    assert served == [str(shipped)]


def test_python_takes_it(shipped):
    assert package.load().folder == shipped


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_what_would_write_there_says_where_it_may(camelid, shipped):
    result = camelid("calibrate", shipped)
    assert result.status == 1 and result.err.count("\n") == 1


@pytest.mark.parametrize("words", [["chat"], ["serve"], ["info"], ["bench"], ["generate", "Hello"]])
def test_without_one_a_line_says_what_to_do(camelid, nothing, words):
    result = camelid(*words)
    assert (result.status, result.out) == (1, "")
    assert "none came with this camelid. Make one, with make demo or camelid train" in result.err
    assert result.err.count("\n") == 1


def test_a_folder_alone_is_no_prompt(camelid, folder):
    result = camelid("generate", folder)
    assert (result.status, result.out) == (1, "")
    assert "is to answer, in quotes: camelid generate" in result.err
