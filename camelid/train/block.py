"""A decoder's layer as training computes it: the same mathematics as `decoder.Block`, laid out for speed.

Products that read the same input are one product, and attention goes tile by tile over the queries, so that
what lies above the diagonal is never computed and the scores of a tile stay in the cache. Worth it when
compiled: the fused form of a tile is what torch's own CPU attention lacks (docs/log.md, 2026-11-23).
Only for whole sequences without a key/value cache.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from camelid.model.decoder import Block, rotate

TILE = 64  # queries per tile
MAX_TILES = 16  # beyond that torch's own attention is the better one, and compiling takes too long


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
    tiles = -(-time // TILE)
    if tiles > MAX_TILES:
        k, v = (part.repeat_interleave(heads // groups, dim=1) for part in (k, v))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
    else:
        mixed = _attend_by_tiles(q, k, v, mask)
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


def _attend_by_tiles(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Return causal attention: q (B, H, T, E); k, v (B, K, T, E); mask (B or 1, 1, T, T) or None."""
    batch, heads, time, width = q.shape
    groups = k.shape[1]
    share = heads // groups
    q = (q * (1 / math.sqrt(width))).reshape(batch * groups, share, time, width)
    k, v = (part.reshape(batch * groups, time, width) for part in (k, v))
    if mask is None:
        mask = torch.full((1, 1, time, time), float("-inf"), dtype=q.dtype, device=q.device).triu(1)
    parts = []
    for first in range(0, time, TILE):
        last = min(first + TILE, time)
        queries = q[:, :, first:last].reshape(batch * groups, share * (last - first), width)
        scores = torch.bmm(queries, k[:, :last].transpose(1, 2)).view(
            batch, groups, share, last - first, last
        )
        masked = scores.float() + mask[:, :, None, first:last, :last].float()
        chances = torch.softmax(masked, dim=-1).to(q.dtype)
        parts.append(
            torch.bmm(chances.view(batch * groups, -1, last), v[:, :last]).view(
                batch * groups, share, last - first, width
            )
        )
    return torch.cat(parts, dim=2).view(batch, heads, time, width)
