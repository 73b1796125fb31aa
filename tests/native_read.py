"""A model folder into a native model, and its logits, cut as a test likes."""

import numpy as np

from camelid.native import _native
from camelid.native.loading import bind
from camelid.native.packing import fill, packed_bytes

ALL = ("f32", "bf16", "int8", "int4")


def load(folder, config, weights, isa="plain", threads=1):
    block = np.zeros(packed_bytes(config, weights) + 64, np.uint8)
    begin = -block.ctypes.data % 64
    block = block[begin : begin + packed_bytes(config, weights)]
    fill(block, folder, config, weights, threads=1)
    return bind(config, weights, block, isa=isa, threads=threads), block


def read(model, config, token_ids, cuts=(), words=False, adapter=None):
    """Return the logits after each token, the tokens read in slices of those sizes."""
    blocks = -(-config.max_position_embeddings // _native.BLOCK)
    cache = model.new_cache(blocks + 2, words)
    sequence = _native.Sequence(token_ids, _native.Sampling())
    sequence.blocks = [blocks + 1 - index for index in range(blocks)]
    if adapter:
        sequence.use(adapter)
    parts = []
    for count in (*cuts, len(token_ids) - sum(cuts)):
        part = np.zeros((count, config.vocab_size), np.float32)
        model.logits(cache, sequence, count, part)
        parts.append(part)
    return np.concatenate(parts)


def some_tokens(config, count, seed=0):
    return np.random.default_rng(seed).integers(0, config.vocab_size, count).tolist()
