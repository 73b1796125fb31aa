"""What the C++ module offers; module.cpp checks what would otherwise read beyond an array."""

from collections.abc import Sequence as Many
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK: int
LANES: int

def isas() -> list[str]: ...
def packed_bytes(type: int, outputs: int, inputs: int, group: int) -> int: ...
def pack(
    sources: Many[NDArray[Any]],
    half: bool,
    in_turn: bool,
    type: int,
    group: int,
    out: NDArray[np.uint8],
    threads: int,
) -> bool: ...

class Matrix:
    def __init__(self, type: int, outputs: int, inputs: int, group: int, data: NDArray[np.uint8]) -> None: ...
    def unpack(self, isa: str) -> NDArray[np.float32]: ...

class Sampling:
    temperature: float
    top_p: float
    min_p: float
    top_k: int
    repetition_penalty: float
    presence_penalty: float
    frequency_penalty: float
    seed: int
    top_logprobs: int
    logit_bias: list[tuple[int, float]]

class Chosen:
    @property
    def token(self) -> int: ...
    @property
    def logprob(self) -> float: ...
    @property
    def top(self) -> list[tuple[int, float]]: ...

class Sequence:
    computed: int
    blocks: list[int]
    drafts: list[int]
    allowed: list[int]
    dial: float
    def __init__(self, tokens: list[int], sampling: Sampling, stops: list[int] = ...) -> None: ...
    @property
    def tokens(self) -> list[int]: ...
    @property
    def prompt(self) -> int: ...
    @property
    def length(self) -> int: ...
    @property
    def pending(self) -> int: ...
    @property
    def chosen(self) -> list[Chosen]: ...
    def accept(self, token: int) -> None: ...
    def rewind(self, length: int) -> None: ...
    def since(self, place: int) -> list[int]: ...

class Cache:
    @property
    def blocks(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    def copy(self, source: int, target: int) -> None: ...

class Model:
    def __init__(
        self,
        config: dict[str, Any],
        frequencies: NDArray[np.float32],
        matrices: list[Matrix],
        norms: list[NDArray[np.float32]],
        embedding: NDArray[Any] | None,
        isa: str,
        threads: int,
    ) -> None: ...
    @property
    def isa(self) -> str: ...
    @property
    def threads(self) -> int: ...
    def new_cache(self, blocks: int, words: bool) -> Cache: ...
    def step(self, cache: Cache, sequences: list[Sequence], counts: list[int]) -> None: ...
    def run(self, cache: Cache, sequences: list[Sequence], steps: int) -> None: ...
    def logits(self, cache: Cache, sequence: Sequence, count: int, out: NDArray[np.float32]) -> None: ...
