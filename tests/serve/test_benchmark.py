"""The benchmark's clients, against the server of these tests: they count what is there, and nothing else."""

import asyncio

import httpx
import pytest
import serving
from serving_clients import Finding, Load, closed_loop, quantile, request, vanish

from camelid.text.tokenizer import Tokenizer

BODY = {"model": "llama", "prompt": [5, 6, 7], "max_tokens": 12, "stream": True}


def test_a_request_counts_tokens_and_takes_times(server):
    body = {**BODY, "stream_options": {"include_usage": True}, "logit_bias": {"2": -100, "3": -100}}
    finding = asyncio.run(request(server.url, body))
    assert (finding.status, finding.tokens) == (200, 12)
    assert 1 <= len(finding.times) <= 12 and finding.times == sorted(finding.times)
    assert finding.first_s > 0 and len(finding.gaps) == len(finding.times) - 1
    assert finding.account["model"] == "llama"
    assert asyncio.run(request(server.url, {**BODY, "model": "lama"})).status == 404


@pytest.mark.parametrize("words", [True, False])
def test_clients_in_a_closed_loop_ask_again_and_again(server, words):
    looked = []
    load = Load(clients=3, seconds=0.4, vocab_size=400, model="alpaca")
    findings = asyncio.run(closed_loop(server.url, load, words=words, look=lambda: looked.append(1)))
    assert {finding.status for finding in findings} == {200} and len(findings) >= 3 and looked
    assert sum(finding.tokens for finding in findings) > 0


def test_clients_that_vanish_leave_nothing(server):
    asyncio.run(vanish(server.url, {**BODY, "max_tokens": 10_000}, 20, after_s=0.01))
    assert serving._settle(server.url) < 60
    assert httpx.get(server.url + "/health").json()["running"] == 0


def test_a_quantile_is_one_of_the_values():
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0 and quantile([3.0, 1.0], 0.99) == 3.0


def test_the_figures_become_tables():
    load = {
        "tokens_per_s": 1234.5,
        "gap_median_ms": 8.0,
        "gap_p99_ms": None,
        "statuses": {"200": 5, "429": 1},
        "memory_bytes": [1e6, 3e6],
    }
    after = {"files": 7, "threads": 3, "memory_bytes": 2e6}
    vanished = {"clients": 1000, "fresh_status": 200, "fresh_s": 0.5, "settled_s": 0.1, "before": after}
    shown = serving.render(
        {
            "overhead": {"15m": {"bare": [100.0], "http": [95.0], "first_byte_extra_ms": [1.0, 2.5]}},
            "load": {"camelid": load},
            "vanish": {**vanished, "after": after},
        }
    )
    assert "| 15m | 100 | 95 | 95% | 2.5 |" in shown
    assert "| camelid | 1,234 | 8.0 | — | 5× 200, 1× 429 | +2 |" in shown
    assert "1,000 clients vanished after 50 ms: a fresh request was answered in 0.50 s" in shown
    assert Finding(0.0, times=[1.0, 3.0]).gaps == [2.0]


def test_a_served_folder_is_a_model_with_a_tokenizer(tmp_path):
    config = serving.SHAPES["15m"]
    weights = tmp_path / "hf"
    weights.mkdir()
    for name in ("config.json", "model.safetensors"):
        (weights / name).write_bytes(b"{}")
    folder = tmp_path / "served"
    folder.mkdir()
    serving._write_served(folder, weights, config.vocab_size)
    tokenizer = Tokenizer.load(folder)
    assert tokenizer.vocab_size == config.vocab_size and tokenizer.stop_ids == (2,)
    assert tokenizer.decode(tokenizer.encode("wool 🦙")) == "wool 🦙"
