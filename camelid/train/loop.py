"""The one loop: batches into a moved decoder, until a budget of tokens, steps or minutes is spent.

A run that is cut off goes on from its last checkpoint and computes the same bits as one that never was: the
batches are a function of the step, and what time decided (the plan, and where a budget in minutes ends) is
written down before it is acted upon.
"""

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Protocol

from camelid.errors import RecipeError
from camelid.files import sweep, write_json
from camelid.model.decoder import Decoder
from camelid.text.batches import Batch
from camelid.train.checkpoints import LoopState, restore_checkpoint, save_checkpoint
from camelid.train.journal import Journal
from camelid.train.precision import Plan
from camelid.train.progress import Progress, Status
from camelid.train.settings import StageSettings
from camelid.train.stepper import Objective, Stepper, Teacher

Evaluate = Callable[[Decoder, Plan], dict[str, float]]

_SMOOTHING = 0.95
_LOG_STEPS = 10
_WORSE = 1.01  # times the best bits per byte on the way: more than measuring other text would change


@dataclass
class _Schedule:
    """When the rate starts to fall and when the run ends; None until a budget in minutes has settled it."""

    cooldown_step: int | None
    total_steps: int | None

    def lr_scale(self, step: int, warmup_steps: int) -> float:
        """Return the share of the learning rate at a step: up, level, down to nearly 0."""
        rising = min(1.0, (step + 1) / (warmup_steps + 1))
        if self.total_steps is None or self.cooldown_step is None or step < self.cooldown_step:
            return rising
        return min(rising, (self.total_steps - step) / (self.total_steps - self.cooldown_step + 1))


class Supply(Protocol):
    """Where batches come from, such as `text.batches.Batches`: a batch depends on its step alone."""

    batch_size: int
    context: int

    def batch(self, step: int) -> Batch:
        """Return the batch of a step, counted from 0."""

    @property
    def total_steps_available(self) -> int | None:
        """How many steps there are; None for endlessly many."""


