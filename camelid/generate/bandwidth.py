"""How fast this machine reads its memory, and how much of it a token needs: the measure of decoding.

A model that is larger than the caches is read from memory for every token, so that no engine decodes faster
than bandwidth divided by bytes.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from camelid.model.config import DecoderConfig
from camelid.native.packing import Weights, cache_token_bytes, lay_out


def measure_bandwidth(threads: int, *, num_bytes: int = 512 << 20, runs: int = 7) -> float:
    """Return how many bytes of memory so many threads read per second together: the best of several runs.

    num_bytes: of the buffer, which must be far larger than the caches. Each thread looks for the largest
    number of its own part, which takes less time than fetching them.
    """
    parts = np.array_split(np.ones(num_bytes // 4, np.int32), threads)
    times = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(runs):
            began = time.perf_counter()
            list(pool.map(np.max, parts))
            times.append(time.perf_counter() - began)
    return sum(part.nbytes for part in parts) / min(times)


def bytes_per_token(config: DecoderConfig, weights: Weights, *, positions: float) -> float:
    """Return how many bytes the native engine reads to decode one token after so many positions.

    All weights, but of an embedding that is not tied to the head one row only; and keys and values.
    """
    read = sum(piece.num_bytes for piece in lay_out(config, weights) if piece.type != "rows")
    return read + positions * cache_token_bytes(config, weights)
