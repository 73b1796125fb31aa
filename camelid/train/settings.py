"""What a recipe says of one training stage."""

from dataclasses import dataclass, field
from typing import Literal

from camelid.errors import RecipeError


@dataclass(frozen=True)
class StageSettings:
    """One [llama.pretrain], [llama.finetune], [alpaca.distill] or [alpaca.finetune] of a recipe.

    mix: shares of the sources by name; empty takes every source with its own weight.
    languages: "natural" as they come, "unimax" in equal shares as far as max_epochs allow.
    tokens, steps, minutes: the budget; exactly one is given.
    batch_tokens: positions per optimizer step.
    optimizer: "muon" or "adamw"; lr its learning rate, weight_decay its decay per step at that rate.
    warmup_steps: steps over which the rate rises from 0; cooldown: the last share of the budget, over which
        it falls to 0 in a straight line.
    clip: the gradient's largest norm.
    alpha, temperature: of a distilling stage only; see `losses.distillation`.
    evaluations: how often the held-out text is measured along the way.
    checkpoint_minutes: time between checkpoints.
    compile: "auto" compiles when the stage is long enough to win by it.

    Source of the schedule: Hägele et al. 2024, arXiv:2405.18392, section 3.
    """

    mix: dict[str, float] = field(default_factory=dict)
    languages: Literal["natural", "unimax"] = "natural"
    tokens: float = 0.0
    steps: int = 0
    minutes: float = 0.0
    batch_tokens: int = 8192
    optimizer: Literal["muon", "adamw"] = "muon"
    lr: float = 4e-3
    weight_decay: float = 0.1
    warmup_steps: int = 40
    cooldown: float = 0.5
    clip: float = 1.0
    alpha: float = 0.5
    temperature: float = 1.0
    evaluations: int = 8
    checkpoint_minutes: float = 3.0
    compile: Literal["auto", "yes", "no"] = "auto"

    def __post_init__(self) -> None:
        given = [name for name in ("tokens", "steps", "minutes") if getattr(self, name)]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise RecipeError(f"A stage needs exactly one of tokens, steps and minutes; found {found}.")
        for name in ("tokens", "steps", "minutes", "lr", "batch_tokens", "clip", "temperature"):
            if getattr(self, name) < 0 or (
                getattr(self, name) == 0 and name not in ("tokens", "steps", "minutes")
            ):
                raise RecipeError(f"{name} must be above 0; found {getattr(self, name)}.")
        for name in ("cooldown", "alpha"):
            if not 0 <= getattr(self, name) <= 1:
                raise RecipeError(f"{name} must lie between 0 and 1; found {getattr(self, name)}.")
        for name in ("weight_decay", "warmup_steps", "evaluations", "checkpoint_minutes"):
            if getattr(self, name) < 0:
                raise RecipeError(f"{name} must be 0 or more; found {getattr(self, name)}.")
        if any(weight < 0 for weight in self.mix.values()) or (self.mix and not sum(self.mix.values())):
            raise RecipeError(
                f"The shares of a mix must be 0 or more, one of them above 0; found {self.mix}."
            )

    def batch_rows(self, context: int) -> int:
        """Return how many rows of `context` positions make a batch.

        Raises RecipeError when not even one fits.
        """
        if self.batch_tokens < context:
            raise RecipeError(
                f"batch_tokens must be at least the context; found batch_tokens={self.batch_tokens}, "
                f"context={context}."
            )
        return self.batch_tokens // context
