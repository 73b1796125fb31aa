"""Every way in, in one table."""

from camelid.serve.core import Core
from camelid.serve.dialects import chat
from camelid.serve.door import Door
from camelid.serve.schema.chat import ChatReply, ChatRequest
from camelid.serve.wire import EVENTS, Whole


async def _health(core: Core) -> Whole:
    return Whole({"status": "ok"})


async def _models(core: Core) -> Whole:
    entries = [
        {"id": name, "object": "model", "created": core.created, "owned_by": "camelid"} for name in core.names
    ]
    return Whole({"object": "list", "data": entries})


DOORS = (
    Door("GET", "/health", "health", "Whether the server works.", _health),
    Door("GET", "/v1/models", "models", "What can be asked for.", _models),
    Door(
        *("POST", "/v1/chat/completions", "chat", "Answer a conversation.", chat.answer),
        takes=ChatRequest,
        gives=ChatReply,
        streams=EVENTS,
    ),
)
