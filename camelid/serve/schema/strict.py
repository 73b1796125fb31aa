"""What every request has in common: unknown fields are errors, and types are not guessed."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Texts = str | Annotated[list[str], Field(max_length=64)]


class Strict(BaseModel):
    """A request, or a part of one."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Open(BaseModel):
    """A reply, or a part of one; described, not enforced."""

    model_config = ConfigDict(extra="allow")


class Drawing(Strict):
    """How tokens are drawn: what OpenAI has, and what it lacks."""

    temperature: Annotated[float, Field(ge=0, le=100, description="0 takes the likeliest token.")] | None = (
        None
    )
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, le=2**31 - 1, description="0 for all. Not OpenAI's.")] | None = None
    min_p: Annotated[float, Field(ge=0, le=1, description="Not OpenAI's.")] | None = None
    repetition_penalty: Annotated[float, Field(ge=0.01, le=100, description="Not OpenAI's.")] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None


class Choosing(Strict):
    """Camelid's own fields: how the two models work together."""

    dial: (
        Annotated[float, Field(ge=0, le=1, description="For blend and llama: 1 the Llama's own words.")]
        | None
    ) = None
    max_quality_loss: Annotated[float, Field(ge=0, le=1, description="For auto.")] | None = None


class Indifferent(Strict):
    """OpenAI's fields that change nothing in a reply: accepted, and of no effect here."""

    user: str | None = None
    metadata: dict[str, str] | None = None
    service_tier: Literal["auto", "default", "flex", "priority", "scale"] | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None


class TextPart(Strict):
    """A part of a content; this server reads text only."""

    type: Literal["text"]
    text: str


class StreamOptions(Strict):
    """What comes with a stream."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Account(Open):
    """What camelid tells besides: who answered and why, and what it took."""

    model: str
    reason: str
    drafted: int = 0
    accepted: int = 0
    reused_tokens: int = 0
    first_token_ms: float | None = None
    total_ms: float | None = None


class ErrorDetail(Open):
    """OpenAI's error."""

    message: str
    type: str
    param: str | None
    code: str | None


class Error(Open):
    """OpenAI's body of an error."""

    error: ErrorDetail


Json = dict[str, Any]
