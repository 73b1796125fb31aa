"""Who may run, who waits, and who is sent away: a bounded queue, first come, first served.

Belongs to the event loop, so it needs no lock.
"""

import asyncio
import math

from camelid.serve.refusals import Refusal


class Slots:
    """So many replies at once, so many more in the queue."""

    def __init__(self, running: int, waiting: int) -> None:
        self.limit, self.most_waiting = running, waiting
        self.running = 0
        self._queue: dict[asyncio.Future[None], None] = {}  # in the order of their coming
        self._usual_s = 1.0  # that a reply holds its slot

    @property
    def waiting(self) -> int:
        """Return how many wait."""
        return len(self._queue)

    def check(self, count: int) -> None:
        """Return if so many more replies find a place, running or waiting.

        Raises Refusal, 429 with a time after which to try again, when they do not; 400 if they never will.
        """
        most = self.limit + self.most_waiting
        if count > most:
            raise Refusal(f"A request may ask for {most} replies in all; found {count}. Ask several times.")
        room = self.limit - self.running + self.most_waiting - self.waiting
        if count > room:
            wait_s = max(1, math.ceil(self._usual_s * (self.waiting + 1) / self.limit))
            raise Refusal(
                f"The server is busy: {self.running} replies run and {self.waiting} wait, of at most "
                f"{self.limit} and {self.most_waiting}. Try again in {wait_s} s.",
                status=429,
                code="rate_limit_exceeded",
                headers={"Retry-After": str(wait_s)},
            )

    async def take(self) -> None:
        """Return when there is a slot, which is then taken."""
        if self.running < self.limit and not self._queue:
            self.running += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._queue[turn] = None
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give()  # the slot came in the very moment we went
            else:
                self._queue.pop(turn, None)  # unless `give` has passed it over
            raise

    def give(self, held_s: float | None = None) -> None:
        """Give a slot back; held_s: for how long it was held."""
        if held_s is not None:
            self._usual_s += 0.1 * (held_s - self._usual_s)
        while self._queue:
            turn = next(iter(self._queue))
            del self._queue[turn]
            if not turn.done():
                turn.set_result(None)  # the slot goes from hand to hand
                return
        self.running -= 1
