"""Damaged folders are refused or read, and never more than that: the process lives on."""

import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import make_decoder, make_tokenizer

from camelid.errors import CamelidError
from camelid.model.checkpoint import save_model_folder
from camelid.native import is_built

if not is_built():
    pytest.skip("the native engine was not built: no C++ compiler at install", allow_module_level=True)

from camelid.generate.native_backend import NativeModel


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "model"
    save_model_folder(folder, make_decoder(), make_tokenizer())
    return folder


def try_folder(folder):
    """Load and ask; anything but an error of the family is a failure, a crash above all."""
    try:
        model = NativeModel(folder, weights="int8", threads=1, cache_tokens=64)
        assert len(list(model.generate([1, 2, 3], max_tokens=2))) == 2
    except CamelidError as error:
        assert str(error)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8), st.floats(0, 1))
@settings(max_examples=120, deadline=None, derandomize=True)
def test_bytes_of_the_weights_file_that_changed(whole, tmp_path_factory, changes, kept):
    folder = tmp_path_factory.mktemp("damaged")
    shutil.copy(whole / "config.json", folder)
    raw = bytearray((whole / "model.safetensors").read_bytes())
    header = 8 + int.from_bytes(raw[:8], "little")
    for place, value in changes:  # in the header, where it hurts
        raw[int(place * (header - 1))] = value
    cut = len(raw) if kept > 0.5 else int(2 * kept * len(raw))
    (folder / "model.safetensors").write_bytes(raw[:cut])
    try_folder(folder)


NUMBERS = st.one_of(
    st.integers(-(2**31), 2**31), st.integers(0, 64), st.floats(), st.none(), st.just("8"), st.just([8])
)


FIELDS = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"),
    *("head_dim", "vocab_size", "max_position_embeddings", "rms_norm_eps", "rope_theta"),
)


@given(st.dictionaries(st.sampled_from(FIELDS), NUMBERS, min_size=1))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_numbers_of_the_config_that_changed(whole, tmp_path_factory, changes):
    folder = tmp_path_factory.mktemp("changed")
    shutil.copy(whole / "model.safetensors", folder)
    config = json.loads((whole / "config.json").read_text())
    config.pop("rope_parameters", None)
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    try_folder(folder)
