import sys

import numpy as np
import pytest
import tiny

from camelid.errors import CheckpointError, MissingExtraError, RequestError
from camelid.generate import load
from camelid.generate.load import load_model, predict_memory
from camelid.generate.torch_backend import TorchModel
from camelid.model.checkpoint import save_model_folder
from camelid.model.folder import read_config
from camelid.native import is_built


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "model"
    save_model_folder(folder, tiny.make_decoder(), tiny.make_tokenizer())
    return folder


@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_a_model_folder_becomes_the_model_that_was_saved(folder, backend):
    model = load_model(folder, backend=backend, device="cpu")
    np.testing.assert_array_equal(model.logits([1, 2, 3]), TorchModel(tiny.make_decoder()).logits([1, 2, 3]))
    assert (model.vocab_size, model.context) == (tiny.VOCABULARY, tiny.CONTEXT)


def test_half_the_precision_takes_half_the_memory(folder):
    wide, narrow = (load_model(folder, dtype=dtype, device="cpu") for dtype in ("float32", "bfloat16"))
    assert narrow.weight_bytes * 2 == wide.weight_bytes
    assert narrow.cache_bytes * 2 == wide.cache_bytes
    np.testing.assert_allclose(narrow.logits([1, 2]), wide.logits([1, 2]), atol=1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "int5", "backend": "native"}, "no weights 'int5'. Did you mean 'int"),
        ({"weights": "int8", "device": "cpu"}, "device is a setting of the torch backend"),
        ({"weights": "int8", "backend": "torch"}, "weights is a setting of the native backend"),
        ({"threads": 2, "backend": "torch"}, "threads is a setting of the native backend"),
        ({"dtype": "float32", "backend": "native"}, "dtype is a setting of the torch backend"),
        ({"backend": "tourch"}, "no backend 'tourch'. Did you mean 'torch'"),
        ({"dtype": "bf16"}, "no dtype 'bf16'. Did you mean 'bfloat16'"),
        ({"device": "gpu"}, "device 'gpu' cannot be used"),
    ],
)
def test_what_cannot_be_chosen(folder, options, message):
    with pytest.raises(RequestError, match=message):
        load_model(folder, **options)


def test_a_folder_that_is_no_model(tmp_path):
    with pytest.raises(CheckpointError, match="is empty"):
        load_model(tmp_path)


def test_without_torch_the_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "camelid.generate.torch_backend")
    with pytest.raises(MissingExtraError, match=r"pip install 'camelid\[train\]'"):
        load_model(folder, backend="torch")


def test_a_processor_takes_the_native_engine_and_a_gpu_torch(folder, monkeypatch):
    monkeypatch.setattr(load, "is_built", lambda: True)
    monkeypatch.setattr(load, "_has_gpu", lambda: False)
    assert load._choose_backend(wants_native=False, wants_torch=False) == "native"
    assert load._choose_backend(wants_native=False, wants_torch=True) == "torch"
    monkeypatch.setattr(load, "_has_gpu", lambda: True)
    assert load._choose_backend(wants_native=False, wants_torch=False) == "torch"
    assert load._choose_backend(wants_native=True, wants_torch=False) == "native"


def test_without_a_compiler_at_install_torch_does_the_work(folder, monkeypatch):
    monkeypatch.setattr(load, "is_built", lambda: False)
    config = read_config(folder)
    assert isinstance(load_model(folder), TorchModel)
    assert predict_memory(config)[0] == 4 * config.num_parameters


def test_torch_is_asked_for_a_gpu_only_where_a_driver_is(monkeypatch, tmp_path):
    monkeypatch.setattr(load, "_DRIVERS", (str(tmp_path / "driver"),))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert not load._has_gpu()
    (tmp_path / "driver").touch()
    assert load._has_gpu()
    monkeypatch.setitem(sys.modules, "torch", None)
    assert not load._has_gpu()


@pytest.mark.skipif(not is_built(), reason="the native engine was not built")
def test_the_memory_is_foretold_before_loading(folder):
    model = load_model(folder, backend="native")
    assert (model.weight_bytes, model.cache_bytes) == predict_memory(read_config(folder))
