"""Laws of advice: what is taken meets the limits, and the break-even price is where the advice turns."""

import dataclasses

import numpy as np
import pytest

from camelid.errors import RequestError
from camelid.route.choice import Limits, Option, advise

GENERATOR = np.random.default_rng(2)


def make(role, quality, seconds, memory=100e6, weights="int8", dial=1.0):
    qualities = np.clip(quality + GENERATOR.normal(0, 0.02, 60), 0, 1)
    return Option(role, weights, dial, tuple(qualities), tuple(np.full(20, seconds)), int(memory))


LLAMA, ALPACA = make("llama", 0.9, 0.1), make("alpaca", 0.7, 0.02, 40e6)
SMALL = make("llama", 0.8, 0.05, 60e6, "int4")
ALL = (LLAMA, ALPACA, SMALL)


def test_without_limits_the_best_is_taken():
    advice = advise(ALL, Limits())
    assert advice.met and advice.option is LLAMA
    assert advice.words[0].startswith("Take Llama, int8: quality 0.9")


@pytest.mark.parametrize(
    ("limits", "option", "said"),
    [
        (Limits(latency_s=0.06), SMALL, "Llama, int8 would be better (0.9"),
        (Limits(memory_bytes=50e6), ALPACA, "misses the limit of memory"),
        (Limits(latency_s=0.06, memory_bytes=50e6), ALPACA, "misses the limit of latency and memory"),
    ],
)
def test_limits_shut_out_and_that_is_said(limits, option, said):
    advice = advise(ALL, limits)
    assert advice.option is option and not limits.missed(option)
    assert any(said in line for line in advice.words)


def test_where_nothing_tells_them_apart_the_quickest_is_taken():
    twin = dataclasses.replace(LLAMA, weights="int4", seconds=(0.05,) * 20)
    advice = advise((LLAMA, twin), Limits())
    assert advice.option is twin and "not detectable" in " ".join(advice.words)


def test_the_advice_turns_at_the_break_even_price():
    price, instead = (advise(ALL, Limits()).break_even, advise(ALL, Limits()).instead)
    assert price > 0 and f"{price:.3g}" in advise(ALL, Limits()).words[-1]
    below, above = (advise(ALL, Limits(second_costs=price * part)).option for part in (0.999, 1.001))
    assert (below, above) == (LLAMA, instead)
    assert advise(ALL, Limits(second_costs=1e6)).option is ALPACA
    assert advise(ALL, Limits(second_costs=1e6)).instead is None


def test_nothing_meets_and_what_is_nearest():
    advice = advise(ALL, Limits(quality=0.95, latency_s=0.2))
    assert not advice.met and advice.option is LLAMA
    assert advice.words[0].startswith("Nothing meets the limits. Nearest is Llama, int8: its quality is 0.9")
    assert "0.95 is wished" in advice.words[0]
    slow = advise(ALL, Limits(latency_s=0.019))
    assert slow.option is ALPACA and "95 of 100 answers take 20.0 ms" in slow.words[0]
    assert advice.to_dict()["met"] is False


def test_a_quality_that_is_just_reached_is_not_called_certain():
    advice = advise(ALL, Limits(quality=LLAMA.quality - 0.001))
    assert "is not certain" in " ".join(advice.words)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"latency_s": 0.0}, "--max-latency-ms must be above 0"),
        ({"memory_bytes": -1.0}, "--max-memory-mb must be above 0"),
        ({"quality": 1.5}, "--min-quality must lie between 0 and 1; found 1.5"),
        ({"second_costs": -0.1}, "--second-costs must be 0 or more"),
    ],
)
def test_limits_that_are_none(limits, message):
    with pytest.raises(RequestError, match=message):
        Limits(**limits)
