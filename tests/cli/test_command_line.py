"""What every verb has in common: help, exit statuses, and errors of one line."""

import subprocess
import sys

import pytest

from camelid.cli import main, run

VERBS = (
    *("train", "chat", "generate", "samples", "info", "compare", "choose", "calibrate"),
    *("eval", "bench", "serve", "show"),
    *("pair", "import", "export"),
    *("tokenizer", "pretrain", "distill", "finetune", "alpaca", "merge"),
)


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_help_names_every_verb(camelid, words):
    result = camelid(*words)
    assert (result.status, result.err) == (0, "")
    assert all(f" {verb} " in result.out for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_every_verb_has_an_example(camelid, verb):
    result = camelid(verb, "--help")
    assert result.status == 0
    assert "Example" in result.out and f"\n camelid {verb} " in result.out.replace(
        "camelid " + verb + " [", ""
    )


def test_the_version_is_that_of_the_package(camelid):
    import camelid as package

    assert camelid("--version").out == f"camelid {package.__version__}\n"


def test_help_brings_in_nothing_heavy():
    heavy = {"torch", "transformers", "tokenizers", "numpy", "datasets", "jinja2"}
    script = f"import sys; from camelid.cli import run; run(['--help']); print({heavy} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "set()"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["chta"], "No such command 'chta'. Did you mean 'chat'?"),
        (["samples"], "Missing argument 'PAIR'. See: camelid samples --help"),
        (["chat", "x", "--modle", "y"], "No such option: --modle"),
        (["chat", "x", "--max-tokens", "0"], "Invalid value for '--max-tokens'"),
        (["generate", "x", "y", "--top-p", "two"], "Invalid value for '--top-p'"),
        (["finetune", "x", "--role", "lama"], "Invalid value for '--role'"),
        (["samples", "x", "--count", "0"], "Invalid value for '--count'"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(camelid, words, message):
    result = camelid(*words)
    assert (result.status, result.out) == (2, "")
    assert message in result.err and "--help" in result.err
    assert result.err.count("\n") == 1 and result.err.startswith("camelid: ")


@pytest.mark.parametrize("verb", ["chat", "info", "samples", "generate"])
def test_a_folder_that_is_not_there_is_one_line_and_status_1(camelid, verb, tmp_path):
    words = [verb, tmp_path / "nothing"] + ["Hello"] * (verb == "generate")
    result = camelid(*words)
    assert (result.status, result.out) == (1, "")
    assert "There is no folder" in result.err and result.err.count("\n") == 1


def test_an_empty_folder_says_what_would_make_a_pair(camelid, tmp_path):
    assert "it is empty. camelid train RECIPE makes a pair." in camelid("chat", tmp_path).err


def test_debug_anywhere_shows_where_it_happened(tmp_path):
    for words in (["--debug", "chat", str(tmp_path)], ["chat", "--debug", str(tmp_path)]):
        with pytest.raises(Exception, match="it is empty"):
            run(words)


def test_debug_behind_two_dashes_is_a_word_like_others(camelid, folder):
    assert camelid("generate", folder, "--max-tokens", 1, "--", "--debug").status == 0


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (KeyError("llama"), 1, "This should not have happened (KeyError: 'llama'). With --debug"),
        (PermissionError(13, "Permission denied", "/x"), 1, "camelid: Permission denied: /x"),
        (MemoryError(), 1, "not enough memory"),
    ],
)
def test_what_nobody_expected_is_one_line_too(camelid, monkeypatch, folder, error, status, message):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("camelid.pair.Pair.__init__", fail)
    result = camelid("chat", folder)
    assert result.status == status and message in result.err and result.err.count("\n") == 1


def test_ctrl_c_is_status_130(camelid, monkeypatch, folder):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("camelid.pair.Pair.__init__", stop)
    assert camelid("chat", folder).status == 130


def test_main_exits_with_the_status(monkeypatch):
    monkeypatch.setattr("sys.argv", ["camelid", "chta"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2


def test_a_reader_who_has_enough_is_no_error(tmp_path):
    data = tmp_path / "lines.jsonl"
    data.write_text('{"text": "The llama sleeps in the sun."}\n' * 3000)
    command = f"{sys.executable} -m camelid show {data} --limit 3000 | head -1"
    shown = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("tokenizer:")
