"""The benchmark of loading: its pair is one, and what it says of a figure is true."""

import loading
import pytest

from camelid.native import is_built
from camelid.pair import Pair
from camelid.text.tokenizer import Tokenizer


def test_the_shapes_are_those_of_smollm2():
    sizes = {role: config.num_parameters / 1e6 for role, config in loading.SHAPES.items()}
    assert sizes == pytest.approx({"llama": 1711.4, "alpaca": 134.5}, abs=0.1)


@pytest.mark.skipif(not is_built(), reason="the native engine was not built: no C++ compiler at install")
def test_the_pair_of_the_benchmark_talks(tmp_path):
    folder = loading.make_models(tmp_path, loading.QUICK)
    assert Tokenizer.load(folder / "llama").vocab_size == 2000
    assert Pair(folder).file.tokenizer
    assert loading.load(folder, threads=1)["load_s"] > 0
    grown = loading.grow(folder, "alpaca", 1, 64)
    assert grown["predicted_bytes"] == Pair(folder)["alpaca"].model.weight_bytes + 64 * (
        Pair(folder)["alpaca"].model.cache_bytes / 8192
    )


def test_a_figure_that_misses_is_called_so():
    model = {"predicted_bytes": 100.0, "grown_bytes": 110.0, "tokens_per_s": 9.0, "parameters": 1_000_000}
    data = {
        "first_s": [9.0, 12.0, 8.0],
        "again_s": [1.5],
        "models": {"llama": model},
        "threads": 2,
        "prompt": 512,
    }
    lines = loading.render(data).splitlines()
    assert "| both, packed for the first time | 9.00 s | ≤ 10 s | reached |" in lines
    assert "| both, mapped after that | 1.50 s | ≤ 1 s | missed |" in lines
    assert "| memory of the Llama, int8 | 0 MB, predicted -9.1% | ± 5% | missed |" in lines
