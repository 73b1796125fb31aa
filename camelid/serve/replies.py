"""All replies to one request: begun together, read one by one or as they come, closed in any case."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Sequence

from camelid.serve.core import Ask, Core
from camelid.serve.reply import Reply
from camelid.serve.visit import VISIT
from camelid.text.tokenizer import Tokenizer


class Replies:
    """`n` replies to each of several prompts; those to one differ in their seed alone."""

    def __init__(self, core: Core, asks: Sequence[Ask], n: int = 1) -> None:
        self.core, self.asks, self.n = core, asks, n
        self.all: list[Reply] = []
        self.prompt_tokens = 0
        self._tasks: list[asyncio.Task[None]] = []
        if visit := VISIT.get():
            visit.replies = self

    @property
    def first(self) -> Reply:
        """Return the first of them."""
        return self.all[0]

    @property
    def tokenizer(self) -> Tokenizer:
        """Return the tokenizer of the model that was asked."""
        return self.core.tokenizer_of(self.asks[0].model)

    @property
    def completion_tokens(self) -> int:
        """Return how many tokens they took together."""
        return sum(reply.completion_tokens for reply in self.all)

    async def begin(self) -> None:
        """Return when the first reply is being computed.

        Raises Refusal or RequestError when it cannot be; nothing is held then.
        """
        for ask in self.asks:
            self.core.choose(ask)
        self.core.slots.check(self.n * len(self.asks))
        for ask in self.asks:
            prompt = await self.core.render(ask)
            self.prompt_tokens += len(prompt)
            for number in range(self.n):
                self.all.append(Reply(self.core, _vary(ask, number), prompt, len(self.all)))
        try:
            await self.first.begin()
        except BaseException:
            self.close()
            raise

    async def pieces(self) -> AsyncIterator[tuple[Reply, str]]:
        """Yield the pieces of all replies as they come, each with whose it is."""
        if len(self.all) == 1:
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

    async def _merge(self) -> AsyncIterator[tuple[Reply, str]]:
        queue: asyncio.Queue[tuple[Reply, str] | BaseException | None] = asyncio.Queue(len(self.all))
        self._tasks = [asyncio.create_task(self._pump(reply, queue)) for reply in self.all]
        running = len(self.all)
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


def _vary(ask: Ask, number: int) -> Ask:
    seed = ask.settings.seed
    if number == 0 or seed is None:
        return ask
    settings = dataclasses.replace(ask.settings, seed=(seed + number) % 2**64)
    return dataclasses.replace(ask, settings=settings)
