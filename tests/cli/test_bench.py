"""What bench prints is what was measured, each model and type of weights apart."""

import json
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from camelid.cli.bench import choose_lengths
from camelid.compare.trial import Trial, try_apart, try_model
from camelid.errors import CheckpointError
from camelid.generate import bandwidth as measuring
from camelid.generate.bandwidth import bytes_per_token, measure_bandwidth
from camelid.generate.speed import Speed
from camelid.model.folder import read_config
from camelid.native import is_built, isas
from camelid.native.packing import cache_token_bytes, packed_bytes

pytestmark = pytest.mark.skipif(not is_built(), reason="the native engine was not built")


@pytest.fixture
def measured(monkeypatch):
    """Measure nothing: int4 is twice as fast as int8, and memory is read at 10 GB/s."""

    def look(folder, weights, *, threads, prompt_tokens, new_tokens, text):
        rate = {"int4": 2000.0}.get(weights, 1000.0)
        speed = Speed(prompt_tokens / 20_000, rate, prompt_tokens, new_tokens, 7)
        bits = {"int4": 0.875}.get(weights, 0.75) if text else None
        return Trial(weights, "avx2", threads, speed, 6e9 / rate, 5_000_000, 1_000_000, 300_000_000, bits)

    monkeypatch.setattr("camelid.compare.trial.try_apart", look)
    monkeypatch.setattr(measuring, "measure_bandwidth", lambda threads: 1e10)


def rows(text):
    return [" ".join(line.split()) for line in text.splitlines()]


def test_of_a_pair_both_are_measured(camelid, folder, measured):
    result = camelid("bench", folder, "--threads", 2)
    assert (result.status, result.err) == (0, "")
    shown = rows(result.out)
    for role in ("llama", "alpaca"):
        assert f"{role} · f32 20,000 2.4 ms 1,000 5 MB 300 MB 60% 0.7500" in shown
        assert f"{role} · int8 20,000 2.4 ms 1,000 5 MB 300 MB 60% 0.7500" in shown
        assert f"{role} · int4 20,000 2.4 ms 2,000 5 MB 300 MB 60% 0.8750" in shown
    said = " ".join(shown)
    assert "2 threads, avx2; medians of 7 prompts of 48 tokens, each answered by 48." in said
    assert "Memory is read here at 10.0 GB/s" in said and "caches" not in said
    assert max(len(line.rstrip()) for line in result.out.splitlines()) <= 100


def test_weights_and_lengths_can_be_chosen_and_json_holds_the_same(camelid, folder, measured):
    words = ("--weights", "int4", "-w", "bf16", "--prompt-tokens", 20, "--new-tokens", 8, "--threads", 1)
    table = json.loads(camelid("bench", folder / "llama", *words, "--json").out)
    assert table["bandwidth_bytes_per_s"] == 1e10 and list(table["models"]) == ["llama"]
    assert table["models"]["llama"][0]["bits_per_byte"] == 0.875
    int4, bf16 = table["models"]["llama"]
    assert (int4["weights"], bf16["weights"], int4["threads"]) == ("int4", "bf16", 1)
    assert int4["decode_tokens_per_s"] == 2 * bf16["decode_tokens_per_s"] == 2000
    assert int4["prefill_tokens_per_s"] == pytest.approx(20_000)
    assert int4["speed"]["prompt_tokens"] == 20 and int4["speed"]["new_tokens"] == 8
    assert int4["bandwidth_share"] == pytest.approx(0.6)


def test_without_held_out_text_it_says_how_to_give_some(camelid, folder, measured, tmp_path):
    shutil.copytree(folder / "llama", tmp_path / "alone")
    shown = camelid("bench", tmp_path / "alone").out
    assert "What packing loses is seen with --text FILE." in " ".join(shown.split())
    assert " ".join(shown.split()).count("60% –") == 3
    (tmp_path / "some.txt").write_text("Once upon a time.", encoding="utf-8")
    assert "0.8750" in camelid("bench", tmp_path / "alone", "--text", tmp_path / "some.txt").out


