"""One optimizer step: a batch in, the decoder moved, the loss out."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camelid.errors import RunError
from camelid.model.decoder import Decoder
from camelid.text.batches import Batch
from camelid.train import losses
from camelid.train.forms import PLAIN, Forms, compiled_forms
from camelid.train.optimizer import Optimizer
from camelid.train.precision import Plan
from camelid.train.settings import StageSettings


@dataclass(frozen=True)
class Teacher:
    """Whom a student learns from, and how much; see `losses.distillation`."""

    decoder: Decoder
    alpha: float
    temperature: float


class Objective(Protocol):
    """What is learnt in the place of the next token; see `dpo.Preferring`."""

    def __call__(self, decoder: Decoder, batch: Batch, rows: slice, device: str) -> Tensor:
        """Return the summed loss of some rows of a batch: a scalar."""


class Stepper:
    """Moves a decoder by batches."""

    def __init__(
        self,
        decoder: Decoder,
        settings: StageSettings,
        plan: Plan,
        *,
        teacher: Teacher | None = None,
        objective: Objective | None = None,
    ) -> None:
        """Prepare the decoder (and a teacher) for the plan: device, compute type, compiled layers."""
        self.decoder = decoder
        self.plan = plan
        self.teacher = teacher
        self._objective = objective
        self._forms = prepare(decoder, plan)
        if teacher is not None:
            prepare(teacher.decoder, plan)
            teacher.decoder.requires_grad_(False)
        self.optimizer = Optimizer(
            decoder,
            name=settings.optimizer,
            lr=settings.lr,
            weight_decay=settings.weight_decay,
            dtype=plan.torch_dtype,
        )
        self._lr = settings.lr
        self._clip = settings.clip
        self.gradient_norm = 0.0

    def step(self, batch: Batch, lr_scale: float) -> float:
        """Move the decoder once and return the mean cross-entropy before it, in nats per counted target.

        With an objective of its own, that objective's mean.

        lr_scale: the schedule's share of the learning rate.

        Raises RunError when the loss or a gradient is no number any more; the decoder is then not moved.
        """
        num_targets = batch.num_targets
        plain = torch.zeros((), dtype=torch.float32, device=self.plan.device)
        self.decoder.zero_grad(set_to_none=True)
        for first in range(0, len(batch.token_ids), self.plan.micro_rows):
            rows = slice(first, first + self.plan.micro_rows)
            plain += self._learn(batch, rows, num_targets)
        norm = float(torch.nn.utils.clip_grad_norm_(self.decoder.parameters(), self._clip))
        mean = float(plain) / max(1, num_targets)
        if not (math.isfinite(mean) and math.isfinite(norm)):
            raise RunError(
                f"The loss is {mean:.3g} and the gradient's norm {norm:.3g}: training has diverged. "
                f"Lower lr (now {self._lr * lr_scale:.2g}) in the recipe and run again."
            )
        self.gradient_norm = norm
        self.optimizer.step(self._lr * lr_scale)
        return mean

    def _learn(self, batch: Batch, rows: slice, num_targets: int) -> Tensor:
        """Add the gradient of some rows; return their summed cross-entropy, or what the objective says."""
        if self._objective is not None:
            aim = self._objective(self.decoder, batch, rows, self.plan.device)
            (aim * (1.0 / max(1, num_targets))).backward()  # type: ignore[no-untyped-call]
            return aim.detach()
        inputs = place_rows(batch, rows, self.plan.device)
        targets = place_ids(batch.targets[rows], self.plan.device).view(-1)
        hidden = self.decoder.hidden(*inputs).flatten(0, 1)
        if self.teacher is None:
            loss = plain = losses.cross_entropy(
                hidden, self.decoder.head_weight, targets, step=self._forms.cross_entropy
            )
        else:
            with torch.no_grad():
                teacher_hidden = self.teacher.decoder.hidden(*inputs).flatten(0, 1)
            loss, plain = losses.distillation(
                hidden,
                self.decoder.head_weight,
                targets,
                teacher_hidden,
                self.teacher.decoder.head_weight,
                alpha=self.teacher.alpha,
                temperature=self.teacher.temperature,
                step=self._forms.distillation,
            )
        (loss * (1.0 / max(1, num_targets))).backward()  # type: ignore[no-untyped-call]
        return plain.detach()


def prepare(decoder: Decoder, plan: Plan) -> Forms:
    """Put a decoder on the plan's device and in its compute type; return the forms that it computes with."""
    forms = compiled_forms() if plan.compile else PLAIN
    decoder.to(plan.device)
    decoder.compute_dtype = plan.torch_dtype
    decoder.run_block = forms.block
    return forms


def place_rows(batch: Batch, rows: slice, device: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return token_ids, positions and segments of some rows, as `Decoder.hidden` takes them."""
    return (
        place_ids(batch.token_ids[rows], device),
        place_ids(batch.positions[rows], device),
        place_ids(batch.segments[rows], device),
    )


def place_ids(array: NDArray[np.int32], device: str) -> Tensor:
    """Return whole numbers on a device, as torch takes them for indices."""
    return torch.from_numpy(np.ascontiguousarray(array)).long().to(device)
