"""How a stage computes on this machine: device, number format, compiled or not, rows at a time.

Short measurements decide, once; the loop writes the plan down, and a resumed run follows it rather than
measuring again, so that it computes the same bits.
"""

import functools
import shutil
import threading
import time
from dataclasses import dataclass
from typing import Literal

import torch

from camelid.errors import RunError
from camelid.model.config import DecoderConfig

MICRO_TOKENS = 16_384  # how many positions go through the layers at a time; bounds the memory
COMPILE_S = 12.0  # what compiling may cost; docs/numbers.md
_WORTH = 2.0  # compile when the work is so many times what compiling costs
_PROBE_S = 0.15
_TRIAL = threading.Lock()

Compile = Literal["auto", "yes", "no"]


@dataclass(frozen=True)
class Plan:
    """How a stage computes.

    dtype: "bfloat16" or "float32", what products are computed in; parameters stay float32.
    micro_rows: rows of a batch that go through the layers at a time.
    rate_flops: the matrix-product rate that was measured in that type, per second.
    reason: why the layers are not compiled although it would pay; else "".
    """

    device: str
    dtype: Literal["bfloat16", "float32"]
    compile: bool
    micro_rows: int
    rate_flops: float
    reason: str = ""

    @property
    def torch_dtype(self) -> torch.dtype:
        """Return the compute type as torch names it."""
        return torch.bfloat16 if self.dtype == "bfloat16" else torch.float32


def measure_plan(
    config: DecoderConfig,
    *,
    batch_rows: int,
    context: int,
    tokens: float = 0.0,
    seconds: float = 0.0,
    compile: Compile = "auto",
) -> Plan:
    """Return how to train a decoder of this shape on this machine.

    tokens, seconds: how long the stage is, in one or the other; compiling must be worth it.

    Raises RunError when compile is "yes" and does not work here.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    plain = _matmul_rate(config, torch.float32, device)
    half = _matmul_rate(config, torch.bfloat16, device)
    dtype: Literal["bfloat16", "float32"] = "bfloat16" if half > 1.1 * plain else "float32"
    rate = max(half, plain) if dtype == "bfloat16" else plain
    expected_s = seconds or tokens * config.training_flops_per_token(context) / (0.4 * rate)
    worth = expected_s > _WORTH * COMPILE_S if compile == "auto" else compile == "yes"
    reason = why_not_compile(device) if worth else ""
    if reason and compile == "yes":
        raise RunError(f'compile = "yes", but torch cannot compile here: {reason}. Use compile = "auto".')
    return Plan(
        device=device,
        dtype=dtype,
        compile=worth and not reason,
        micro_rows=max(1, min(batch_rows, MICRO_TOKENS // context)),
        rate_flops=rate,
        reason=reason,
    )


def why_not_compile(device: str) -> str:
    """Return why torch cannot compile here, "" when it can: it is tried on the smallest of functions.

    On a CPU torch needs a C++ compiler and Python's headers. The first time on a machine it builds headers of
    its own for ten seconds; so whoever has other things to do first lets another thread ask in the meantime.
    """
    with _TRIAL:
        return _try_compiler(device)


@functools.cache
def _try_compiler(device: str) -> str:
    try:
        torch.compile(lambda x: (x + 1).exp())(torch.zeros(16, device=device))
    except Exception as error:  # torch wraps whatever its compiler, or the system's, raises
        if device == "cpu" and not any(shutil.which(name) for name in ("g++", "c++", "clang++")):
            return "there is no C++ compiler (on Debian: g++)"
        last = next((line.strip() for line in str(error).splitlines() if "error" in line.lower()), str(error))
        return f"{type(error).__name__}: {last[:200]}"
    return ""


def _matmul_rate(config: DecoderConfig, dtype: torch.dtype, device: str) -> float:
    """Return the operations per second of the feed-forward's product, the best of a short while."""
    rows = 2048
    x = torch.randn(rows, config.hidden_size, device=device).to(dtype)
    w = torch.randn(config.hidden_size, config.intermediate_size, device=device).to(dtype)
    work = 2 * rows * config.hidden_size * config.intermediate_size
    best, end = float("inf"), time.perf_counter() + _PROBE_S
    torch.mm(x, w)
    while time.perf_counter() < end:
        begin = time.perf_counter()
        torch.mm(x, w)
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - begin)
    return work / best
