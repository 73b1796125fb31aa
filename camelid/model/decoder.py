"""The Llama transformer, once, with the parameter names of `LlamaForCausalLM`.

Legend: B batch, T position, D width, H query heads, K key/value heads, E head width, F feed-forward width,
V vocabulary. Weights may be kept in float32 while the arithmetic runs in `compute_dtype`: each product casts
its weight where it is used, and the cast's gradient returns in the weight's own type, so that an optimizer
only ever sees full-precision parameters. It must not know optimizers, files or sampling.

Sources: Touvron et al. 2023, arXiv:2302.13971; Grattafiori et al. 2024 (Llama 3), arXiv:2407.21783.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from camelid.errors import ContextTooLongError
from camelid.model.config import DecoderConfig
from camelid.model.rope import rope_frequencies


class KeyValueCache:
    """Keys and values of the positions seen so far.

    keys, values: (layers, B, K, max_length, E); length: how many positions are filled.
    """

    def __init__(self, config: DecoderConfig, batch_size: int, max_length: int, like: Tensor) -> None:
        shape = (
            config.num_hidden_layers,
            batch_size,
            config.num_key_value_heads,
            max_length,
            config.head_dim,
        )
        self.keys = torch.zeros(shape, dtype=like.dtype, device=like.device)
        self.values = torch.zeros_like(self.keys)
        self.length = 0
        self.max_length = max_length

    def truncate(self, length: int) -> None:
        """Forget every position from `length` on."""
        self.length = min(self.length, length)


class Embedding(nn.Module):
    """A table of vectors, (V, D)."""

    def __init__(self, num_rows: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_rows, width))

    def forward(self, token_ids: Tensor, dtype: torch.dtype) -> Tensor:
        """Return the rows of `token_ids` in `dtype`: (..., D)."""
        return F.embedding(token_ids, self.weight).to(dtype)


class Linear(nn.Module):
    """A matrix product without bias, its weight (out, in) cast to the input's type where it is used."""

    def __init__(self, num_inputs: int, num_outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_outputs, num_inputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return x·Wᵀ: (..., out)."""
        return F.linear(x, self.weight.to(x.dtype))


class RMSNorm(nn.Module):
    """Root-mean-square normalisation, computed in float32.

    Source: Zhang and Sennrich 2019, arXiv:1910.07467, equation 4.
    """

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Return x scaled to unit mean square and weighted: the shape and type of x."""
        wide = x.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return self.weight.to(x.dtype) * wide.to(x.dtype)


class Attention(nn.Module):
    """Grouped-query attention with rotary positions.

    Source: Ainslie et al. 2023, arXiv:2305.13245; Su et al. 2021, arXiv:2104.09864.
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.num_heads, self.num_kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.head_dim = config.head_dim
        self.q_proj = Linear(config.hidden_size, self.num_heads * self.head_dim)
        self.k_proj = Linear(config.hidden_size, self.num_kv_heads * self.head_dim)
        self.v_proj = Linear(config.hidden_size, self.num_kv_heads * self.head_dim)
        self.o_proj = Linear(self.num_heads * self.head_dim, config.hidden_size)

    def forward(
        self,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        mask: Tensor | None,
        past: tuple[Tensor, Tensor, int] | None = None,
    ) -> Tensor:
        """Return the mixed values, (B, T, D).

        cos, sin: (B or 1, 1, T, E/2); mask: None for plain causal attention, else what is added to scores,
        (B or 1, 1, T, S); past: one layer's keys and values, (B, K, S, E), and how many are filled.
        """
        batch, time, _ = x.shape
        q = self.q_proj(x).view(batch, time, self.num_heads, self.head_dim).transpose(1, 2)
        k = self.k_proj(x).view(batch, time, self.num_kv_heads, self.head_dim).transpose(1, 2)
        v = self.v_proj(x).view(batch, time, self.num_kv_heads, self.head_dim).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if past is not None:
            keys, values, length = past
            keys[:, :, length : length + time], values[:, :, length : length + time] = k, v
            k, v = keys[:, :, : length + time], values[:, :, : length + time]
        if self.num_kv_heads != self.num_heads:
            group = self.num_heads // self.num_kv_heads
            k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None and time > 1)
        out: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(batch, time, self.num_heads * self.head_dim))
        return out


class FeedForward(nn.Module):
    """SwiGLU. Source: Shazeer 2020, arXiv:2002.05202, equation 6."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.gate_proj = Linear(config.hidden_size, config.intermediate_size)
        self.up_proj = Linear(config.hidden_size, config.intermediate_size)
        self.down_proj = Linear(config.intermediate_size, config.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """Return down(silu(gate x) · up x): (B, T, D)."""
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Block(nn.Module):
    """One layer: attention, then feed-forward, each behind a norm and beside a residual."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = FeedForward(config)

    def forward(
        self,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        mask: Tensor | None,
        past: tuple[Tensor, Tensor, int] | None = None,
    ) -> Tensor:
        """Return the layer's output: the shape of x, (B, T, D)."""
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask, past)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Trunk(nn.Module):
    """What `LlamaForCausalLM` calls `model`: embeddings, layers, final norm."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.embed_tokens = Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)


class Decoder(nn.Module):
    """A Llama. Call it for logits; call `hidden` for what comes before the head."""

    rope_frequencies: Tensor

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.compute_dtype = torch.float32
        self.model = Trunk(config)
        if not config.tie_word_embeddings:
            self.lm_head = Linear(config.hidden_size, config.vocab_size)
        frequencies = torch.from_numpy(rope_frequencies(config))
        self.register_buffer("rope_frequencies", frequencies, persistent=False)
        self.run_block: Callable[..., Tensor] = plain_block

    @property
    def head_weight(self) -> Tensor:
        """Return the head's weight, (V, D); with a tied head it is the embedding's."""
        return self.model.embed_tokens.weight if self.config.tie_word_embeddings else self.lm_head.weight

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the weights: normal with `initializer_range`, and zero where a layer writes to the residual.

        Zero output projections make every layer the identity at first, so that depth costs no stability.
        Source: Zhang, Dauphin, Ma 2019 (Fixup), arXiv:1901.09321, section 3 (a branch's last layer is zero).
        """
        for name, weight in self.named_parameters():
            if name.endswith("norm.weight"):
                nn.init.ones_(weight)
            elif name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.zeros_(weight)
            else:
                nn.init.normal_(weight, std=self.config.initializer_range, generator=generator)

    def hidden(
        self,
        token_ids: Tensor,
        positions: Tensor | None = None,
        segments: Tensor | None = None,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Return the states after the final norm, (B, T, D), in the compute type.

        token_ids: (B, T). positions: (B, T), default counts on from the cache. segments: (B, T), positive
        numbers that name the record a position belongs to; no position looks into another record.
        cache: filled with the new positions, and read; it knows no segments, so only one of the two is given.

        Raises ContextTooLongError when the cache has no room.
        """
        assert segments is None or cache is None, "segments are for training; in a cache a row is one record"
        time = token_ids.shape[1]
        start = cache.length if cache is not None else 0
        if cache is not None and start + time > cache.max_length:
            raise ContextTooLongError(
                f"{start + time} tokens do not fit in a cache of {cache.max_length}. "
                "Shorten the prompt or max_tokens."
            )
        if positions is None:
            positions = torch.arange(start, start + time, device=token_ids.device).unsqueeze(0)
        cos, sin = rope_tables(self.rope_frequencies, positions, self.compute_dtype)
        mask = attention_mask(time, start, segments, cos)
        x = self.model.embed_tokens(token_ids, self.compute_dtype)
        for index, block in enumerate(self.model.layers):
            past = (cache.keys[index], cache.values[index], start) if cache is not None else None
            x = self.run_block(block, x, cos, sin, mask, past)
        if cache is not None:
            cache.length = start + time
        states: Tensor = self.model.norm(x)
        return states

    def forward(
        self,
        token_ids: Tensor,
        positions: Tensor | None = None,
        segments: Tensor | None = None,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Return the logits, (B, T, V), in the compute type; arguments as for `hidden`."""
        return self.project(self.hidden(token_ids, positions, segments, cache))

    def project(self, hidden: Tensor) -> Tensor:
        """Return the head's logits of hidden states: (..., D) to (..., V)."""
        return F.linear(hidden, self.head_weight.to(hidden.dtype))

    def new_cache(self, batch_size: int, max_length: int) -> KeyValueCache:
        """Return an empty cache with room for `max_length` positions."""
        like = torch.empty(0, dtype=self.compute_dtype, device=self.head_weight.device)
        return KeyValueCache(self.config, batch_size, max_length, like)


def plain_block(block: Block, *arguments: object) -> Tensor:
    """Return what `block(*arguments)` returns; a training loop puts a faster form in its place."""
    return block(*arguments)  # type: ignore[no-any-return]


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return x turned by its position: x (B, H, T, E); cos, sin (B or 1, 1, T, E/2)."""
    left, right = x.chunk(2, dim=-1)
    return torch.cat((left * cos - right * sin, right * cos + left * sin), dim=-1)


def rope_tables(frequencies: Tensor, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return cosines and sines of positions (B, T), each (B, 1, T, E/2)."""
    angles = positions.float()[:, None, :, None] * frequencies
    return angles.cos().to(dtype), angles.sin().to(dtype)


def attention_mask(time: int, start: int, segments: Tensor | None, like: Tensor) -> Tensor | None:
    """Return what is added to scores: 0 where a position may look, else -inf; None for plain causal.

    The result is (B or 1, 1, T, S), of the type and on the device of `like`. Numbers rather than truth
    values: adding them is twice as fast in a compiled softmax as choosing by them (docs/log.md, 2026-11-23).
    """
    if segments is None and (start == 0 or time == 1):
        return None
    causal = torch.ones(time, start + time, dtype=torch.bool, device=like.device).tril(diagonal=start)
    seen = causal[None] if segments is None else causal & (segments.unsqueeze(2) == segments.unsqueeze(1))
    return torch.zeros_like(seen, dtype=like.dtype).masked_fill_(~seen, float("-inf")).unsqueeze(1)