class Loop:
    """One stage's training."""

    def __init__(
        self,
        decoder: Decoder,
        batches: Supply,
        settings: StageSettings,
        *,
        stage: str,
        folder: Path,
        make_plan: Callable[[], Plan],
        evaluate: Evaluate,
        progress: Progress,
        teacher: Teacher | None = None,
        objective: Objective | None = None,
    ) -> None:
        """Take up the stage in `folder` where it was left.

        make_plan: measures how to compute; not asked when an earlier run has written its plan down.
        evaluate: gives bits per byte by language; nothing when it has something else to say.
        objective: what is learnt in the place of the next token.

        Raises RecipeError when the data ends before the budget does.
        """
        self._decoder, self._batches, self._settings = decoder, batches, settings
        self._stage, self._folder, self._progress = stage, folder, progress
        self._evaluate = evaluate
        sweep(folder)
        self._plan, self._schedule = self._take_up_plan(make_plan)
        self._stepper = Stepper(decoder, settings, self._plan, teacher=teacher, objective=objective)
        self._checkpoints = folder / "checkpoints"
        self._checkpoints.mkdir(parents=True, exist_ok=True)
        sweep(self._checkpoints)
        self._state = restore_checkpoint(
            self._checkpoints, decoder, self._stepper.optimizer, notify=progress.note
        )
        self._recent_s = 0.0  # seconds per step, smoothed
        self._marks_passed = self._marks()

    def run(self) -> LoopState:
        """Train until the budget is spent and return where that ended; the decoder holds the result.

        Raises KeyboardInterrupt, after a checkpoint, when the user stops it; RunError when it cannot go on.
        """
        state = self._state
        saved_s = saved_run_s = time.perf_counter()
        checkpoint_s = 60 * self._settings.checkpoint_minutes
        if state.step:
            self._progress.note(f"{self._stage}: going on from step {state.step}")
        with Journal(self._folder, step=state.step) as journal, _stop_flag() as stopped:
            while not self._is_over():
                self._step(journal)
                now = time.perf_counter()
                state.seconds += now - saved_run_s
                saved_run_s = now
                if stopped() or now - saved_s > checkpoint_s:
                    self._save()
                    saved_s = time.perf_counter()
                if stopped():
                    raise KeyboardInterrupt
            self._finish(journal)
        return state

    @property
    def plan(self) -> Plan:
        """How the stage computes."""
        return self._plan

    def _take_up_plan(self, make_plan: Callable[[], Plan]) -> tuple[Plan, _Schedule]:
        path = self._folder / "plan.json"
        try:
            written = json.loads(path.read_text(encoding="utf-8"))
            return Plan(**written["plan"]), _Schedule(**written["schedule"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            plan = make_plan()
            schedule = self._first_schedule()
            self._write_plan(plan, schedule)
            return plan, schedule

    def _first_schedule(self) -> _Schedule:
        settings = self._settings
        if settings.minutes:
            return _Schedule(None, None)
        tokens_per_step = self._batches.batch_size * self._batches.context
        total = settings.steps or math.ceil(settings.tokens / tokens_per_step)
        available = self._batches.total_steps_available
        if available is not None and available < total:
            raise RecipeError(
                f"{self._stage} asks for {total} steps of {tokens_per_step} tokens, but its sources "
                f"give {available} before each has had its max_epochs. Ask for fewer, raise max_epochs, "
                "or add text."
            )
        return _Schedule(total - round(settings.cooldown * total), total)

    def _write_plan(self, plan: Plan, schedule: _Schedule) -> None:
        write_json(self._folder / "plan.json", {"plan": asdict(plan), "schedule": asdict(schedule)})

    def _is_over(self) -> bool:
        if self._schedule.total_steps is None:
            self._settle()
        total = self._schedule.total_steps
        return total is not None and self._state.step >= total

    def _settle(self) -> None:
        """Once a budget in minutes is down to its cooldown, fix in steps where it ends."""
        state, settings = self._state, self._settings
        budget_s = 60 * settings.minutes
        available = self._batches.total_steps_available
        ends = state.seconds >= (1 - settings.cooldown) * budget_s
        if available is not None:
            ends = ends or state.step >= (1 - settings.cooldown) * available
        if not ends:
            return
        left_s = max(0.0, budget_s - state.seconds)
        total = state.step + max(1, round(left_s / max(1e-9, self._seconds_per_step())))
        if available is not None:
            total = min(total, available)
        self._schedule = _Schedule(state.step, total)
        self._write_plan(self._plan, self._schedule)

    def _seconds_per_step(self) -> float:
        if not self._state.step:
            return 60 * self._settings.minutes
        return self._recent_s if self._recent_s else self._state.seconds / self._state.step

    def _step(self, journal: Journal) -> None:
        state, settings = self._state, self._settings
        begin = time.perf_counter()
        batch = self._batches.batch(state.step)
        scale = self._schedule.lr_scale(state.step, settings.warmup_steps)
        loss = self._stepper.step(batch, scale)
        state.step += 1
        state.tokens += batch.num_tokens
        state.targets += batch.num_targets
        state.loss = loss if state.step == 1 else _SMOOTHING * state.loss + (1 - _SMOOTHING) * loss
        took = time.perf_counter() - begin
        self._recent_s = took if not self._recent_s else 0.9 * self._recent_s + 0.1 * took
        rate = batch.num_tokens / self._recent_s
        if state.step % _LOG_STEPS == 0:
            journal.write(
                state.step,
                loss=round(loss, 5),
                lr=settings.lr * scale,
                gradient_norm=round(self._stepper.gradient_norm, 4),
                tokens=state.tokens,
                tokens_per_s=round(rate),
                seconds=round(state.seconds, 1),
            )
        self._measure_when_due(journal)
        self._progress.step(self._status(rate))

    def _measure_when_due(self, journal: Journal) -> None:
        """Measure held-out text at the steps where the share of the budget passes a mark."""
        passed = self._marks()
        if self._marks_passed < passed < self._settings.evaluations:
            self._measure(journal)
        self._marks_passed = passed

    def _marks(self) -> int:
        return int(self._share() * self._settings.evaluations)

    def _share(self) -> float:
        """Return how much of the budget is spent, 0 to 1."""
        if self._schedule.total_steps is None:
            return min(1.0, self._state.seconds / (60 * self._settings.minutes))
        return self._state.step / self._schedule.total_steps

    def _measure(self, journal: Journal) -> None:
        found = self._evaluate(self._decoder, self._plan)
        if not found:
            return
        self._state.bits_per_byte = found
        journal.write(self._state.step, bits_per_byte=found)
        figures = "  ".join(f"{lang} {value:.3f}" for lang, value in found.items())
        self._progress.note(f"{self._stage}, step {self._state.step}: bits per byte {figures}")
        self._compare_with_best(fmean(found.values()))

    def _compare_with_best(self, mean: float) -> None:
        """Remember the best measurement; warn at the end if the last one is clearly worse."""
        state = self._state
        if not state.best_step or mean < state.best_bits_per_byte:
            state.best_bits_per_byte, state.best_step = mean, state.step
        elif mean > _WORSE * state.best_bits_per_byte and self._is_over():
            self._progress.note(
                f"{self._stage} read held-out text better after step {state.best_step} "
                f"({state.best_bits_per_byte:.3f} bits per byte) than now ({mean:.3f}): it learns the text "
                "by heart. A smaller budget, more text or, in a recipe, a larger weight_decay will do better."
            )

    def _status(self, rate: float) -> Status:
        state, total = self._state, self._schedule.total_steps
        if total is not None:
            left_s = (total - state.step) * self._recent_s
        else:
            left_s = max(0.0, 60 * self._settings.minutes - state.seconds)
        return Status(self._stage, state.step, total, self._share(), state.loss, rate, left_s)

    def _save(self) -> None:
        save_checkpoint(self._checkpoints, self._decoder, self._stepper.optimizer, self._state)

    def _finish(self, journal: Journal) -> None:
        self._measure(journal)
        self._save()


@contextmanager
def _stop_flag() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C and a polite kill into a flag that is read between steps; a second one stops at once."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    caught: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note_stop(number: int, frame: object) -> None:
        caught.append(number)
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, note_stop)
    try:
        yield lambda: bool(caught)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


__all__ = ["Evaluate", "Loop", "Supply"]
