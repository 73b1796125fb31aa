"""What a backend is: a loaded model that takes and gives token ids."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, Unpack

import numpy as np
from numpy.typing import NDArray

from camelid.errors import ContextTooLongError, RequestError, suggest
from camelid.generate.sampling import SamplingOptions
from camelid.model.config import DecoderConfig


class Tokens(Iterator[int], Protocol):
    """The tokens of a reply as they come."""

    def close(self) -> None:
        """End the reply, and free what it has; no more tokens come."""


class Backend(Protocol):
    """A loaded model, whatever computes it. Every backend documents the same promises as `TorchModel`."""

    config: DecoderConfig
    dtype: str  # what it computes in, such as "float32"
    device: str  # where, such as "cpu"
    adapters: tuple[str, ...]  # what a request may ask for, by name

    @property
    def vocab_size(self) -> int:
        """Return how many tokens the model knows."""
        return self.config.vocab_size

    @property
    def context(self) -> int:
        """Return how many tokens prompt and reply may have together."""
        return self.config.max_position_embeddings

    @property
    def weight_bytes(self) -> int:
        """Return the memory that the weights take, in bytes."""

    @property
    def cache_bytes(self) -> int:
        """Return the memory that the key/value cache of one full context takes, in bytes."""

    def generate(
        self,
        token_ids: Sequence[int],
        *,
        stop_ids: Sequence[int] = (),
        dial: float = 1.0,
        adapter: str = "",
        **options: Unpack[SamplingOptions],
    ) -> Tokens:
        """Yield the tokens that follow `token_ids`, each as soon as it is known."""

    def logits(self, token_ids: Sequence[int], *, adapter: str = "") -> NDArray[np.float32]:
        """Return the logits after each token, (T, V), float32."""

    def hidden(self, token_ids: Sequence[int], *, adapter: str = "") -> NDArray[np.float32]:
        """Return the states after the final norm, (T, D), float32: what the head reads."""


def check_tokens(token_ids: Iterable[int], vocab_size: int) -> list[int]:
    """Return a prompt as a list of whole numbers.

    Raises RequestError when it is empty or has tokens that the model does not know.
    """
    prompt = [int(token_id) for token_id in token_ids]
    if not prompt:
        raise RequestError("A prompt must hold at least one token; found none. Begin with the bos token.")
    if not 0 <= min(prompt) <= max(prompt) < vocab_size:
        stranger = next(token_id for token_id in prompt if not 0 <= token_id < vocab_size)
        raise RequestError(
            f"Token ids must lie between 0 and {vocab_size - 1}; found {stranger}. "
            "Use the tokenizer that the model came with."
        )
    return prompt


def check_adapter(name: str, known: Iterable[str]) -> None:
    """Check that a model has the adapter that a request names, "" for none.

    Raises RequestError when it has not.
    """
    names = list(known)
    if name and not names:
        raise RequestError(f"There is no adapter {name!r}: the model was loaded without any.")
    if name and name not in names:
        raise RequestError(f"There is no adapter {name!r} here.{suggest(name, names)}")


def check_length(prompt: Sequence[int], context: int) -> None:
    """Check that a text to be read fits.

    Raises ContextTooLongError when it does not.
    """
    if len(prompt) > context:
        raise ContextTooLongError(f"{len(prompt)} tokens do not fit in a context of {context}.")


def room_for(prompt_tokens: int, max_tokens: int, context: int) -> int:
    """Return how many tokens a reply can have.

    Raises ContextTooLongError when there is no room for any.
    """
    if prompt_tokens + 1 > context:
        raise ContextTooLongError(
            f"The prompt has {prompt_tokens} tokens; the context of {context} must hold it and at least "
            "one token more. Shorten the prompt, or leave out earlier messages."
        )
    return min(max_tokens, context - prompt_tokens)
