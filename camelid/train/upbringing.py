"""The upbringing of a pair: a whole recipe, checked. It must not know torch."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from camelid.errors import RecipeError, suggest
from camelid.model.config import DecoderConfig, shape_from_depth
from camelid.recipe import fill, read_recipe
from camelid.text.sources import Source
from camelid.train.settings import StageSettings


@dataclass(frozen=True)
class TokenizerSettings:
    """[tokenizer]: how many tokens there are, and how much text they are learnt from.

    folder: takes the tokenizer of this folder instead of training one.
    """

    vocab_size: int = 4096
    sample_bytes: int = 20_000_000
    folder: str = ""


@dataclass(frozen=True)
class LlamaSettings:
    """[llama]: the deep one's shape and its two stages; see `shape_from_depth` for what depth sets.

    Every number but the depth is 0 to follow the laws.
    """

    depth: int
    pretrain: StageSettings
    finetune: StageSettings
    hidden_size: int = 0
    intermediate_size: int = 0
    num_attention_heads: int = 0
    num_key_value_heads: int = 0
    rope_theta: float = 10_000.0


@dataclass(frozen=True)
class AlpacaSettings:
    """[alpaca]: how many of the Llama's layers it keeps, and its two stages; its width is the Llama's.

    born: "of the llama" starts from evenly spaced layers of the fine-tuned Llama, "alone" from nothing.
    """

    depth: int
    distill: StageSettings
    finetune: StageSettings
    born: Literal["of the llama", "alone"] = "of the llama"


@dataclass(frozen=True)
class Upbringing:
    """A recipe.

    out: the pair folder; data_root: where the sources' paths begin, both relative to where the command runs.
    context: positions of a model and of a row in training.
    dtype: what the finished models' numbers are stored in; "auto" is what they were computed in.
    """

    name: str
    source: tuple[Source, ...]
    llama: LlamaSettings
    alpaca: AlpacaSettings
    tokenizer: TokenizerSettings = field(default_factory=TokenizerSettings)
    seed: int = 0
    out: str = ""
    data_root: str = "."
    context: int = 256
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"

    def __post_init__(self) -> None:
        if not self.name or "/" in self.name:
            raise RecipeError(f"name must be a word for a folder; found {self.name!r}.")
        if not self.source:
            raise RecipeError("The recipe has no [[source]] to learn from. Add one.")
        if self.context < 8:
            raise RecipeError(f"context must be at least 8; found {self.context}.")
        if not 1 <= self.alpaca.depth <= self.llama.depth:
            raise RecipeError(
                "The Alpaca keeps some of the Llama's layers: alpaca.depth must lie between 1 and "
                f"llama.depth; found {self.alpaca.depth} and {self.llama.depth}."
            )
        for where, stage in self.stages().items():
            stage.batch_rows(self.context)
            self._check_mix(where, stage)
        self.llama_config(max(8, self.tokenizer.vocab_size))

    @property
    def folder(self) -> Path:
        """Return the pair folder."""
        return Path(self.out or f"pairs/{self.name}")

    def stages(self) -> dict[str, StageSettings]:
        """Return the training stages by name, in their order."""
        return {
            "llama-pretrain": self.llama.pretrain,
            "llama-finetune": self.llama.finetune,
            "alpaca-distill": self.alpaca.distill,
            "alpaca-finetune": self.alpaca.finetune,
        }

    def llama_config(self, vocab_size: int, **ids: Any) -> DecoderConfig:
        """Return the Llama's shape for a vocabulary; ids: bos_token_id and its like."""
        llama = self.llama
        return shape_from_depth(
            llama.depth,
            vocab_size=vocab_size,
            context=self.context,
            hidden_size=llama.hidden_size,
            intermediate_size=llama.intermediate_size,
            num_attention_heads=llama.num_attention_heads,
            num_key_value_heads=llama.num_key_value_heads,
            rope_theta=llama.rope_theta,
            **ids,
        )

    def _check_mix(self, where: str, stage: StageSettings) -> None:
        names = [source.name for source in self.source]
        for name in stage.mix:
            if name not in names:
                raise RecipeError(
                    f"The mix of {where} names the source {name!r}, which the recipe lacks."
                    f"{suggest(name, names)}"
                )


def read_upbringing(path: Path | str, **changes: Any) -> Upbringing:
    """Return the upbringing that a recipe file describes.

    changes: values that take the place of the recipe's at its top, for instance out or data_root; None leaves
        the recipe's.

    Raises RecipeError for whatever is wrong with the recipe.
    """
    found = fill(Upbringing, read_recipe(path))
    given = {name: value for name, value in changes.items() if value is not None}
    return dataclasses.replace(found, **given) if given else found
