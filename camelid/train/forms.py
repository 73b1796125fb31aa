"""The parts of a step that are worth compiling, plain or compiled.

Compiled forms are kept for the whole process: torch tells the shapes of several decoders apart by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from camelid.model.decoder import plain_block
from camelid.train.block import run_block
from camelid.train.losses import cross_entropy_step, distillation_step

_SHAPES = 64  # how many shapes torch may compile for: two decoders, two kinds of stage, short last batches


@dataclass(frozen=True)
class Forms:
    """A layer, and the losses of a chunk; see `decoder.plain_block` and `losses`."""

    block: Callable[..., Tensor]
    cross_entropy: Callable[..., Any]
    distillation: Callable[..., Any]


PLAIN = Forms(plain_block, cross_entropy_step, distillation_step)


@cache
def compiled_forms() -> Forms:
    """Return the forms that torch compiles when they are first called, the layer laid out for training."""
    torch._dynamo.config.recompile_limit = _SHAPES
    return Forms(
        block=torch.compile(run_block, dynamic=False),
        cross_entropy=torch.compile(cross_entropy_step, dynamic=False),
        distillation=torch.compile(distillation_step, dynamic=False),
    )