def test_what_the_context_has_no_room_for_is_refused(camelid, folder, measured):
    assert choose_lengths(folder / "llama", None, None) == (48, 48)
    assert choose_lengths(folder / "llama", 10, None) == (10, 86)
    for words in (("--prompt-tokens", 49), ("--new-tokens", 49), ("--prompt-tokens", 40, "--new-tokens", 57)):
        result = camelid("bench", folder / "llama", *words)
        assert result.status == 1 and "has a context of 96" in result.err and "Use less." in result.err


def test_wrong_words_are_wrong_usage(camelid, folder):
    for words in (("--weights", "int5"), ("--threads", "0"), ("--new-tokens", "1")):
        result = camelid("bench", folder, *words)
        assert result.status == 2 and f"Invalid value for '{words[0]}'" in result.err


def test_a_folder_that_is_not_there_is_one_line(camelid, tmp_path):
    result = camelid("bench", tmp_path / "nothing")
    assert result.status == 1 and "There is no folder" in result.err and result.err.count("\n") == 1


def test_the_help_has_an_example(camelid):
    assert "\n camelid bench pairs/demo" in camelid("bench", "--help").out


def test_a_model_is_tried_without_torch_in_a_process_of_its_own(folder, tmp_path):
    """Measured for once as a user has it."""
    text = tmp_path / "some.txt"
    text.write_text("Once upon a time.", encoding="utf-8")
    trial = try_apart(folder / "alpaca", "int8", threads=1, prompt_tokens=20, new_tokens=8, text=text)
    assert 0 < trial.bits_per_byte < 20
    assert (trial.weights, trial.isa, trial.threads) == ("int8", isas()[0], 1)
    assert (trial.speed.prompt_tokens, trial.speed.new_tokens) == (20, 8)
    assert trial.prefill_tokens_per_s > 0 and trial.speed.tokens_per_s > 0
    assert trial.weight_bytes < trial.peak_bytes
    script = "import sys, camelid.cli.bench, camelid.compare.trial; print('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert shown == "False\n"


def test_a_model_that_cannot_be_tried_says_why(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "mamba"}')
    with pytest.raises(CheckpointError, match=r"could not be tried: .* camelid reads LlamaForCausalLM only"):
        try_apart(tmp_path, "int8", threads=1, prompt_tokens=8, new_tokens=8, text=None)


def test_a_token_needs_all_weights_and_what_was_said(folder):
    config = read_config(folder / "llama")
    none, some = (bytes_per_token(config, "int8", positions=count) for count in (0, 10))
    assert 0.9 * packed_bytes(config, "int8") < none <= packed_bytes(config, "int8")
    assert some - none == 10 * cache_token_bytes(config, "int8")
    assert bytes_per_token(config, "f32", positions=10) > 3 * some
    trial = try_model(folder / "llama", "bf16", threads=1, prompt_tokens=20, new_tokens=8)
    assert trial.token_bytes == bytes_per_token(config, "bf16", positions=24)


def test_an_embedding_that_is_not_the_head_is_read_by_the_row(folder):
    config = read_config(folder / "llama")
    fields = {name: value for name, value in vars(config).items() if name != "tie_word_embeddings"}
    untied = type(config)(**fields, tie_word_embeddings=False)
    assert packed_bytes(untied, "int8") > packed_bytes(config, "int8")
    assert bytes_per_token(untied, "int8", positions=0) == bytes_per_token(config, "int8", positions=0)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_bandwidth_is_bytes_over_seconds(threads, monkeypatch):
    ticks = iter(range(100))
    monkeypatch.setattr(measuring, "time", SimpleNamespace(perf_counter=lambda: next(ticks) * 0.5))
    assert measure_bandwidth(threads, num_bytes=4000, runs=3) == 8000
