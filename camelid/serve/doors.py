"""Every way in, in one table."""

from datetime import UTC, datetime
from typing import Any

from camelid.serve.core import Core
from camelid.serve.dialects import chat, completions, messages, ollama, responses, words
from camelid.serve.door import Door
from camelid.serve.metrics import TEXT
from camelid.serve.refusals import Refusal
from camelid.serve.schema.chat import ChatReply, ChatRequest
from camelid.serve.schema.completions import (
    CompletionReply,
    CompletionRequest,
    DetokenizeReply,
    DetokenizeRequest,
    EmbeddingReply,
    EmbeddingRequest,
    Health,
    Model,
    Models,
    TokenizeReply,
    TokenizeRequest,
)
from camelid.serve.schema.messages import CountReply, CountRequest, MessagesReply, MessagesRequest
from camelid.serve.schema.ollama import (
    OllamaChatRequest,
    OllamaGenerateRequest,
    OllamaReply,
    OllamaShown,
    OllamaShowRequest,
    OllamaTags,
    OllamaVersion,
)
from camelid.serve.schema.responses import ResponsesReply, ResponsesRequest
from camelid.serve.wire import EVENTS, LINES, Whole


async def _health(core: Core) -> Whole:
    if core.stepper.failure:
        raise Refusal("The engine has stopped; the log says why. Start the server anew.", status=503)
    told = {"status": "ok", "models": list(core.names)}
    return Whole({**told, "running": core.slots.running, "waiting": core.slots.waiting})


async def _metrics(core: Core) -> Whole:
    return Whole(core.metrics.write(), media_type=TEXT)


async def _models(core: Core) -> Whole:
    entries = [_describe(core, name) for name in core.names]
    return Whole({"object": "list", "data": entries, "has_more": False})


async def _model(core: Core, name: str) -> Whole:
    return Whole(_describe(core, core.check_name(name)))


def _describe(core: Core, name: str) -> dict[str, Any]:
    """Return a model in OpenAI's words, and in Anthropic's beside them."""
    told = {"id": name, "object": "model", "created": core.created, "owned_by": "camelid"}
    since = datetime.fromtimestamp(core.created, UTC).isoformat().replace("+00:00", "Z")
    return {**told, "type": "model", "display_name": name, "created_at": since}


DOORS = (
    Door("GET", "/health", "health", "Whether the server works.", _health, gives=Health),
    Door("GET", "/metrics", "metrics", "Figures for Prometheus.", _metrics, text=True),
    Door("GET", "/v1/models", "models", "What can be asked for.", _models, gives=Models),
    Door("GET", "/v1/models/{model}", "model", "One of them.", _model, gives=Model),
    Door(
        *("POST", "/v1/chat/completions", "chat", "Answer a conversation.", chat.answer),
        takes=ChatRequest,
        gives=ChatReply,
        streams=EVENTS,
    ),
    Door(
        *("POST", "/v1/completions", "completions", "Go on with a text.", completions.complete),
        takes=CompletionRequest,
        gives=CompletionReply,
        streams=EVENTS,
    ),
    Door(
        *("POST", "/v1/embeddings", "embeddings", "Put texts into numbers.", words.embed),
        takes=EmbeddingRequest,
        gives=EmbeddingReply,
    ),
    Door(
        *("POST", "/tokenize", "tokenize", "Cut a text into tokens.", words.tokenize),
        takes=TokenizeRequest,
        gives=TokenizeReply,
    ),
    Door(
        *("POST", "/detokenize", "detokenize", "Make a text of tokens.", words.detokenize),
        takes=DetokenizeRequest,
        gives=DetokenizeReply,
    ),
    Door(
        *("POST", "/v1/responses", "responses", "Answer, without keeping anything.", responses.respond),
        takes=ResponsesRequest,
        gives=ResponsesReply,
        streams=EVENTS,
    ),
    Door(
        *("POST", "/v1/messages", "messages", "Answer a conversation, as Anthropic does.", messages.answer),
        takes=MessagesRequest,
        gives=MessagesReply,
        streams=EVENTS,
    ),
    Door(
        *("POST", "/v1/messages/count_tokens", "count_tokens", "Count a prompt's tokens.", messages.count),
        takes=CountRequest,
        gives=CountReply,
    ),
    Door(
        *("POST", "/api/chat", "ollama_chat", "Answer a conversation, as Ollama does.", ollama.chat),
        takes=OllamaChatRequest,
        gives=OllamaReply,
        streams=LINES,
        any_type=True,
    ),
    Door(
        *("POST", "/api/generate", "ollama_generate", "Answer a prompt, as Ollama does.", ollama.generate),
        takes=OllamaGenerateRequest,
        gives=OllamaReply,
        streams=LINES,
        any_type=True,
    ),
    Door(
        "GET", "/api/tags", "ollama_tags", "What Ollama's clients can ask for.", ollama.tags, gives=OllamaTags
    ),
    Door(
        *("POST", "/api/show", "ollama_show", "Describe a model.", ollama.show),
        takes=OllamaShowRequest,
        gives=OllamaShown,
        any_type=True,
    ),
    Door("GET", "/api/version", "ollama_version", "Tell the version.", ollama.version, gives=OllamaVersion),
)
