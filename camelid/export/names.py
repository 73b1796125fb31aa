"""What llama.cpp calls a Llama's tensors, and the order in which it keeps the rows of queries and keys.

Rotary positions turn pairs of a head's numbers: neighbours in llama.cpp and in Meta's own code, a number of
the first half with one of the second in Hugging Face's. Source: llama.cpp's convert_hf_to_gguf.py and
gguf-py/gguf/tensor_mapping.py.
"""

from typing import Any

from numpy.typing import NDArray

from camelid.model.tensors import EMBEDDING, FINAL_NORM, HEAD

ROPE_FACTORS = "rope_freqs.weight"  # by how much each pair of numbers turns more slowly, as in Llama 3.1
_OUTSIDE = {EMBEDDING: "token_embd.weight", FINAL_NORM: "output_norm.weight", HEAD: "output.weight"}
_INSIDE = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def gguf_name(name: str) -> str:
    """Return what llama.cpp calls a tensor of a model folder."""
    if name in _OUTSIDE:
        return _OUTSIDE[name]
    _, _, index, inner = name.removesuffix(".weight").split(".", 3)
    return f"blk.{index}.{_INSIDE[inner]}.weight"


def turned_heads(name: str, queries: int, keys: int) -> int:
    """Return in how many heads the rows of a tensor are ordered by position; 0 for most."""
    if name.endswith("self_attn.q_proj.weight"):
        return queries
    return keys if name.endswith("self_attn.k_proj.weight") else 0


def as_neighbours(weight: NDArray[Any], heads: int) -> NDArray[Any]:
    """Return rows in llama.cpp's order, of rows in Hugging Face's; (heads · E, D)."""
    return _swapped(weight, heads, halves_first=True)


def as_halves(weight: NDArray[Any], heads: int) -> NDArray[Any]:
    """Return rows in Hugging Face's order, of rows in llama.cpp's; (heads · E, D)."""
    return _swapped(weight, heads, halves_first=False)


def _swapped(weight: NDArray[Any], heads: int, *, halves_first: bool) -> NDArray[Any]:
    rows, *rest = weight.shape
    half = rows // heads // 2
    parts = weight.reshape(heads, *((2, half) if halves_first else (half, 2)), *rest)
    return parts.swapaxes(1, 2).reshape(weight.shape)
