"""How fast each pair of dimensions turns with the position: rotary embeddings, scaled for long contexts."""

import math

import numpy as np
from numpy.typing import NDArray

from camelid.model.config import DecoderConfig


def rope_frequencies(config: DecoderConfig) -> NDArray[np.float32]:
    """Return the angle per position of each pair of dimensions, (E/2,), float32.

    Source: Su et al. 2021, arXiv:2104.09864, section 3.2.2; the scaling of Llama 3.1: Grattafiori et al.
    2024, arXiv:2407.21783, and the model's own config (long waves are stretched by `factor`, short ones are
    left, the band between is blended); linear: Chen et al. 2023, arXiv:2306.15595, equation 4.
    """
    exponents = np.arange(0, config.head_dim, 2, dtype=np.float32) / np.float32(config.head_dim)
    frequencies: NDArray[np.float32] = np.float32(1) / (np.float32(config.rope_theta) ** exponents)
    scaling = config.rope_scaling
    if scaling is None:
        return frequencies
    factor = np.float32(scaling["factor"])
    if scaling["rope_type"] == "linear":
        return frequencies / factor
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    turns = np.float32(scaling["original_max_position_embeddings"] / (2 * math.pi)) * frequencies
    share = np.clip((turns - low) / (high - low), 0, 1).astype(np.float32)
    blended: NDArray[np.float32] = frequencies * (share + (1 - share) / factor)
    return blended
