"""A reply that two models say: the Alpaca until its first doubtful token, from there the Llama.

What was said is never taken back: the doubtful token is not said, the Llama chooses it. Token ids only.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from camelid.generate.backend import Backend, Tokens
from camelid.generate.engine import TokenStream
from camelid.generate.generation import Reading
from camelid.generate.native_backend import NativeModel
from camelid.generate.sampling import SamplingOptions, SamplingSettings
from camelid.route.features import read_prompt
from camelid.route.router import Router


class Deferring(Iterator[int]):
    """The tokens of such a reply as they come; the Alpaca's request must tell log-probabilities."""

    def __init__(self, alpaca: TokenStream, router: Router, go_on: Callable[[Sequence[int]], Tokens]) -> None:
        """Take the Alpaca's stream; go_on returns the Llama's tokens after those that were said."""
        self._tokens: Tokens = alpaca
        self._alpaca: TokenStream | None = alpaca
        self._router, self._go_on = router, go_on
        self._said: list[int] = []

    def __next__(self) -> int:
        token_id = next(self._tokens)
        if self._alpaca is None:
            return token_id
        logprob = self._alpaca.generation.logprobs[len(self._said)].logprob
        if self._router.doubt([logprob]) is None:
            self._said.append(token_id)
            return token_id
        self._alpaca.close()
        self._alpaca, self._tokens = None, self._go_on(self._said)
        return next(self._tokens)

    def close(self) -> None:
        """End the reply, whoever speaks."""
        self._tokens.close()


def begin(
    alpaca: Backend, prompt: list[int], options: SamplingOptions, *, stop_ids: Iterable[int], told: bool
) -> tuple[TokenStream | None, Reading | None]:
    """Let the Alpaca read a prompt; natively it begins to answer, too, and the stream of that is returned.

    told: its tokens' log-probabilities are needed.

    Raises RequestError for options that cannot be used, ContextTooLongError for too long a prompt.
    """
    if not isinstance(alpaca, NativeModel):
        return None, read_prompt(alpaca, prompt)
    settings = SamplingSettings(**options)
    if told and settings.top_logprobs is None:
        settings = replace(settings, top_logprobs=0)
    engine = alpaca.engine
    tokens = engine.stream(engine.submit(prompt, settings, stop_ids=stop_ids, read=True))
    engine.advance(tokens.generation, 0)
    return tokens, tokens.generation.reading
