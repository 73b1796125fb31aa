"""OpenAI's completions, embeddings and models; texts into tokens and back."""

from typing import Annotated, Literal

from pydantic import Field

from camelid.serve.schema.chat import Usage
from camelid.serve.schema.strict import (
    Account,
    Choosing,
    Drawing,
    Indifferent,
    Json,
    Open,
    StreamOptions,
    Strict,
    Texts,
)

TokenId = Annotated[int, Field(ge=0, lt=2**31)]
Prompt = (
    str
    | Annotated[list[str], Field(min_length=1, max_length=128)]
    | Annotated[list[TokenId], Field(min_length=1)]
    | Annotated[list[Annotated[list[TokenId], Field(min_length=1)]], Field(min_length=1, max_length=128)]
)


class CompletionRequest(Drawing, Choosing, Indifferent):
    """A text to go on from."""

    model: str
    prompt: Prompt
    max_tokens: Annotated[int, Field(ge=1)] | None = 16
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    stop: Texts | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    echo: bool | None = None
    suffix: None = None
    best_of: Literal[1] | None = None


class CompletionChoice(Open):
    """How one text goes on."""

    index: int
    text: str
    logprobs: Json | None
    finish_reason: Literal["stop", "length"]


class CompletionReply(Open):
    """How the texts go on."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: Usage
    camelid: Account


class EmbeddingRequest(Strict):
    """Texts to be put into numbers."""

    model: str
    input: Prompt
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1)] | None = None
    user: str | None = None


class Embedding(Open):
    """One text in numbers, of length 1; or their float32s in base64."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingReply(Open):
    """Texts in numbers."""

    object: Literal["list"]
    data: list[Embedding]
    model: str


class TokenizeRequest(Strict):
    """A text to be cut into tokens."""

    text: str
    model: str | None = None
    with_pieces: bool | None = None


class Piece(Open):
    """A token, and its bytes as text where they are text."""

    id: int
    piece: str


class TokenizeReply(Open):
    """The tokens of a text; context is how many a prompt and its reply may have."""

    tokens: list[int]
    count: int
    context: int
    pieces: list[Piece] | None = None


class DetokenizeRequest(Strict):
    """Tokens to be made a text."""

    tokens: list[TokenId]
    model: str | None = None


class DetokenizeReply(Open):
    """The text of tokens."""

    text: str


class Model(Open):
    """What can be asked for."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class Models(Open):
    """All that can be asked for."""

    object: Literal["list"]
    data: list[Model]


class Health(Open):
    """Whether the server works."""

    status: Literal["ok"]
    models: list[str]
    running: int
    waiting: int
