"""The queue: first come, first served, bounded, and nothing is lost when somebody leaves."""

import asyncio
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camelid.serve.refusals import Refusal
from camelid.serve.slots import Slots


@types.coroutine
def tick():
    """Let the others have a turn."""
    yield


@given(st.lists(st.sampled_from(["come", "leave", "finish", "both"]), max_size=60), st.integers(1, 3))
def test_as_many_run_as_may_and_in_the_order_of_their_coming(acts, limit):
    async def play():
        slots, waiting, running, served, number = Slots(limit, 100), [], [], [], 0

        async def visit(name):
            await slots.take()
            served.append(name)

        for act in acts:
            if act == "come":
                waiting.append((number, asyncio.create_task(visit(number))))
                number += 1
            elif act == "leave" and waiting:
                waiting.pop(len(waiting) // 2)[1].cancel()
            elif act == "both" and running and waiting:  # who is next leaves in the very moment
                waiting.pop(0)[1].cancel()
                running.pop()
                slots.give(0.5)
            elif act == "finish" and running:
                running.pop()
                slots.give(0.5)
            await tick()
            await tick()
            running += [name for name, task in waiting if task.done()]
            waiting = [(name, task) for name, task in waiting if not task.done()]
            assert slots.running == len(running) <= limit
            assert slots.waiting == len(waiting)
            assert not waiting or len(running) == limit
        assert served == sorted(served)
        for _, task in waiting:
            task.cancel()

    asyncio.run(play())


def test_one_too_many_is_told_when_to_come_again():
    async def play():
        slots = Slots(1, 1)
        await slots.take()
        slots.check(1)
        with pytest.raises(Refusal, match="of at most 1 and 1") as caught:
            slots.check(2)
        assert caught.value.status == 429 and int(caught.value.headers["Retry-After"]) >= 1
        with pytest.raises(Refusal, match="may ask for 2 replies in all; found 3") as caught:
            slots.check(3)
        assert caught.value.status == 400

    asyncio.run(play())


def test_who_leaves_in_the_very_moment_gives_the_slot_on():
    async def play():
        slots = Slots(1, 5)
        await slots.take()
        first, second = (asyncio.create_task(slots.take()) for _ in range(2))
        await tick()
        slots.give()
        first.cancel()
        await asyncio.wait([first, second], timeout=5)
        assert first.cancelled() and second.done() and slots.running == 1

    asyncio.run(play())
