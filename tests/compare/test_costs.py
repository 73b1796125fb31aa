"""What answering costs is measured apart; what the machine does not report is not made up."""

import math

import pytest

from camelid.compare.apart import run_apart
from camelid.compare.latency import Cost, Timing, percentile, read_energy, time_apart, time_prompts
from camelid.compare.machine import describe_machine, hash_model, list_versions
from camelid.compare.words import list_costs, say_ms, say_p, say_size, say_span
from camelid.errors import CheckpointError


def make_zone(folder, name, microjoules):
    (folder / name).mkdir()
    (folder / name / "energy_uj").write_text(f"{microjoules}\n")


def test_energy_is_the_sum_of_all_packages_without_their_parts(tmp_path):
    assert read_energy(tmp_path) is None and read_energy(tmp_path / "nothing") is None
    make_zone(tmp_path, "intel-rapl:0", 2_000_000)
    make_zone(tmp_path, "intel-rapl:0:0", 1_000_000)  # the cores, a part of package 0
    make_zone(tmp_path, "intel-rapl:1", 500_000)
    assert read_energy(tmp_path) == 2.5
    (tmp_path / "intel-rapl:1" / "energy_uj").unlink()
    assert read_energy(tmp_path) is None


def test_answers_are_timed_in_a_process_of_its_own(pair, tokenizer, model):
    prompts = {"a": [[0, 5, 6]], "b": [[0, 7], [0, 8, 9]]}
    settings = {"stop_ids": tokenizer.stop_ids, "sizes": tokenizer.num_bytes, "loading": {"threads": 1}}
    cost = time_apart(pair / "llama", prompts, {"a": 4, "b": 1}, **settings)
    assert {task: len(timings) for task, timings in cost.timings.items()} == {"a": 1, "b": 2}
    for timing in cost.all_timings:
        assert 0 < timing.first_token_s <= timing.total_s and timing.num_bytes >= 0
    assert all(timing.tokens <= 1 for timing in cost.timings["b"])
    assert cost.seconds("a") == cost.timings["a"][0].total_s and cost.seconds("c") is None
    assert cost.peak_bytes > cost.weight_bytes > 0


def test_any_backend_can_be_timed(model):
    asked = {"prompts": {"a": [[0, 5]]}, "max_tokens": {"a": 3}, "stop_ids": []}
    told = time_prompts(model, asked)
    ((first, total, reply),) = told["timings"]["a"]
    assert 0 < first <= total and len(reply) == 3 and told["threads"] is None


def test_the_time_from_token_to_token_is_that_after_the_first():
    assert Timing(0.1, 0.4, 4, 12).token_s == pytest.approx(0.1)
    assert Timing(0.1, 0.1, 1, 3).token_s is None
    assert percentile([], 50) is None and percentile([1, 2, 3], 50) == 2


def test_what_fails_apart_is_one_line():
    with pytest.raises(CheckpointError, match=r"It could not be done: .*nothing"):
        run_apart("camelid.compare.measure", ["nothing"], doing="It could not be done")


def test_a_models_hash_is_of_its_weights_shape_and_tokenizer(pair, tmp_path):
    import shutil

    shutil.copytree(pair / "llama", tmp_path / "copy")
    assert hash_model(pair / "llama") == hash_model(tmp_path / "copy") != hash_model(pair / "alpaca")
    (tmp_path / "copy" / "notes.txt").write_text("beside the point")
    assert hash_model(pair / "llama") == hash_model(tmp_path / "copy")
    config = tmp_path / "copy" / "config.json"
    config.write_text(config.read_text() + "\n")
    assert hash_model(pair / "llama") != hash_model(tmp_path / "copy")


def test_the_machine_is_described():
    machine = describe_machine()
    assert machine["cores"] >= 1 and machine["memory_bytes"] > 1e8 and machine["processor"]
    assert {"python", "camelid", "numpy", "sacrebleu"} <= set(list_versions())


@pytest.mark.parametrize(
    ("say", "number", "said"),
    [
        (say_ms, 0.123, "0.12 ms"),
        (say_ms, 12.34, "12.3 ms"),
        (say_ms, 123.4, "123 ms"),
        (say_ms, 1234, "1.23 s"),
        (say_ms, None, "–"),
        (say_size, 999, "999 B"),
        (say_size, 47_600_000, "47.6 MB"),
        (say_size, 2_500_000_000, "2.5 GB"),
        (say_size, None, "–"),
        (say_span, 59.4, "59 s"),
        (say_span, 200, "3 min 20 s"),
        (say_span, 3900, "1 h 05 min"),
        (say_span, None, "–"),
        (say_p, 0.0004, "< 0.001"),
        (say_p, 0.04, "0.040"),
    ],
)
def test_numbers_are_said_briefly(say, number, said):
    assert say(number) == said


def test_energy_is_not_reported_where_nobody_measures_it():
    counts = ("parameters", "layers", "tokens_per_s", "bytes_per_s", "unsupervised_tokens")
    sizes = ("peak_bytes", "weight_bytes", "cache_bytes", "disk_bytes", "supervised_tokens")
    unknown = dict.fromkeys((*counts, *sizes, "training_s", "energy_j_per_answer", "dtype"))
    nothing = {"p50": None, "p95": None}
    costs = dict(list_costs([{**unknown, "first_token_ms": nothing, "token_ms": nothing}]))
    assert costs["energy per answer"] == ["not reported"]
    assert all(
        cells == ["–"] for label, cells in costs.items() if "p50" not in label and "energy" not in label
    )
    measured = Cost({}, "int8", "cpu", 1, 1, 1, 1, energy_j=math.pi)
    assert measured.all_timings == []
