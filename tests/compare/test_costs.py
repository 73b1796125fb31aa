"""What answering costs is measured apart; what the machine does not report is not made up."""

import math

import numpy as np
import pytest

from camelid.compare import latency
from camelid.compare.apart import run_apart
from camelid.compare.latency import (
    Clock,
    Cost,
    Entrant,
    Timing,
    percentile,
    read_energy,
    read_waiting,
    time_apart,
    time_in_turns,
    time_ratio,
)
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


def test_models_are_asked_in_turns_each_prompt_once(pair, tokenizer):
    prompts = {"a": [[0, 5, 6], [0, 9]], "b": [[0, 7]]}
    told = (tokenizer.stop_ids, tokenizer.num_bytes, {"threads": 1})
    roles = ("llama", "alpaca")
    entrants = {role: Entrant(pair / role, prompts, {"a": 3, "b": 1}, *told) for role in roles}
    done = []
    costs = time_in_turns(entrants, advance=lambda: done.append(1))
    assert len(done) == 6 and list(costs) == list(roles)
    for cost in costs.values():
        assert {task: len(timings) for task, timings in cost.timings.items()} == {"a": 2, "b": 1}
        assert cost.waited is None or 0 <= cost.waited <= 1
    assert [turn for turn in latency._turns(entrants)] == [
        ("a", 0, "llama"),
        ("a", 0, "alpaca"),
        ("a", 1, "alpaca"),
        ("a", 1, "llama"),
        ("b", 0, "llama"),
        ("b", 0, "alpaca"),
    ]


def test_a_model_that_cannot_be_loaded_ends_all_in_one_line(pair, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    entrants = {
        name: Entrant(folder, {}, {}, (), (), {}) for name, folder in (("a", pair / "llama"), ("b", tmp_path))
    }
    with pytest.raises(CheckpointError, match=r"could not be timed: .*config\.json"):
        time_in_turns(entrants)


def test_any_backend_can_be_timed(model):
    clock = Clock(model, [])
    first, total, reply = clock.time([0, 5], 3)
    told = clock.tell()
    assert 0 < first <= total and len(reply) == 3 and told["threads"] is None
    assert told["peak_bytes"] > told["weight_bytes"] > 0


def test_who_waits_for_a_processor_is_told(tmp_path):
    assert read_waiting(tmp_path / "nothing") is None
    for thread, told in (("7", "2000000000 500000000 12\n"), ("8", "1000000000 0 3\n")):
        (tmp_path / thread).mkdir()
        (tmp_path / thread / "schedstat").write_text(told)
    assert read_waiting(tmp_path) == (3.0, 0.5)


def times(*seconds):
    return [Timing(0.1, each, 2, 3) for each in seconds]


def test_a_ratio_is_a_median_that_an_outlier_does_not_move():
    ratio = time_ratio(times(*[2.0] * 23, 500.0), times(*[1.0] * 24))
    assert (ratio.value, ratio.low, ratio.high, ratio.apart) == (2, 2, 2, True)
    assert time_ratio([], []) is None
    few = time_ratio(times(3, 1), times(1, 1))
    assert (few.value, few.low, few.apart) == (2, None, False)  # no interval holds with so few
    assert not time_ratio(times(*[1.0, 2.0] * 6), times(*[2.0, 1.0] * 6)).apart


def test_a_ratios_interval_covers():
    generator = np.random.default_rng(5)
    held = 0
    for _ in range(2000):
        one = times(*generator.lognormal(0.4, 0.5, 24))
        ratio = time_ratio(one, times(*generator.lognormal(0, 0.5, 24)))
        held += ratio.low <= math.exp(0.4) <= ratio.high
    assert 0.945 <= held / 2000 <= 0.99  # of order statistics, so at least what is said


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
