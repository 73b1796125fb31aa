"""One model folder that takes and gives text: a speaker, its streams and its replies."""

import copy
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Unpack

from camelid.errors import RequestError, TokenizerError
from camelid.generate.backend import Backend, Tokens, room_for
from camelid.generate.load import LoadOptions, load_model
from camelid.generate.native_backend import NativeModel
from camelid.generate.sampling import SamplingOptions, SamplingSettings
from camelid.model.config import DecoderConfig
from camelid.model.folder import read_config
from camelid.route.router import Decision
from camelid.text.chat import render_chat
from camelid.text.records import Message
from camelid.text.tokenizer import Tokenizer, check_tokenizer_fits

Messages = str | Sequence[Message | Mapping[str, Any]]
FinishReason = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True)
class Reply:
    """What a model answered.

    model: "llama" or "alpaca"; for a model outside a pair its folder's name.
    finish_reason: "stop" when the model ended its turn, "length" when max_tokens or the context ended it,
        "cancelled" when the caller did.
    first_token_s, total_s: seconds the model took for its first token and in all, loading not counted.
    decision: who was chosen for it, and why; None from a model that was not asked through its pair. Where the
        Llama went on after the Alpaca's first words, the model is "llama" and the decision says from where.
    """

    text: str
    model: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    first_token_s: float
    total_s: float
    decision: Decision | None = None

    @property
    def tokens_per_s(self) -> float:
        """Return the speed after the first token; 0 when there was no second."""
        seconds = self.total_s - self.first_token_s
        return (self.completion_tokens - 1) / seconds if self.completion_tokens > 1 and seconds > 0 else 0.0


class Stream(Iterator[str]):
    """The pieces of a reply as they come, never with a broken character; the whole reply when they end.

    goes_on: whether the reply is the rest of the prompt's text.
    """

    def __init__(
        self,
        speaker: "Speaker",
        prompt: list[int],
        options: SamplingOptions,
        since: float,
        dial: float = 1.0,
        *,
        decision: Decision | None = None,
        tokens: Tokens | None = None,
        goes_on: bool = False,
    ) -> None:
        settings = SamplingSettings(**options)
        self.prompt_tokens = len(prompt)
        self.decision = decision
        self._name = speaker.name
        self._limit = room_for(len(prompt), settings.max_tokens, speaker.model.context)
        self._tokens = tokens or speaker.model.generate(
            prompt, stop_ids=speaker.tokenizer.stop_ids, dial=dial, adapter=speaker.adapter, **options
        )
        self._decoder = speaker.tokenizer.decoder(after=prompt if goes_on else ())
        self._pieces: list[str] = []
        self._num_tokens = 0
        self._finish: FinishReason | None = None
        self._first_token_s = 0.0
        self._total_s = time.perf_counter() - since

    def __next__(self) -> str:
        while self._finish is None:
            piece = self._step()
            if piece:
                self._pieces.append(piece)
                return piece
        raise StopIteration

    @property
    def reply(self) -> Reply:
        """Return the whole reply.

        Raises RequestError while the stream has not ended.
        """
        if self._finish is None:
            raise RequestError(
                "The reply is whole when the stream has ended. Read the stream to its end, or stop() it."
            )
        return Reply(
            "".join(self._pieces),
            self.decision.model if self.decision else self._name,
            self._finish,
            self.prompt_tokens,
            self._num_tokens,
            self._first_token_s,
            self._total_s,
            self.decision,
        )

    def hand_over(self, tokens: Tokens) -> None:
        """Take the tokens to come from elsewhere."""
        self._tokens = tokens

    def stop(self) -> Reply:
        """End the reply here, and return what there is of it."""
        self._finish = self._finish or "cancelled"
        self._tokens.close()
        return self.reply

    def _step(self) -> str:
        """Take one token, or end; return the text that this completes."""
        started = time.perf_counter()
        token_id = next(self._tokens, None)
        self._total_s += time.perf_counter() - started
        if self._num_tokens == 0:
            self._first_token_s = self._total_s
        if token_id is None:
            self._finish = "length" if self._num_tokens == self._limit else "stop"
            return self._decoder.flush()
        self._num_tokens += 1
        return self._decoder.push(token_id)


