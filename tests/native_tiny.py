"""A native model small enough to be made in a moment: random weights, without torch or files."""

import numpy as np

from camelid.native import _native

VOCABULARY, CONTEXT = 96, 400
SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": CONTEXT,
    "rms_norm_eps": 1e-5,
}
_GROUPS = (0, 0, 32, 32)


def make_native(*, type_=0, threads=1, seed=1, last_norm=1.0, **fields):
    """Return a random native model; type_: 0 f32, 1 bf16, 2 int8, 3 int4."""
    shape = {**SHAPE, **fields}
    random = np.random.default_rng(seed)
    width, wide, head_dim = shape["hidden_size"], shape["intermediate_size"], shape["head_dim"]
    queries, keys = shape["num_attention_heads"] * head_dim, shape["num_key_value_heads"] * head_dim

    def draw(outputs, inputs):
        return random.normal(0, 0.35, (outputs, inputs)).astype(np.float32)

    def pack(*sources, in_turn=False):
        outputs, inputs = sum(len(source) for source in sources), sources[0].shape[1]
        group = _GROUPS[type_]
        room = np.zeros(_native.packed_bytes(type_, outputs, inputs, group), np.uint8)
        assert _native.pack(list(sources), False, in_turn, type_, group, room, 1)
        return _native.Matrix(type_, outputs, inputs, group, room)

    matrices, norms = [], []
    for _ in range(shape["num_hidden_layers"]):
        matrices += [
            pack(draw(queries, width), draw(keys, width), draw(keys, width)),
            pack(draw(width, queries)),
            pack(draw(wide, width), draw(wide, width), in_turn=True),
            pack(draw(width, wide)),
        ]
        norms += [np.ones(width, np.float32)] * 2
    matrices.append(pack(draw(shape["vocab_size"], width)))
    frequencies = (10_000.0 ** -(np.arange(0, head_dim, 2) / head_dim)).astype(np.float32)
    norms.append(np.full(width, last_norm, np.float32))
    return _native.Model(shape, frequencies, matrices, norms, None, _native.isas()[0], threads)
