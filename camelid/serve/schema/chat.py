"""OpenAI's chat completions."""

from typing import Annotated, Literal

from pydantic import Field

from camelid.serve.schema.strict import (
    Account,
    Choosing,
    Drawing,
    Indifferent,
    Json,
    Open,
    StreamOptions,
    Strict,
    TextPart,
    Texts,
)

Content = str | Annotated[list[TextPart], Field(min_length=1)]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")]


class CalledFunction(Strict):
    """What was called, with its arguments as JSON."""

    name: str
    arguments: str


class ToolCall(Strict):
    """A call that the assistant made."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction
    index: int | None = None


class SystemMessage(Strict):
    """What the model is told; "developer" is the same by another name."""

    role: Literal["system", "developer"]
    content: Content


class UserMessage(Strict):
    """A user's turn."""

    role: Literal["user"]
    content: Content


class AssistantMessage(Strict):
    """A turn of the model's; what its own replies have beside the content may come back as null."""

    role: Literal["assistant"]
    content: Content | None = None
    tool_calls: list[ToolCall] | None = None
    refusal: None = None
    audio: None = None
    annotations: None = None
    function_call: None = None


class ToolMessage(Strict):
    """What a tool gave back. tool_call_id and name are accepted; the order tells which call it answers."""

    role: Literal["tool"]
    content: Content
    tool_call_id: str
    name: str | None = None


ChatMessage = Annotated[
    SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")
]


class FunctionSpec(Strict):
    """A function that the model may call."""

    name: Name
    description: str | None = None
    parameters: Json | None = None
    strict: bool | None = None


class Tool(Strict):
    """A tool; functions are the only kind."""

    type: Literal["function"]
    function: FunctionSpec


class NamedFunction(Strict):
    """A function by its name."""

    name: str


class NamedTool(Strict):
    """The tool that must be called."""

    type: Literal["function"]
    function: NamedFunction


class TextFormat(Strict):
    """Any text."""

    type: Literal["text"]


class ObjectFormat(Strict):
    """A JSON object."""

    type: Literal["json_object"]


class JsonSchema(Strict):
    """A JSON schema and what it is called."""

    name: Name
    description: str | None = None
    schema_: Json = Field(default_factory=dict, alias="schema")
    strict: bool | None = None


class SchemaFormat(Strict):
    """JSON that matches a schema."""

    type: Literal["json_schema"]
    json_schema: JsonSchema


ResponseFormat = Annotated[TextFormat | ObjectFormat | SchemaFormat, Field(discriminator="type")]


class ChatRequest(Drawing, Choosing, Indifferent):
    """A conversation to be answered."""

    model: str
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=4096)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    stop: Texts | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    modalities: list[Literal["text"]] | None = None
    store: Literal[False] | None = None


class Usage(Open):
    """Tokens of prompt and reply."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ReplyMessage(Open):
    """What the model said."""

    role: Literal["assistant"]
    content: str | None


class ChatChoice(Open):
    """One of the replies."""

    index: int
    message: ReplyMessage
    finish_reason: Literal["stop", "length", "tool_calls"]


class ChatReply(Open):
    """The answer to a conversation."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage
    camelid: Account
