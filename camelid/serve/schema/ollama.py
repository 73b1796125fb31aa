"""Ollama's API. Streams are lines of JSON, and the default."""

from typing import Annotated, Literal

from pydantic import Field

from camelid.serve.schema.chat import Name
from camelid.serve.schema.strict import Choosing, Drawing, Json, Open, Strict, Texts

Count = Annotated[int, Field(ge=-2, lt=2**31)]


class Options(Strict):
    """How tokens are drawn, in Ollama's words; num_ctx, at most what the model has, is of no effect."""

    num_predict: Count | None = None
    num_ctx: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=100)] | None = None
    top_k: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Texts | None = None
    repeat_penalty: Annotated[float, Field(ge=0.01, le=100)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None

    @property
    def drawing(self) -> Drawing:
        """Return how tokens are drawn, in OpenAI's words."""
        return Drawing(
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            min_p=self.min_p,
            seed=self.seed,
            repetition_penalty=self.repeat_penalty,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
        )


class OllamaFunction(Strict):
    """A function: with parameters where it is offered, with arguments where it was called."""

    name: Name
    description: str | None = None
    parameters: Json | None = None


class OllamaTool(Strict):
    """A tool that the model may call."""

    type: Literal["function"] = "function"
    function: OllamaFunction


class OllamaCalled(Strict):
    """A function that was called."""

    name: str
    arguments: Json
    index: int | None = None


class OllamaCall(Strict):
    """A call that the model made."""

    function: OllamaCalled
    id: str | None = None
    type: Literal["function"] | None = None


class OllamaMessage(Strict):
    """A turn."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    tool_calls: list[OllamaCall] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None
    images: Annotated[list[str], Field(max_length=0)] | None = None
    thinking: None = None


class _OllamaRequest(Choosing):
    model: str
    stream: bool | None = None
    format: Literal["", "json"] | Json | None = None
    options: Options | None = None
    keep_alive: str | float | None = Field(None, description="Of no effect: the models stay loaded.")
    think: Literal[False] | None = None


class OllamaChatRequest(_OllamaRequest):
    """A conversation to be answered."""

    messages: Annotated[list[OllamaMessage], Field(min_length=1, max_length=4096)]
    tools: Annotated[list[OllamaTool], Field(max_length=128)] | None = None


class OllamaGenerateRequest(_OllamaRequest):
    """A prompt to be answered; with raw, a text to go on from."""

    prompt: str = ""
    system: str | None = None
    raw: bool | None = None
    suffix: Literal[""] | None = None
    images: Annotated[list[str], Field(max_length=0)] | None = None


class OllamaShowRequest(Strict):
    """A model to be described."""

    model: str
    verbose: bool | None = None


class OllamaReply(Open):
    """An answer, or a piece of one."""

    model: str
    created_at: str
    done: bool


class OllamaTags(Open):
    """What can be asked for."""

    models: list[Json]


class OllamaShown(Open):
    """A model described."""

    details: Json
    model_info: Json
    capabilities: list[str]


class OllamaVersion(Open):
    """The version of camelid."""

    version: str


class OllamaError(Open):
    """Ollama's body of an error."""

    error: str
