"""Texts into tokens and back, and into numbers: /tokenize, /detokenize, OpenAI's /v1/embeddings."""

import asyncio
import base64

import numpy as np
from numpy.typing import NDArray

from camelid.errors import ContextTooLongError
from camelid.serve.core import Core, Voice
from camelid.serve.dialects.completions import read_prompts
from camelid.serve.dialects.telling import token_text
from camelid.serve.refusals import Refusal
from camelid.serve.schema.completions import DetokenizeRequest, EmbeddingRequest, TokenizeRequest
from camelid.serve.wire import Whole


async def tokenize(core: Core, body: TokenizeRequest) -> Whole:
    """Return the tokens of a text, with no special token among them."""
    tokens = await core.encode(body.model or "", body.text)
    told = {"tokens": tokens, "count": len(tokens), "context": core.context}
    if body.with_pieces:
        tokenizer = core.tokenizer_of(body.model or "")
        told["pieces"] = [{"id": token, "piece": token_text(tokenizer, token)} for token in tokens]
    return Whole(told)


async def detokenize(core: Core, body: DetokenizeRequest) -> Whole:
    """Return the text of tokens, special ones written out.

    Raises Refusal for a token that the model does not have.
    """
    tokenizer = core.tokenizer_of(body.model or "")
    size = tokenizer.vocab_size
    stranger = next((token for token in body.tokens if token >= size), None)
    if stranger is not None:
        raise Refusal(f"Tokens lie between 0 and {size - 1}; found {stranger}.", param="tokens")
    return Whole({"text": tokenizer.decode(body.tokens, skip_special=False)})


async def embed(core: Core, body: EmbeddingRequest) -> Whole:
    """Return texts in numbers: the mean of a model's last hidden states, made to have length 1.

    Raises Refusal for a model that is none by itself, other dimensions than it has, or a text that is empty
    or too long.
    """
    voice = _choose(core, body.model)
    width = voice.model.config.hidden_size
    if body.dimensions not in (None, width):
        raise Refusal(
            f"{voice.name} has {width} dimensions; found {body.dimensions}. Leave it out.", param="dimensions"
        )
    if body.input == "" or (isinstance(body.input, list) and "" in body.input):
        raise Refusal("input must hold text; found an empty one.", param="input")
    prompts = await read_prompts(core, body.model, body.input)
    for prompt in prompts:
        if len(prompt) > voice.model.context:
            raise ContextTooLongError(
                f"A text has {len(prompt)} tokens; the context of {voice.model.context} must hold it. Cut it."
            )
    core.slots.check(1)
    await core.slots.take()
    try:
        found = [await asyncio.to_thread(_embed, voice, prompt) for prompt in prompts]
    finally:
        core.slots.give()
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": _pack(numbers) if body.encoding_format == "base64" else numbers.tolist(),
        }
        for index, numbers in enumerate(found)
    ]
    count = sum(map(len, prompts))
    usage = {"prompt_tokens": count, "total_tokens": count}
    return Whole({"object": "list", "data": data, "model": body.model, "usage": usage})


def _choose(core: Core, name: str) -> Voice:
    known = core.check_name(name)
    if known not in core.voices:
        raise Refusal(
            f"Embeddings come from one model: ask {' or '.join(core.voices)}; found {name!r}.", param="model"
        )
    return core.voices[known]


def _embed(voice: Voice, prompt: list[int]) -> NDArray[np.float32]:
    mean = voice.model.hidden(prompt, adapter=voice.adapter).mean(axis=0, dtype=np.float64)
    numbers: NDArray[np.float32] = (mean / max(np.linalg.norm(mean), 1e-12)).astype(np.float32)
    return numbers


def _pack(numbers: NDArray[np.float32]) -> str:
    return base64.b64encode(numbers.astype("<f4").tobytes()).decode("ascii")
