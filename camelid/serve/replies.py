"""All replies to one request: begun together, read one by one or as they come, closed in any case."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator

from camelid.serve.core import Ask, Core
from camelid.serve.reply import Reply


class Replies:
    """`n` replies to one request, that differ in their seed alone."""

    def __init__(self, core: Core, ask: Ask, n: int = 1) -> None:
        self.core, self.ask, self.n = core, ask, n
        self.all: list[Reply] = []
        self.prompt_tokens = 0
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def first(self) -> Reply:
        """Return the first of them."""
        return self.all[0]

    @property
    def completion_tokens(self) -> int:
        """Return how many tokens they took together."""
        return sum(reply.completion_tokens for reply in self.all)

    async def begin(self) -> None:
        """Return when the first reply is being computed.

        Raises Refusal or RequestError when it cannot be; nothing is held then.
        """
        self.core.check_name(self.ask.model)
        self.core.slots.check(self.n)
        prompt = await self.core.render(self.ask)
        self.prompt_tokens = len(prompt)
        self.all = [Reply(self.core, self._vary(index), prompt, index) for index in range(self.n)]
        try:
            await self.first.begin()
        except BaseException:
            self.close()
            raise

    async def pieces(self) -> AsyncIterator[tuple[Reply, str]]:
        """Yield the pieces of all replies as they come, each with whose it is."""
        if self.n == 1:
            while (text := await self.first.read()) is not None:
                yield self.first, text
            return
        async for item in self._merge():
            yield item

    async def finish(self) -> None:
        """Return when all replies have ended."""
        async for _ in self.pieces():
            pass

    def close(self) -> None:
        """Free what they have."""
        for task in self._tasks:
            task.cancel()
        for reply in self.all:
            reply.close()

    def _vary(self, index: int) -> Ask:
        seed = self.ask.settings.seed
        if index == 0 or seed is None:
            return self.ask
        settings = dataclasses.replace(self.ask.settings, seed=(seed + index) % 2**64)
        return dataclasses.replace(self.ask, settings=settings)

    async def _merge(self) -> AsyncIterator[tuple[Reply, str]]:
        queue: asyncio.Queue[tuple[Reply, str] | BaseException | None] = asyncio.Queue(self.n)
        self._tasks = [asyncio.create_task(self._pump(reply, queue)) for reply in self.all]
        running = self.n
        while running:
            item = await queue.get()
            if item is None:
                running -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                yield item

    async def _pump(
        self, reply: Reply, queue: "asyncio.Queue[tuple[Reply, str] | BaseException | None]"
    ) -> None:
        try:
            if reply is not self.first:
                await reply.begin()
            while (text := await reply.read()) is not None:
                await queue.put((reply, text))
            await queue.put(None)
        except Exception as error:
            with contextlib.suppress(asyncio.CancelledError):
                await queue.put(error)
