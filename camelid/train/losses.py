"""Losses over hidden states: cross-entropy and distillation, in chunks: no (B·T, V) tensor ever exists.

The head is a part of the loss here: logits are made, used and dropped chunk by chunk, and their gradient is
taken at once, in the forward pass. What remains for the backward pass is one product with a number.

Sources: the idea of the gradient in the forward pass, Hsu et al. 2024 (Liger Kernel), arXiv:2410.10989,
section 3.2; distillation, Hinton et al. 2015, arXiv:1503.02531, section 2.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from camelid.text.batches import IGNORE

ChunkLoss = Callable[..., Any]

CHUNK_TOKENS = 1024  # how many positions are projected at a time; docs/log.md, 2026-11-23


def cross_entropy(hidden: Tensor, head: Tensor, targets: Tensor, *, step: ChunkLoss | None = None) -> Tensor:
    """Return the summed cross-entropy, in nats, of the targets under the head's logits: a scalar, float32.

    hidden: (N, D) in the compute type. head: (V, D), any type. targets: (N,), IGNORE where not counted.
    step: a compiled form of `cross_entropy_step`.
    """
    return _ChunkedCrossEntropy.apply(hidden, head, targets, step or cross_entropy_step)  # type: ignore[no-any-return, no-untyped-call]


def distillation(
    hidden: Tensor,
    head: Tensor,
    targets: Tensor,
    teacher_hidden: Tensor,
    teacher_head: Tensor,
    *,
    alpha: float,
    temperature: float,
    step: ChunkLoss | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the summed loss of a student and, detached, the summed cross-entropy within it, both in nats.

    The loss is (1 − alpha) · CE + alpha · temperature² · KL(teacher ‖ student), the KL at `temperature`.

    hidden: (N, D); teacher_hidden: (N, D'), each with its head. alpha: 0 to 1, the teacher's share.
    step: a compiled form of `distillation_step`.

    Source: Hinton et al. 2015, arXiv:1503.02531, section 2.
    """
    loss, plain = _ChunkedDistillation.apply(
        hidden, head, targets, teacher_hidden, teacher_head, alpha, temperature, step or distillation_step
    )  # type: ignore[no-untyped-call]
    return loss, plain


