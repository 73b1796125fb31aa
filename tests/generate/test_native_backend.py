"""The native backend keeps the promises of the torch backend."""

import subprocess
import sys

import numpy as np
import pytest
import tiny

from camelid.errors import CheckpointError, ContextTooLongError, RequestError
from camelid.generate.load import load_model
from camelid.generate.torch_backend import TorchModel
from camelid.model.checkpoint import save_model_folder
from camelid.native import _native, is_built

pytestmark = pytest.mark.skipif(not is_built(), reason="the native engine was not built: no C++ compiler")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "model"
    save_model_folder(folder, tiny.make_decoder(), tiny.make_tokenizer())
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return load_model(folder, backend="native", weights="f32", threads=2)


@pytest.fixture(scope="module")
def reference():
    return TorchModel(tiny.make_decoder())


def test_logits_are_those_of_torch(model, reference):
    tokens = list(range(3, 90))
    np.testing.assert_allclose(model.logits(tokens), reference.logits(tokens), rtol=1e-4, atol=1e-4)


def test_hidden_states_are_those_of_torch(model, reference):
    tokens = list(range(3, 90))
    np.testing.assert_allclose(model.hidden(tokens), reference.hidden(tokens), rtol=1e-4, atol=1e-4)


def test_heads_that_are_too_wide_are_refused_by_name(folder, monkeypatch):
    monkeypatch.setattr(_native, "MOST_HEAD_DIM", 4)
    with pytest.raises(CheckpointError, match=r"up to 4. Load it with backend='torch'"):
        load_model(folder, backend="native")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 1.0, "seed": 3},
        {"temperature": 0.8, "top_k": 20, "top_p": 0.9, "min_p": 0.01, "seed": 5},
        {"temperature": 1.0, "seed": 1, "repetition_penalty": 1.2, "frequency_penalty": 0.7},
        {"presence_penalty": 1.5, "logit_bias": {7: 3.0, 8: -100.0}},
    ],
)
def test_the_same_seed_says_the_same_on_torch_and_native(model, reference, options):
    for first in range(5):
        prompt = [first + 2, 40, 77]
        found = list(model.generate(prompt, max_tokens=20, **options))
        assert found == list(reference.generate(prompt, max_tokens=20, **options))


def test_the_end_of_the_context_ends_a_reply(model):
    assert len(list(model.generate([5] * (tiny.CONTEXT - 3), max_tokens=50))) == 3


def test_a_stop_token_ends_a_reply_and_is_not_said(model):
    said = list(model.generate([9, 8], max_tokens=20))
    stop = said[6]
    assert list(model.generate([9, 8], max_tokens=20, stop_ids=[stop])) == said[: said.index(stop)]


def test_what_it_costs_is_told(folder, model):
    small = load_model(folder, backend="native", weights="int4", threads=1)
    assert small.weight_bytes < model.weight_bytes / 2
    assert model.cache_bytes / 2 < small.cache_bytes < 0.7 * model.cache_bytes  # words, and their scales
    assert (small.dtype, small.device, small.context) == ("int4", "cpu", tiny.CONTEXT)


def test_what_cannot_be_asked(folder, model):
    with pytest.raises(RequestError, match="at least one token"):
        model.generate([])
    with pytest.raises(RequestError, match="between 0 and"):
        model.logits([tiny.VOCABULARY])
    with pytest.raises(ContextTooLongError):
        model.generate([1] * tiny.CONTEXT)
    with pytest.raises(ContextTooLongError):
        model.logits([1] * (tiny.CONTEXT + 1))
    with pytest.raises(RequestError, match="threads must be 1 or more"):
        load_model(folder, backend="native", threads=-1)


def test_where_it_was_not_built_the_remedy_is_named(folder):
    """In a process of its own, in which the module cannot be imported."""
    program = f"""
import sys
sys.modules["camelid.native._native"] = None
import camelid
try:
    camelid.load_model({str(folder)!r}, backend="native")
except camelid.CamelidError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "C++ compiler" in run.stdout and "apt-get install g++" in run.stdout