class Speaker:
    """One model folder that takes and gives text; adapter: what changes it, "" for nothing."""

    adapter = ""
    _source: "Speaker | None" = None  # whose model an adapted one shares

    def __init__(
        self,
        folder: Path | str,
        *,
        name: str = "",
        fingerprint: str = "",
        guesser: "Speaker | None" = None,
        **loading: Unpack[LoadOptions],
    ) -> None:
        """Check that the folder is a model's; tokenizer and weights are read when first needed.

        name: what its replies are signed with. fingerprint: what the tokenizer's must be, if given. guesser:
            who guesses ahead, if both are loaded natively. loading: the options of `load_model`.

        Raises CheckpointError when the folder is no model folder.
        """
        self.folder = Path(folder)
        self.name = name or self.folder.resolve().name
        self.config: DecoderConfig = read_config(folder)
        self._fingerprint = fingerprint
        self._guesser, self._loading_options = guesser, loading
        self._loading = threading.Lock()
        self._model: Backend | None = None

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer.

        Raises TokenizerError when it is missing, broken, or belongs to another model.
        """
        tokenizer = Tokenizer.load(self.folder)
        tokenizer.decoder()  # makes its tables
        check_tokenizer_fits(tokenizer, self.config.vocab_size)
        if self._fingerprint not in ("", tokenizer.fingerprint):
            raise TokenizerError(
                f"The tokenizer in {self.folder} is not the one that its pair was raised with "
                f"({tokenizer.fingerprint}, not {self._fingerprint}). Copy the whole pair folder anew."
            )
        return tokenizer

    def adapted(self, name: str) -> "Speaker":
        """Return who speaks by the same model with one of the adapters that it is loaded with."""
        other = copy.copy(self)
        other.name = other.adapter = name
        other._source = self
        return other

    @property
    def model(self) -> Backend:
        """The model, loaded when this is first read.

        Raises CheckpointError when it cannot be.
        """
        if self._source:
            return self._source.model
        with self._loading:
            if self._model is None:
                model = load_model(self.folder, **self._loading_options)
                self._let_guess(model)
                next(model.generate([0] * min(8, model.context - 1)))  # libraries are slow the first time
                self._model = model
            return self._model

    def _let_guess(self, model: Backend) -> None:
        other = self._guesser.model if self._guesser and isinstance(model, NativeModel) else None
        if isinstance(other, NativeModel):
            model.let_guess(other)  # type: ignore[attr-defined]

    def load(self) -> None:
        """Read tokenizer and weights now, so that the first answer need not wait for them.

        Raises TokenizerError or CheckpointError when they cannot be.
        """
        _ = self.tokenizer, self.model

    def count_tokens(self, messages: Messages) -> int:
        """Return how many tokens the prompt for an answer to `messages` has."""
        return len(render_chat(self.tokenizer, messages, add_generation_prompt=True))

    def stream(self, messages: Messages, *, dial: float = 1.0, **options: Unpack[SamplingOptions]) -> Stream:
        """Return the answer to `messages`, piece by piece; the options are those of `SamplingSettings`.

        dial: how strictly guesses are verified; see `Pair.stream`.

        Raises RequestError for messages or options that cannot be used, ContextTooLongError when the
        messages fill the context.
        """
        self.load()
        since = time.perf_counter()
        prompt = render_chat(self.tokenizer, messages, add_generation_prompt=True)
        return Stream(self, prompt, options, since, dial)

    def reply(self, messages: Messages, *, dial: float = 1.0, **options: Unpack[SamplingOptions]) -> Reply:
        """Return the answer to `messages`; see `stream`."""
        return read_all(self.stream(messages, dial=dial, **options))

    def continue_text(self, text: str, **options: Unpack[SamplingOptions]) -> Stream:
        """Return how a document that begins with `text` goes on, piece by piece; see `stream`."""
        self.load()
        since = time.perf_counter()
        prompt = [self.tokenizer.bos_id, *self.tokenizer.encode(text)]
        return Stream(self, prompt, options, since, goes_on=True)


def read_all(stream: Stream) -> Reply:
    """Return the reply of a stream, read to its end."""
    for _ in stream:
        pass
    return stream.reply
