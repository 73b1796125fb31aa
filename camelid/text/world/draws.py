"""Seeded choices: the same seed and record number give the same slots, in any process and any Python.

Differs: from `random.Random.choice` and friends, whose use of the generator has changed between versions;
here every choice is one call of `random()`, whose sequence Python promises to keep.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
Slots = dict[str, str]


class Draws:
    """A stream of seeded choices."""

    __slots__ = ("_random",)

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed).random

    def one(self, choices: Sequence[T]) -> T:
        """Return one of the choices, each equally likely."""
        return choices[int(self._random() * len(choices))]

    def of(self, table: Mapping[str, object]) -> str:
        """Return one of a table's meanings."""
        return self.one(tuple(table))

    def some(self, choices: Sequence[T], count: int) -> list[T]:
        """Return `count` different choices in drawn order."""
        left = list(choices)
        return [left.pop(int(self._random() * len(left))) for _ in range(count)]

    def number(self, low: int, high: int) -> int:
        """Return a whole number from low to high, both included."""
        return low + int(self._random() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return self._random() < probability

    def weighted(self, weights: Mapping[str, float]) -> str:
        """Return a name with a probability in proportion to its weight."""
        left = self._random() * sum(weights.values())
        for name, weight in weights.items():
            left -= weight
            if left < 0:
                return name
        return tuple(weights)[-1]


def slots_key(task: str, slots: Slots) -> str:
    """Return the language-independent name of a combination; slots named with "_" are mere wording."""
    return "/".join([task, *(value for name, value in slots.items() if not name.startswith("_"))])


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of sentence: how its slots are drawn and how they are written in a language."""

    draw: Callable[[Draws], Slots]
    write: Callable[[Slots, str], str]
    weight: float
