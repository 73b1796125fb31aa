"""The numbers that make a Llama, under the names that Hugging Face's `LlamaConfig` gives them.

`DecoderConfig` is what `config.json` holds; `shape_from_depth` turns one dial into all the others.
It must not know torch: `camelid info` reads a config without loading anything.
"""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

from camelid.errors import CheckpointError, RecipeError
from camelid.recipe import fill

ARCHITECTURE = "LlamaForCausalLM"
HEAD_WIDTH = 64  # wide enough that a head can hold a position and a content; what most small Llamas use


@dataclass(frozen=True)
class DecoderConfig:
    """The shape of one decoder.

    rope_scaling: None, or {"rope_type": "linear", "factor"}, or, as Llama 3.1 and later have it,
        {"rope_type": "llama3", "factor", "low_freq_factor", "high_freq_factor",
        "original_max_position_embeddings"}.

    Raises RecipeError (a ValueError) when the numbers cannot belong to one decoder.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int = 0
    max_position_embeddings: int = 512
    rms_norm_eps: float = 1e-5
    rope_theta: float = 10_000.0
    rope_scaling: dict[str, Any] | None = None
    tie_word_embeddings: bool = True
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    pad_token_id: int | None = None
    initializer_range: float = 0.02
    extra: dict[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        for name in ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
                     "num_attention_heads", "num_key_value_heads", "max_position_embeddings"):  # fmt: skip
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise RecipeError(f"{name} must be a whole number above 0; found {value!r}.")
        for name in ("rms_norm_eps", "rope_theta"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise RecipeError(f"{name} must be a number above 0; found {value!r}.")
        if self.num_attention_heads % self.num_key_value_heads:
            raise RecipeError(
                "num_key_value_heads must divide num_attention_heads; found num_attention_heads="
                f"{self.num_attention_heads}, num_key_value_heads={self.num_key_value_heads}. "
                f"Use {_divisors(self.num_attention_heads)}."
            )
        if self.hidden_size % self.num_attention_heads:  # transformers refuses it whatever head_dim is
            raise RecipeError(
                f"num_attention_heads must divide hidden_size; found hidden_size={self.hidden_size}, "
                f"num_attention_heads={self.num_attention_heads}. "
                f"Use {_fitting_heads(self.hidden_size, self.num_attention_heads)}."
            )
        if not self.head_dim:
            object.__setattr__(self, "head_dim", self.hidden_size // self.num_attention_heads)
        if self.head_dim % 2:
            raise RecipeError(f"head_dim must be even for rotary positions; found head_dim={self.head_dim}.")
        _check_rope_scaling(self.rope_scaling)

    @property
    def num_parameters(self) -> int:
        """Return how many numbers the decoder holds; a tied head counts once."""
        tables = 1 if self.tie_word_embeddings else 2
        norms = (2 * self.num_hidden_layers + 1) * self.hidden_size
        return tables * self.vocab_size * self.hidden_size + self.num_hidden_layers * self._matrices() + norms

    @property
    def num_matrix_parameters(self) -> int:
        """Return how many parameters take part in a matrix product per token: layers and head."""
        return self.vocab_size * self.hidden_size + self.num_hidden_layers * self._matrices()

    def training_flops_per_token(self, context: int) -> float:
        """Return the floating-point operations of one training step per token.

        6 per matrix parameter, and 6·H·E·T per layer for causal attention (half of 12, as half is masked).
        Source: Chowdhery et al. 2022 (PaLM), arXiv:2204.02311, appendix B.
        Differs: the masked half of attention is not counted.
        """
        attention = 6 * self.num_hidden_layers * self.num_attention_heads * self.head_dim * context
        return 6.0 * self.num_matrix_parameters + attention

    def cache_bytes_per_token(self, bytes_per_number: int) -> int:
        """Return what one position costs in the key/value cache, in bytes."""
        return 2 * self.num_hidden_layers * self.num_key_value_heads * self.head_dim * bytes_per_number

    def _matrices(self) -> int:
        attention = (
            self.hidden_size * self.head_dim * 2 * (self.num_attention_heads + self.num_key_value_heads)
        )
        return attention + 3 * self.hidden_size * self.intermediate_size

    def to_dict(self) -> dict[str, Any]:
        """Return what goes into `config.json`, in the form that `transformers` writes."""
        values = dataclasses.asdict(self)
        extra = values.pop("extra")
        values["rope_parameters"] = {
            "rope_type": "default",
            **(self.rope_scaling or {}),
            "rope_theta": self.rope_theta,
        }
        fixed = {
            "architectures": [ARCHITECTURE], "model_type": "llama", "hidden_act": "silu",
            "attention_bias": False, "mlp_bias": False, "attention_dropout": 0.0, "use_cache": True,
        }  # fmt: skip
        return {**fixed, **values, **extra}

    @classmethod
    def from_dict(cls, table: dict[str, Any], where: str = "config.json") -> "DecoderConfig":
        """Return the config that a `config.json` of the Llama architecture describes.

        Raises CheckpointError naming the architecture or the field that is something else than a Llama's.
        """
        _refuse_strangers(table, where)
        names = {spec.name for spec in dataclasses.fields(cls)} - {"extra", "rope_scaling"}
        values = {name: table[name] for name in names if table.get(name) is not None}
        values = {**values, **_read_rope(table, where)}
        values.setdefault("num_key_value_heads", values.get("num_attention_heads"))
        values.setdefault("rms_norm_eps", 1e-6)
        values.setdefault("tie_word_embeddings", False)
        missing = [spec.name for spec in dataclasses.fields(cls)
                   if spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING
                   and values.get(spec.name) is None]  # fmt: skip
        if missing:
            raise CheckpointError(f"{where} lacks {', '.join(missing)}; it is not a whole Llama config.")
        try:
            return fill(cls, values)
        except RecipeError as error:
            raise CheckpointError(f"{where}: {error}") from None


def shape_from_depth(
    depth: int,
    *,
    vocab_size: int,
    context: int,
    hidden_size: int = 0,
    width_per_layer: int = 32,
    **fields: Any,
) -> DecoderConfig:
    """Return the decoder that one dial, the depth, asks for.

    hidden_size: the width, when a sibling fixes it (the Alpaca has the Llama's); 0 lets the depth set it.
    width_per_layer: the width that each layer adds.

    The laws: width is 32 per layer, rounded up to whole pairs of heads (deep and thin: Liu et al. 2024,
    MobileLLM, arXiv:2402.14905, section 2.2.1 finds depth ahead of width below 1B parameters; small Llamas
    that were published lie between 19 and 64); heads are 64 wide; every two query heads share one key/value
    head (Ainslie et al. 2023, arXiv:2305.13245); the feed-forward width is 8/3 of the width, so that three
    matrices cost what two of 4 would (Shazeer 2020, arXiv:2002.05202, section 2), rounded to 64; the head
    is tied to the embedding (MobileLLM, section 2.2.2).
    """
    if depth < 1:
        raise RecipeError(f"depth must be at least 1; found {depth}.")
    width = hidden_size or _round_up(width_per_layer * depth, 2 * HEAD_WIDTH)
    head_dim = HEAD_WIDTH if width % HEAD_WIDTH == 0 else math.gcd(width, HEAD_WIDTH)
    num_heads = fields.get("num_attention_heads") or width // head_dim
    shape = {
        "hidden_size": width,
        "intermediate_size": _round_up(math.ceil(width * 8 / 3), 64),
        "num_hidden_layers": depth,
        "num_attention_heads": num_heads,
        "num_key_value_heads": num_heads // 2 if num_heads % 2 == 0 else num_heads,
    }
    given = {name: value for name, value in fields.items() if value}
    return DecoderConfig(vocab_size=vocab_size, max_position_embeddings=context, **{**shape, **given})


def _round_up(number: int, step: int) -> int:
    return -(-number // step) * step


def _fitting_heads(width: int, wished: int) -> str:
    """Return the numbers of heads, of even width, next below and next above the one wished for."""
    fitting = [count for count in range(1, width // 2 + 1) if width % (2 * count) == 0]
    near = [*[count for count in fitting if count < wished][-1:], *[n for n in fitting if n > wished][:1]]
    return " or ".join(map(str, near)) or "an even hidden_size"


def _divisors(number: int) -> str:
    return ", ".join(str(n) for n in range(1, number + 1) if number % n == 0)


_ROPE_FIELDS = {
    "llama3": ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"),
    "linear": ("factor",),
}


def _read_rope(table: dict[str, Any], where: str) -> dict[str, Any]:
    """Return rope_theta, rope_scaling and max_position_embeddings as a `config.json` gives them.

    Old files have `rope_scaling`, and theta beside it; new ones `rope_parameters`, theta inside.
    """
    rope = table.get("rope_scaling") or table.get("rope_parameters") or {}
    if not isinstance(rope, dict):
        raise CheckpointError(f"{where}: rope_scaling must be a table; found {rope!r}.")
    if (share := rope.get("partial_rotary_factor", table.get("partial_rotary_factor"))) not in (None, 1):
        raise CheckpointError(
            f"{where} sets partial_rotary_factor={share!r}; camelid turns whole heads only."
        )
    inside = rope.get("rope_theta") or (table.get("rope_parameters") or {}).get("rope_theta")
    context = table.get("max_position_embeddings") or 2048
    kind = rope.get("rope_type", rope.get("type")) or "default"
    scaling = {key: value for key, value in rope.items() if key not in ("rope_type", "type", "rope_theta")}
    if kind == "llama3":
        scaling.setdefault("original_max_position_embeddings", context)
    theta = inside or table.get("rope_theta") or 10_000.0
    values = {"rope_theta": theta, "max_position_embeddings": context}
    return values if kind == "default" else {**values, "rope_scaling": {"rope_type": kind, **scaling}}


def _check_rope_scaling(scaling: dict[str, Any] | None) -> None:
    if scaling is None:
        return
    kind = scaling.get("rope_type")
    if kind not in _ROPE_FIELDS:
        raise RecipeError(
            f"rope_scaling must be of type llama3 or linear; found {kind!r}. Others are not built."
        )
    for name in _ROPE_FIELDS[kind]:
        if not isinstance(scaling.get(name), int | float) or scaling[name] <= 0:
            raise RecipeError(
                f"rope_scaling[{name!r}] must be a number above 0; found {scaling.get(name)!r}."
            )
    if kind == "llama3" and scaling["low_freq_factor"] >= scaling["high_freq_factor"]:
        raise RecipeError(
            "rope_scaling['low_freq_factor'] must be below ['high_freq_factor']; found "
            f"{scaling['low_freq_factor']} and {scaling['high_freq_factor']}."
        )


def _refuse_strangers(table: dict[str, Any], where: str) -> None:
    """Raise CheckpointError when a field says that this is no Llama, naming it."""
    kind = table.get("model_type", "llama")
    architectures = table.get("architectures") or []
    named = architectures[0] if isinstance(architectures, list) and architectures else kind
    if kind != "llama":
        raise CheckpointError(
            f"{where} describes a {named} (model_type {kind!r}); camelid reads {ARCHITECTURE} only. "
            "Models that are Llamas by another name must first be saved under model_type 'llama'."
        )
    if str(named).lower() not in (kind, ARCHITECTURE.lower()):  # early Llamas were spelt LLaMA
        raise CheckpointError(
            f"{where} describes a {named}; camelid reads {ARCHITECTURE} only, as saved by "
            "AutoModelForCausalLM."
        )
    for name, plain in (("attention_bias", False), ("mlp_bias", False), ("hidden_act", "silu")):
        if table.get(name, plain) != plain:
            raise CheckpointError(
                f"{where} sets {name}={table[name]!r}; camelid's decoder has {name}={plain!r} only."
            )
    if quantized := table.get("quantization_config"):
        method = quantized.get("quant_method", "unknown") if isinstance(quantized, dict) else quantized
        raise CheckpointError(
            f"{where} is quantized ({method}); camelid reads float32, float16 and bfloat16 weights. "
            "Use the model that it was quantized from."
        )
