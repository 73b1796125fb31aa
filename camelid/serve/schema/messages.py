"""Anthropic's messages."""

from typing import Annotated, Literal

from pydantic import Field

from camelid.serve.schema.chat import Name
from camelid.serve.schema.strict import Account, Choosing, Drawing, Json, Open, Strict


class CacheControl(Strict):
    """What Anthropic would keep; here whatever was read is kept anyway."""

    type: Literal["ephemeral"]
    ttl: str | None = None


class TextBlock(Strict):
    """A text."""

    type: Literal["text"]
    text: str
    cache_control: CacheControl | None = None
    citations: None = None


class ToolUseBlock(Strict):
    """A call that the model made."""

    type: Literal["tool_use"]
    id: str
    name: str
    input: Json
    cache_control: CacheControl | None = None
    caller: Json | None = None


class ToolResultBlock(Strict):
    """What a call gave; tool_use_id is accepted, the order tells which call it answers."""

    type: Literal["tool_result"]
    tool_use_id: str
    content: str | list[TextBlock] | None = None
    is_error: bool | None = None
    cache_control: CacheControl | None = None


Block = Annotated[TextBlock | ToolUseBlock | ToolResultBlock, Field(discriminator="type")]


class MessagesTurn(Strict):
    """A turn."""

    role: Literal["user", "assistant"]
    content: str | Annotated[list[Block], Field(min_length=1)]


class MessagesTool(Strict):
    """A tool that the model may use."""

    type: Literal["custom"] | None = None
    name: Name
    description: str | None = None
    input_schema: Json
    cache_control: CacheControl | None = None
    strict: bool | None = None


class MessagesToolChoice(Strict):
    """Whether a tool is used; "tool" needs its name."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Metadata(Strict):
    """Who asks; of no effect here."""

    user_id: str | None = None


class NoThinking(Strict):
    """These models do not think aloud."""

    type: Literal["disabled"]


class CountRequest(Strict):
    """A conversation whose tokens are to be counted."""

    model: str
    messages: Annotated[list[MessagesTurn], Field(min_length=1, max_length=4096)]
    system: str | list[TextBlock] | None = None
    tools: Annotated[list[MessagesTool], Field(max_length=128)] | None = None
    tool_choice: MessagesToolChoice | None = None
    thinking: NoThinking | None = None


class MessagesRequest(CountRequest, Choosing):
    """A conversation to be answered."""

    max_tokens: Annotated[int, Field(ge=1)]
    stop_sequences: Annotated[list[str], Field(max_length=64)] | None = None
    stream: bool | None = None
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    metadata: Metadata | None = None
    service_tier: Literal["auto", "standard_only"] | None = None

    @property
    def drawing(self) -> Drawing:
        """Return how its tokens are drawn."""
        return Drawing(temperature=self.temperature, top_p=self.top_p, top_k=self.top_k)


class CountReply(Open):
    """How many tokens the prompt has."""

    input_tokens: int


class MessagesUsage(Open):
    """Tokens that went in and came out."""

    input_tokens: int
    output_tokens: int


class MessagesReply(Open):
    """The answer."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[Json]
    stop_reason: Literal["end_turn", "max_tokens", "stop_sequence", "tool_use"]
    stop_sequence: str | None
    usage: MessagesUsage
    camelid: Account


class MessagesErrorDetail(Open):
    """What went wrong."""

    type: str
    message: str


class MessagesError(Open):
    """Anthropic's body of an error."""

    type: Literal["error"]
    error: MessagesErrorDetail
