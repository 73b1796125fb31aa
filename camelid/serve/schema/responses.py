"""OpenAI's responses, without state: what came before is sent along."""

from typing import Annotated, Any, Literal

from pydantic import Field

from camelid.serve.schema.chat import Name
from camelid.serve.schema.strict import Account, Choosing, Drawing, Indifferent, Json, Open, Strict


class InputText(Strict):
    """A text that goes in; a text that came out may be given back as it was."""

    type: Literal["input_text", "output_text", "text"]
    text: str
    annotations: list[Any] | None = None
    logprobs: list[Any] | None = None


class InputMessage(Strict):
    """A turn."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[InputText]
    id: str | None = None
    status: Literal["in_progress", "completed", "incomplete"] | None = None
    phase: None = None


class CalledFunction(Strict):
    """A call that the model made."""

    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    id: str | None = None
    status: Literal["in_progress", "completed", "incomplete"] | None = None


class CallOutput(Strict):
    """What a call gave."""

    type: Literal["function_call_output"]
    call_id: str
    output: str | list[InputText]
    id: str | None = None
    status: Literal["in_progress", "completed", "incomplete"] | None = None


InputItem = InputMessage | CalledFunction | CallOutput


class FunctionTool(Strict):
    """A function that the model may call."""

    type: Literal["function"]
    name: Name
    description: str | None = None
    parameters: Json | None = None
    strict: bool | None = None


class FunctionChoice(Strict):
    """The function that must be called."""

    type: Literal["function"]
    name: str


class PlainFormat(Strict):
    """Any text."""

    type: Literal["text"]


class ObjectFormat(Strict):
    """A JSON object."""

    type: Literal["json_object"]


class SchemaFormat(Strict):
    """JSON that matches a schema."""

    type: Literal["json_schema"]
    name: Name
    schema_: Json = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


class TextWish(Strict):
    """What the text must look like."""

    format: Annotated[PlainFormat | ObjectFormat | SchemaFormat, Field(discriminator="type")] | None = None


class ResponsesRequest(Choosing, Indifferent):
    """What is to be answered."""

    model: str
    input: str | Annotated[list[InputItem], Field(min_length=1, max_length=4096)]
    instructions: str | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=100)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    stream: bool | None = None
    text: TextWish | None = None
    tools: Annotated[list[FunctionTool], Field(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | FunctionChoice | None = None
    parallel_tool_calls: bool | None = None
    truncation: Literal["disabled"] | None = None
    store: Literal[False] | None = None
    background: Literal[False] | None = None
    include: Annotated[list[str], Field(max_length=0)] | None = None
    previous_response_id: None = None
    conversation: None = None
    reasoning: None = None

    @property
    def drawing(self) -> Drawing:
        """Return how its tokens are drawn."""
        return Drawing(temperature=self.temperature, top_p=self.top_p)


class ResponsesUsage(Open):
    """Tokens that went in and came out."""

    input_tokens: int
    output_tokens: int
    total_tokens: int


class ResponsesReply(Open):
    """The answer."""

    id: str
    object: Literal["response"]
    created_at: float
    status: Literal["completed", "incomplete"]
    model: str
    output: list[Json]
    usage: ResponsesUsage
    camelid: Account
