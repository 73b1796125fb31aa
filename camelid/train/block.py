"""A decoder's layer as training computes it: the same mathematics as `decoder.Block`, laid out for speed.

Products that read the same input are one product, and on a processor attention goes tile by tile. Worth it
when compiled. Only for whole sequences without a key/value cache.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from camelid.model.decoder import Block, rotate
from camelid.train.attention import MAX_TILES, TILE, attend


def run_block(
    block: Block, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None, past: None = None
) -> Tensor:
    """Return what `block(x, cos, sin, mask)` returns: (B, T, D)."""
    assert past is None, "the training form of a layer has no cache"
    x = x + _attend(block, block.input_layernorm(x), cos, sin, mask)
    return x + _feed_forward(block, block.post_attention_layernorm(x))


def _feed_forward(block: Block, x: Tensor) -> Tensor:
    mlp = block.mlp
    both = F.linear(x, torch.cat((mlp.gate_proj.weight, mlp.up_proj.weight)).to(x.dtype))
    gate, up = both.chunk(2, dim=-1)
    down: Tensor = mlp.down_proj(F.silu(gate) * up)
    return down


def _attend(block: Block, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
    attention = block.self_attn
    heads, groups, width = attention.num_heads, attention.num_kv_heads, attention.head_dim
    batch, time, _ = x.shape
    weights = (attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight)
    joined = F.linear(x, torch.cat(weights).to(x.dtype)).view(batch, time, heads + 2 * groups, width)
    q, k, v = _TurnAndSplit.apply(joined.transpose(1, 2), cos, sin, heads, groups)  # type: ignore[no-untyped-call]
    if time > MAX_TILES * TILE or x.device.type != "cpu":
        k, v = (part.repeat_interleave(heads // groups, dim=1) for part in (k, v))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
    else:
        mixed = attend(q, k, v, mask)
    out: Tensor = attention.o_proj(mixed.transpose(1, 2).reshape(batch, time, heads * width))
    return out


class _TurnAndSplit(torch.autograd.Function):
    """Queries, keys and values out of one product, the first two turned by their positions.

    Turning back is turning by the opposite angle; said by hand, it takes a third of the time of what autograd
    makes of the slices.
    """

    @staticmethod
    def forward(ctx: Any, joined: Tensor, cos: Tensor, sin: Tensor, heads: int, groups: int) -> Any:
        ctx.save_for_backward(cos, sin)
        q, k, v = torch.split(joined, [heads, groups, groups], dim=1)
        return rotate(q, cos, sin), rotate(k, cos, sin), v.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        cos, sin = ctx.saved_tensors
        q, k, v = gradients
        return torch.cat((rotate(q, cos, -sin), rotate(k, cos, -sin), v), dim=1), None, None, None, None
