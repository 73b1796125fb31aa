"""The optimizers of a decoder: Muon for its layers' matrices, AdamW for everything else; or AdamW for all.

One learning rate serves both: Muon's updates are scaled to the size that AdamW's have.

Sources: Jordan et al. 2024, Muon (kellerjordan.github.io/posts/muon), for the orthogonalised momentum and
the five coefficients' form; Liu et al. 2025, arXiv:2502.16982, section 2.2, for the scale 0.2·√max(rows,
columns); Loshchilov and Hutter 2019, arXiv:1711.05101, for AdamW.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from camelid.errors import CheckpointError

Name = Literal["muon", "adamw"]

_QUINTIC = (3.4445, -4.7750, 2.0315)  # Jordan et al.: the steepest start that still lands near 1
_ITERATIONS = 5
_MOMENTUM = 0.95
_RMS_OF_ADAMW = 0.2


class Muon(torch.optim.Optimizer):
    """Momentum, made orthogonal: every direction of a matrix moves equally far.

    Matrices of one shape are orthogonalised together, in bfloat16 where that is fast.
    """

    def __init__(
        self, params: Iterable[nn.Parameter], *, lr: float, weight_decay: float, dtype: torch.dtype
    ) -> None:
        super().__init__(list(params), {"lr": lr, "weight_decay": weight_decay})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Move every matrix that has a gradient."""
        for group in self.param_groups:
            by_shape = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    by_shape[weight.shape].append(weight)
            for weights in by_shape.values():
                self._move(weights, group["lr"], group["weight_decay"])

    def _move(self, weights: list[Tensor], lr: float, weight_decay: float) -> None:
        momenta = [self._momentum(weight) for weight in weights]
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        torch._foreach_lerp_(momenta, gradients, 1 - _MOMENTUM)
        ahead = torch._foreach_lerp(gradients, momenta, _MOMENTUM)  # Nesterov's look ahead
        updates = orthogonalise(torch.stack(ahead).to(self._dtype))
        rows, columns = weights[0].shape
        torch._foreach_mul_(weights, 1 - lr * weight_decay)
        scale = -lr * _RMS_OF_ADAMW * max(rows, columns) ** 0.5
        torch._foreach_add_(weights, list(updates.to(weights[0].dtype)), alpha=scale)

    def _momentum(self, weight: Tensor) -> Tensor:
        momentum: Tensor = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
        return momentum


def orthogonalise(matrices: Tensor) -> Tensor:
    """Return, for each matrix G = U·S·Vᵀ of (N, R, C), about U·Vᵀ: singular values between 0.7 and 1.2.

    Source: Jordan et al. 2024, Muon, Newton–Schulz iteration of degree 5.
    """
    a, b, c = _QUINTIC
    x: Tensor = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.transpose(1, 2)
    for _ in range(_ITERATIONS):
        square = torch.bmm(x, x.transpose(1, 2))
        inner = torch.baddbmm(square, square, square, beta=b, alpha=c)
        x = torch.baddbmm(x, inner, x, beta=a)
    return x.transpose(1, 2) if tall else x


class Optimizer:
    """The optimizers of one decoder, moved and saved as one."""

    def __init__(
        self, decoder: nn.Module, *, name: Name, lr: float, weight_decay: float, dtype: torch.dtype
    ) -> None:
        """Divide the decoder's parameters: norms never decay, the embedding does not under Muon.

        dtype: what Muon orthogonalises in.
        """
        named = dict(decoder.named_parameters())
        self._names = {id(weight): name for name, weight in named.items()}
        layers = [w for n, w in named.items() if w.ndim == 2 and ".layers." in n]
        tables = [w for n, w in named.items() if w.ndim == 2 and ".layers." not in n]
        vectors = [w for w in named.values() if w.ndim < 2]
        self._parts: list[torch.optim.Optimizer] = []
        decayed = tables if name == "muon" else tables + layers
        if name == "muon":
            self._parts.append(Muon(layers, lr=lr, weight_decay=weight_decay, dtype=dtype))
        groups = [
            {"params": decayed, "weight_decay": 0.0 if name == "muon" else weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        self._parts.append(torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.95), eps=1e-10, fused=True))

    def step(self, lr: float) -> None:
        """Move every parameter at the learning rate `lr`."""
        for part in self._parts:
            for group in part.param_groups:
                group["lr"] = lr
            part.step()

    def tensors(self) -> dict[str, Tensor]:
        """Return the whole state by name, for a checkpoint."""
        return {
            f"{self._names[id(weight)]}|{key}": value
            for part in self._parts
            for weight, state in part.state.items()
            for key, value in state.items()
        }

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take over a state that `tensors` gave.

        Raises CheckpointError when it belongs to another decoder or optimizer.
        """
        by_name: dict[str, dict[str, Tensor]] = defaultdict(dict)
        for key, value in tensors.items():
            name, _, part_key = key.partition("|")
            by_name[name][part_key] = value
        for part in self._parts:
            for group in part.param_groups:
                for weight in group["params"]:
                    state = by_name.pop(self._names[id(weight)], None)
                    if state is None:
                        continue
                    part.state[weight] = state
        if by_name:
            raise CheckpointError(
                f"The optimizer's state has {next(iter(by_name))}, which the model lacks. Start anew."
            )
