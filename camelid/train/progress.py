"""What a run tells whoever watches it: the stages it goes through and how far it is.

No drawing here; the command line implements `Progress`, tests and benchmarks use `Silent`.
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Status:
    """Where a training stage stands after a step.

    total_steps: None while a budget in minutes has not yet settled it.
    share: how much of the budget is spent, 0 to 1.
    loss: in nats per counted token, smoothed over recent steps.
    """

    stage: str
    step: int
    total_steps: int | None
    share: float
    loss: float
    tokens_per_s: float
    seconds_left: float


class Progress(Protocol):
    """Whoever watches a run."""

    def begin(self, stage: str) -> None:
        """Say that a stage starts."""

    def skip(self, stage: str) -> None:
        """Say that a stage is done already: its inputs have not changed."""

    def step(self, status: Status) -> None:
        """Say where a stage stands; called after every optimizer step."""

    def note(self, text: str) -> None:
        """Say one line that is worth keeping."""

    def end(self, stage: str, seconds: float) -> None:
        """Say that a stage is done, and how long it took in this run."""


class Silent:
    """A `Progress` that nobody watches."""

    def begin(self, stage: str) -> None:
        """Do nothing."""

    def skip(self, stage: str) -> None:
        """Do nothing."""

    def step(self, status: Status) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def end(self, stage: str, seconds: float) -> None:
        """Do nothing."""
