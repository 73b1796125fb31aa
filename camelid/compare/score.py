"""What came of asking one item: the answer, how good it is, and what it took."""

from dataclasses import dataclass, field
from typing import Any, Literal

from camelid.generate.generation import Reading

Finish = Literal["stop", "length", "chosen", "read", "too long"]


@dataclass(frozen=True)
class Score:
    """One model's answer to one item.

    item: the item's id. quality: by the task's first metric, of this item alone, from 0 (worst) to 1.
    reply: what was generated, or chosen. finish: "stop" when the model ended its answer, "length" when it
        was cut, "too long" when the prompt did not fit in the context and nothing could be asked.
    prompt_tokens, tokens: of the prompt, and of the reply.
    first_token_s, seconds: until the first token and the last; when many are asked at once, from the moment
        that this one's turn came, and the others' work is in it. 0 for what was only read or chosen.
    nats, num_bytes: what reading the target (or the document) took, and its size; 0 when it was not read.
    logprobs: of the choices, in their order; of a reply's tokens, where they were asked for.
    reading: what the model read in the prompt, where that was asked for; it is not kept on disk.
    """

    item: str
    quality: float = 0.0
    reply: str = ""
    finish: Finish = "stop"
    prompt_tokens: int = 0
    tokens: int = 0
    first_token_s: float = 0.0
    seconds: float = 0.0
    nats: float = 0.0
    num_bytes: int = 0
    logprobs: tuple[float, ...] = ()
    reading: Reading | None = field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the score as plain values, without the reading."""
        return {key: value for key, value in vars(self).items() if key != "reading"}

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> "Score":
        """Return a score from plain values, as `to_dict` gives them."""
        return cls(**{**table, "logprobs": tuple(table.get("logprobs", ()))})
