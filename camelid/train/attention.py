"""Causal attention in training on a processor, tile by tile over the queries.

What lies above the diagonal is never computed, and the scores of a tile stay in the cache, which torch's own
CPU attention lacks. Forward and backward are one operation each, made of torch's products and softmax: the
compiler takes them as they are, and has 16 kernels fewer to build (docs/log.md, 2026-11-23).
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

TILE = 64  # queries per tile
MAX_TILES = 16  # beyond that torch's own attention is the better one


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Return causal attention, (B, H, T, E).

    q (B, H, T, E); k, v (B, K, T, E) with H a multiple of K; mask (B or 1, 1, T, T), added to the scores and
    causal itself, or None.
    """
    batch, heads, time, width = q.shape
    groups = k.shape[1]
    q = (q * (1 / math.sqrt(width))).reshape(batch * groups, heads // groups, time, width)
    k, v = (part.reshape(batch * groups, time, width) for part in (k, v))
    mixed: Tensor = _attend(q, k, v, mask)[0]
    return mixed.view(batch, heads, time, width)


class _Tile:
    """The place of some queries, and of their chances among those of all tiles."""

    def __init__(self, q: Tensor, first: int, last: int, start: int) -> None:
        self.queries, self.keys = slice(first, last), slice(0, last)
        self.shape = q.shape[0], q.shape[1] * (last - first), last
        self.chances = slice(start, start + math.prod(self.shape))

    def of(self, x: Tensor) -> Tensor:
        """Return the tile's rows of x (N, S, T, E): (N, S * rows, E)."""
        return x[:, :, self.queries].flatten(1, 2)


def _tiles(q: Tensor) -> Iterator[_Tile]:
    start = 0
    for first in range(0, q.shape[2], TILE):
        tile = _Tile(q, first, min(first + TILE, q.shape[2]), start)
        start = tile.chances.stop
        yield tile


def _count_chances(q: Tensor) -> int:
    *_, last = _tiles(q)
    return last.chances.stop


@torch.library.custom_op("camelid::attend", mutates_args=())
def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return attention like q (N, S, T, E), with k and v (N, T, E); and the chances of all tiles in a row."""
    mixed, chances = torch.empty_like(q), q.new_empty(_count_chances(q))
    for tile in _tiles(q):
        scores = torch.bmm(tile.of(q), k[:, tile.keys].transpose(1, 2))
        _hide(scores.view(len(q), q.shape[1], -1, scores.shape[2]), mask, tile)
        part = chances[tile.chances].view(tile.shape)
        torch._softmax(scores, -1, False, out=part)
        mixed[:, :, tile.queries] = torch.bmm(part, v[:, tile.keys]).view_as(mixed[:, :, tile.queries])
    return mixed, chances


def _hide(scores: Tensor, mask: Tensor | None, tile: _Tile) -> None:
    """Take from the scores (N, S, rows, keys) what a query may not see."""
    if mask is not None:
        each = mask[:, :, tile.queries, tile.keys]
        scores.view(len(mask), -1, *scores.shape[2:]).add_(each)
        return
    corner = scores[..., tile.queries]  # all before it is seen
    corner += torch.full_like(corner[0, 0], float("-inf")).triu(1)


@_attend.register_fake
def _(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    return torch.empty_like(q), q.new_empty(_count_chances(q))


@torch.library.custom_op("camelid::attend_backward", mutates_args=())
def _attend_backward(
    gradient: Tensor, q: Tensor, k: Tensor, v: Tensor, chances: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of q, k and v."""
    for_q, for_k, for_v = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
    for tile in _tiles(q):
        part, given = chances[tile.chances].view(tile.shape), tile.of(gradient)
        for_v[:, tile.keys].baddbmm_(part.transpose(1, 2), given)
        for_part = torch.bmm(given, v[:, tile.keys].transpose(1, 2))
        for_scores = torch._softmax_backward_data(for_part, part, -1, part.dtype)
        for_q[:, :, tile.queries] = torch.bmm(for_scores, k[:, tile.keys]).view_as(for_q[:, :, tile.queries])
        for_k[:, tile.keys].baddbmm_(for_scores.transpose(1, 2), tile.of(q))
    return for_q, for_k, for_v


@_attend_backward.register_fake
def _(gradient: Tensor, q: Tensor, k: Tensor, v: Tensor, chances: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs[:3], output[1])


def _turn_back(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    return *_attend_backward(gradient.contiguous(), *ctx.saved_tensors), None


_attend.register_autograd(_turn_back, setup_context=_keep)
