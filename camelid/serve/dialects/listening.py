"""One reply as text and calls, piece by piece: what the dialects with typed events have in common."""

from collections.abc import AsyncIterator

from camelid.serve.core import Ask, Core
from camelid.serve.replies import Replies
from camelid.serve.reply import Reply
from camelid.serve.toolbox import Call, Heard, Toolbox, hear


class Listening:
    """A request of one reply; `begin`, then `heard` or `whole`, then `close` in any case."""

    def __init__(self, core: Core, ask: Ask, toolbox: Toolbox) -> None:
        self.replies = Replies(core, [ask])
        self._toolbox = toolbox

    @property
    def reply(self) -> Reply:
        """Return the reply."""
        return self.replies.first

    async def begin(self) -> None:
        """Return when the reply is being computed; see `Replies.begin`."""
        await self.replies.begin()

    def close(self) -> None:
        """Free what the reply has."""
        self.replies.close()

    async def heard(self) -> AsyncIterator[Heard]:
        """Yield texts and calls as they come."""
        reader = self._toolbox.reader()
        async for reply, text in self.replies.pieces():
            for heard in reader.push(text):
                yield heard
            if reply.finish:
                for heard in reader.flush(whole=reply.whole):
                    yield heard

    async def whole(self) -> tuple[str, Call | None]:
        """Return the text of the reply, or the call that it makes."""
        try:
            await self.replies.finish()
            return hear(self._toolbox, self.reply.wording.text, whole=self.reply.whole)
        finally:
            self.close()
