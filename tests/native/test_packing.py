"""Packed weights: as near to the given ones as their type allows, and never half of a file."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import make_decoder, make_tokenizer

from camelid.errors import CheckpointError
from camelid.model.checkpoint import load_decoder, save_model_folder
from camelid.model.folder import read_config
from camelid.native import is_built, isas

if not is_built():
    pytest.skip("the native engine was not built: no C++ compiler at install", allow_module_level=True)

from camelid.native import _native, packing
from camelid.native.packing import TYPES, lay_out, load_packed, packed_bytes

ALL = ("f32", "bf16", "int8", "int4")


def pack(matrix, weights, group, *, half=False):
    outputs, inputs = matrix.shape
    out = np.zeros(_native.packed_bytes(TYPES[weights], outputs, inputs, group), np.uint8)
    whole = _native.pack([matrix], half, False, TYPES[weights], group, out, 2)
    return _native.Matrix(TYPES[weights], outputs, inputs, group, out), whole


def by_groups(matrix, group):
    """Return the matrix as (outputs, groups, group), its end filled up with zeros."""
    padded = np.pad(matrix, ((0, 0), (0, -matrix.shape[1] % group)))
    return padded.reshape(len(matrix), -1, group)


shapes = st.tuples(st.integers(1, 40), st.integers(1, 150), st.integers(0, 2**32 - 1))


@given(shapes, st.sampled_from([32, 64]), st.sampled_from(["int8", "int4"]))
@settings(max_examples=60, deadline=None)
def test_a_quantized_weight_is_off_by_half_a_step_at_most(shape, group, weights):
    outputs, inputs, seed = shape
    matrix = np.random.default_rng(seed).standard_normal((outputs, inputs), np.float32)
    packed, whole = pack(matrix, weights, group)
    assert whole
    error = np.abs(by_groups(packed.unpack("plain"), group) - by_groups(matrix, group)).max(-1)
    largest = np.abs(by_groups(matrix, group)).max(-1)
    # int8: half a step of largest/127, and the scale's own rounding to float16. int4: among the scales tried
    # is the plain one, whose largest error is a whole step of largest/8; the least squares may trade some.
    step = largest / 127 * (0.5 + 127 * 2**-11) if weights == "int8" else largest / 4
    least = 127 * 2**-25  # half of float16's smallest step, where a scale is small
    assert (error <= step + 1.1 * least).all()


@given(shapes)
@settings(max_examples=30, deadline=None)
def test_floats_stay_and_bfloat16s_are_the_nearest(shape):
    outputs, inputs, seed = shape
    matrix = np.random.default_rng(seed).standard_normal((outputs, inputs), np.float32)
    assert np.array_equal(pack(matrix, "f32", 0)[0].unpack("plain"), matrix)
    nearest = torch.from_numpy(matrix).bfloat16().float().numpy()
    assert np.array_equal(pack(matrix, "bf16", 0)[0].unpack("plain"), nearest)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_every_type_on_disk_is_read(tmp_path, kind):
    folder = tmp_path / "model"
    save_model_folder(folder, make_decoder(), make_tokenizer(), dtype=kind)
    decoder = load_decoder(folder)
    block = load_packed(folder, "f32", threads=1)
    piece = lay_out(decoder.config, "f32")[1]
    part = block[piece.offset : piece.offset + piece.num_bytes]
    matrix = _native.Matrix(TYPES["f32"], piece.outputs, piece.inputs, 0, part)
    expected = decoder.model.layers[0].self_attn.o_proj.weight.detach()
    assert np.array_equal(matrix.unpack("plain"), expected.numpy())


def test_int4_errs_less_than_the_plain_scale():
    matrix = np.random.default_rng(0).standard_normal((64, 256), np.float32)
    groups = by_groups(matrix, 32)
    at = np.abs(groups).argmax(-1, keepdims=True)
    scale = np.take_along_axis(groups, at, -1) / -8
    plain = np.clip(np.round(groups / scale), -8, 7) * scale
    found = by_groups(pack(matrix, "int4", 32)[0].unpack("plain"), 32)
    assert ((found - groups) ** 2).mean() < 0.9 * ((plain - groups) ** 2).mean()


@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_unpacking_is_the_same_on_every_instruction_set(weights):
    matrix = np.random.default_rng(1).standard_normal((33, 70), np.float32)
    packed, _ = pack(matrix, weights, 32)
    assert all(np.array_equal(packed.unpack(isa), packed.unpack("plain")) for isa in isas())


@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.parametrize("weights", ALL)
def test_weights_that_are_no_numbers_are_an_error(tmp_path, number, weights):
    decoder = make_decoder()
    decoder.model.layers[1].mlp.up_proj.weight[3, 5] = number
    save_model_folder(tmp_path / "model", decoder, make_tokenizer())
    with pytest.raises(CheckpointError, match="damaged"):
        load_packed(tmp_path / "model", weights, threads=2)


@pytest.mark.parametrize("weights", ALL)
def test_the_size_is_known_before_loading(tmp_path, weights):
    save_model_folder(tmp_path / "model", make_decoder(tie_word_embeddings=False), make_tokenizer())
    config = read_config(tmp_path / "model")
    assert len(load_packed(tmp_path / "model", weights, threads=1)) == packed_bytes(config, weights)


class TestKeptBlocks:
    @pytest.fixture
    def folder(self, tmp_path, monkeypatch):
        monkeypatch.setattr(packing, "KEPT_FROM_BYTES", 0)
        save_model_folder(tmp_path / "model", make_decoder(), make_tokenizer())
        return tmp_path / "model"

    def test_the_second_time_it_is_mapped(self, folder, monkeypatch):
        first = load_packed(folder, "int8", threads=1).copy()
        monkeypatch.setattr(packing, "fill", None)  # packing anew would fail
        assert np.array_equal(load_packed(folder, "int8", threads=1), first)

    def test_other_weights_are_packed_anew(self, folder):
        first = load_packed(folder, "int8", threads=1).copy()
        save_model_folder(folder, make_decoder(seed=4), make_tokenizer())
        assert not np.array_equal(load_packed(folder, "int8", threads=1), first)

    def test_a_half_written_file_is_packed_anew(self, folder):
        first = load_packed(folder, "int8", threads=1).copy()
        kept = folder / packing.KEPT_FOLDER / "int8.packed"
        kept.write_bytes(kept.read_bytes()[:-100])
        assert np.array_equal(load_packed(folder, "int8", threads=1), first)

    def test_where_no_file_can_be_written_memory_serves(self, folder):
        (folder / packing.KEPT_FOLDER).write_text("a file in the folder's place")
        assert len(load_packed(folder, "int8", threads=1))

    def test_a_failure_leaves_no_file(self, folder, monkeypatch):
        def fail(*_, **__):
            raise CheckpointError("no")

        monkeypatch.setattr(packing, "fill", fail)
        with pytest.raises(CheckpointError):
            load_packed(folder, "int8", threads=1)
        assert not list((folder / packing.KEPT_FOLDER).iterdir())
