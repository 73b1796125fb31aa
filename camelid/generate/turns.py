"""Threads that share one engine: one of them steps for all, the others sleep until there is news for them.

No thread is woken in vain but one: whoever stops stepping wakes a sleeper without news, who goes on in its
place should those with news be slow to return. Nothing here waits for a lock that is only held briefly, so it
may be called wherever Python may collect garbage.
"""

import contextlib
import threading
from collections.abc import Callable


class Turns:
    """The right to step, and those who wait for what a step brings."""

    def __init__(self) -> None:
        self._turn = threading.RLock()  # which knows its owner, whenever an interrupt comes
        self._taken = False
        self._sleepers: dict[Callable[[], bool], threading.Lock] = {}  # what each waits for, and its bell

    def take(self, *, wait: bool = False) -> bool:
        """Take the turn if nobody has it, or wait until nobody else has; return whether it was taken."""
        if not self._turn.acquire(blocking=wait):
            return False
        if self._taken:  # by this very thread, whom the garbage collector has brought here
            self._turn.release()
            return False
        self._taken = True
        return True

    def give(self) -> None:
        """Give the turn back, and wake those with news and one more."""
        self._taken = False
        self._turn.release()
        self.wake()
        self._wake_one()

    def give_up(self) -> None:
        """Give the turn back if this thread has it, after an interrupt that may have come anywhere."""
        if self._turn.acquire(blocking=False):
            self._taken = False
            with contextlib.suppress(RuntimeError):  # once it is no longer ours
                while True:
                    self._turn.release()
        self.wake()
        self._wake_one()

    def wake(self) -> None:
        """Wake those who have what they wait for."""
        if self._sleepers:
            for ready in list(self._sleepers):
                if ready():
                    self._ring(ready)

    def sleep(self, ready: Callable[[], bool]) -> None:
        """Return when `ready` may hold or the turn may be free; each call needs a `ready` of its own."""
        bell = threading.Lock()
        bell.acquire()
        self._sleepers[ready] = bell
        try:
            # In this order, and `give` in the other: either we see that the turn is free, or it sees us.
            if self._taken and not ready():
                bell.acquire()
        finally:
            self._sleepers.pop(ready, None)

    def _wake_one(self) -> None:
        for ready in list(self._sleepers):
            if self._ring(ready):
                return

    def _ring(self, ready: Callable[[], bool]) -> bool:
        bell = self._sleepers.pop(ready, None)
        if bell is None:
            return False
        bell.release()
        return True
