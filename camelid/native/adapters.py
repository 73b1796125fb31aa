"""An adapter into what the native step reads: its matrices in float32, packed like any others."""

import numpy as np
from numpy.typing import NDArray

from camelid.errors import CheckpointError
from camelid.model.adapter import PRODUCTS, Adapter, Floats, find_changes
from camelid.model.config import DecoderConfig
from camelid.native import _native
from camelid.native.packing import TYPES

_TYPE = TYPES["f32"]
_ORDER = tuple(PRODUCTS)  # of the products, as model.h has them


def bind_adapter(adapter: Adapter, config: DecoderConfig, *, threads: int) -> "_native.Adapter":
    """Return an adapter for the native step; it must fit the model of that config.

    Raises CheckpointError when its numbers are too large.
    """
    changes = []
    for change in find_changes(adapter, config):
        b = [change.b]
        if change.product == "gate_up":  # their panels alternate, as the weights' do
            b = [change.b[: config.intermediate_size], change.b[config.intermediate_size :]]
        packed = _pack([change.a], threads), _pack(b, threads)
        changes.append((change.layer, _ORDER.index(change.product), *packed))
    return _native.Adapter(config.num_hidden_layers, changes)


def _pack(sources: list[Floats], threads: int) -> "_native.Matrix":
    """Return matrices as one; of several the panels alternate."""
    in_turn = len(sources) > 1
    rows = [
        -(-len(source) // _native.LANES) * _native.LANES if in_turn else len(source) for source in sources
    ]
    outputs, inputs = sum(rows), sources[0].shape[1]
    room: NDArray[np.uint8] = np.zeros(_native.packed_bytes(_TYPE, outputs, inputs, 0), np.uint8)
    grids = [np.ascontiguousarray(source) for source in sources]
    if not _native.pack(grids, False, in_turn, _TYPE, 0, room, threads):
        raise CheckpointError("An adapter's numbers times its scale are infinite. Train it anew.")
    return _native.Matrix(_TYPE, outputs, inputs, 0, room)