def log_probabilities(hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
    """Return the log-probability of each target under the head's logits, (N,), float32; 0 where not counted.

    Unlike the others it takes the logits twice: what weighs a target's gradient is known only in the backward
    pass. hidden, head, targets: as for `cross_entropy`.
    """
    return _ChunkedLogProbabilities.apply(hidden, head, targets)  # type: ignore[no-any-return, no-untyped-call]


def cross_entropy_step(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the summed loss of a chunk and the gradient of its logits, (C, V), in the logits' type."""
    counted = targets != IGNORE
    safe = torch.where(counted, targets, 0).unsqueeze(1)
    wide = logits.float()
    highest = wide.amax(dim=1, keepdim=True)
    powers = (wide - highest).exp()
    total = powers.sum(dim=1, keepdim=True)
    chosen = logits.gather(1, safe).float()
    losses = (total.log() + highest - chosen).squeeze(1)
    columns = torch.arange(logits.shape[1], device=logits.device)
    gradient = (powers / total - (columns == safe).float()) * counted.unsqueeze(1)
    return torch.where(counted, losses, 0.0).sum(), gradient.to(logits.dtype)


def distillation_step(
    logits: Tensor, targets: Tensor, teacher_logits: Tensor, alpha: float, temperature: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return a chunk's summed loss, its summed cross-entropy, and the gradient of the student's logits."""
    plain, gradient = cross_entropy_step(logits, targets)
    counted = (targets != IGNORE).unsqueeze(1)
    student = F.log_softmax(logits.float() / temperature, dim=1)
    teacher = F.log_softmax(teacher_logits.float() / temperature, dim=1)
    weights = teacher.exp()
    gap = torch.where(counted, weights * (teacher - student), 0.0).sum()
    pull = (student.exp() - weights) * counted
    loss = (1 - alpha) * plain + alpha * temperature**2 * gap
    mixed = (1 - alpha) * gradient.float() + alpha * temperature * pull
    return loss, plain, mixed.to(logits.dtype)


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor, step: ChunkLoss) -> Tensor:
        weight = head.to(hidden.dtype)
        keeps = _Gradients(ctx, hidden, head)
        loss = torch.zeros((), dtype=torch.float32, device=hidden.device)
        for part in _chunks(len(hidden)):
            part_loss, gradient = step(hidden[part] @ weight.T, targets[part])
            loss += part_loss
            keeps.add(part, gradient, hidden[part], weight)
        keeps.save(ctx)
        return loss

    @staticmethod
    def backward(ctx: Any, *outside: Any) -> Any:
        hidden_gradient, head_gradient = ctx.saved_tensors
        return _scaled(hidden_gradient, outside[0]), _scaled(head_gradient, outside[0]), None, None


class _ChunkedDistillation(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        head: Tensor,
        targets: Tensor,
        teacher_hidden: Tensor,
        teacher_head: Tensor,
        alpha: float,
        temperature: float,
        step: ChunkLoss,
    ) -> tuple[Tensor, Tensor]:
        weight, teacher_weight = head.to(hidden.dtype), teacher_head.to(teacher_hidden.dtype)
        keeps = _Gradients(ctx, hidden, head)
        loss = torch.zeros((), dtype=torch.float32, device=hidden.device)
        plain = torch.zeros_like(loss)
        for part in _chunks(len(hidden)):
            part_loss, part_plain, gradient = step(
                hidden[part] @ weight.T, targets[part], teacher_hidden[part] @ teacher_weight.T,
                alpha, temperature,
            )  # fmt: skip
            loss += part_loss
            plain += part_plain
            keeps.add(part, gradient, hidden[part], weight)
        keeps.save(ctx)
        ctx.mark_non_differentiable(plain)
        return loss, plain

    @staticmethod
    def backward(ctx: Any, *outside: Any) -> Any:
        hidden_gradient, head_gradient = ctx.saved_tensors
        scaled = _scaled(hidden_gradient, outside[0]), _scaled(head_gradient, outside[0])
        return (*scaled, None, None, None, None, None, None)


class _ChunkedLogProbabilities(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
        weight = head.to(hidden.dtype)
        found = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        for part in _chunks(len(hidden)):
            logits = (hidden[part] @ weight.T).float()
            found[part] = -F.cross_entropy(logits, targets[part], ignore_index=IGNORE, reduction="none")
        ctx.save_for_backward(hidden, head, targets)
        return found

    @staticmethod
    def backward(ctx: Any, *outside: Any) -> Any:
        hidden, head, targets = ctx.saved_tensors
        weight = head.to(hidden.dtype)
        keeps = _Gradients(ctx, hidden, head)
        for part in _chunks(len(hidden)):
            counted = targets[part] != IGNORE
            weights = torch.where(counted, outside[0][part], 0.0)
            gradient = F.softmax((hidden[part] @ weight.T).float(), dim=1).mul_(-weights.unsqueeze(1))
            chosen = torch.where(counted, targets[part], 0).unsqueeze(1)
            gradient.scatter_add_(1, chosen, weights.unsqueeze(1))
            keeps.add(part, gradient.to(hidden.dtype), hidden[part], weight)
        return keeps.hidden, keeps.head, None


class _Gradients:
    """The gradients of hidden states and head, gathered chunk by chunk; none where none is asked for."""

    def __init__(self, ctx: Any, hidden: Tensor, head: Tensor) -> None:
        self.hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        self.head = (
            torch.zeros(head.shape, dtype=head.dtype, device=head.device) if ctx.needs_input_grad[1] else None
        )

    def add(self, part: slice, gradient: Tensor, hidden: Tensor, weight: Tensor) -> None:
        if self.hidden is not None:
            torch.mm(gradient, weight, out=self.hidden[part])
        if self.head is not None:
            self.head += gradient.T @ hidden

    def save(self, ctx: Any) -> None:
        ctx.save_for_backward(self.hidden, self.head)


def _scaled(gradient: Tensor | None, factor: Tensor) -> Tensor | None:
    return None if gradient is None else gradient.mul_(factor.to(gradient.dtype))


def _chunks(length: int) -> list[slice]:
    return [slice(first, min(first + CHUNK_TOKENS, length)) for first in range(0, length, CHUNK_TOKENS)]
