"""A pair that answers: messages in, text out, by the Llama or the Alpaca.

A `Speaker` is one model folder that takes and gives text; a `Pair` is two of them. Models are loaded when
they are first asked. Which of the two answers is the caller's choice, or the router's if the caller says so.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, Unpack

from camelid.errors import RequestError, TokenizerError, suggest
from camelid.generate.backend import Backend, Tokens, room_for
from camelid.generate.load import LoadOptions, load_model
from camelid.generate.native_backend import NativeModel
from camelid.generate.sampling import SamplingOptions, SamplingSettings
from camelid.model.config import DecoderConfig
from camelid.model.folder import read_config
from camelid.model.pairfile import find_shipped, read_pair_file
from camelid.route.deferral import Deferring, begin
from camelid.route.folder import load_router
from camelid.route.past import Conversations, look_back
from camelid.route.router import Decision, Router, asked_for, defer
from camelid.text.chat import render_chat
from camelid.text.records import Message
from camelid.text.tokenizer import Tokenizer, check_tokenizer_fits
from camelid.text.turns import as_messages

Messages = str | Sequence[Message | Mapping[str, Any]]
FinishReason = Literal["stop", "length", "cancelled"]
AUTO = "auto"  # the model's name by which the router is asked


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
            prompt, stop_ids=speaker.tokenizer.stop_ids, dial=dial, **options
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
    """One model folder that takes and gives text."""

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

    @property
    def model(self) -> Backend:
        """The model, loaded when this is first read.

        Raises CheckpointError when it cannot be.
        """
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


class Pair:
    """Two models of one tokenizer, the Llama and the Alpaca."""

    def __init__(self, folder: Path | str, *, speculate: bool = True, **loading: Unpack[LoadOptions]) -> None:
        """Open a pair folder; each model is loaded when it is first asked.

        speculate: let the Alpaca guess what the Llama says, if both are loaded natively: the words are the
            same, sooner, and the Alpaca is loaded with the Llama. loading: the options of `load_model`.

        Raises CheckpointError when the folder is no pair, or not a whole one.
        """
        self.folder = Path(folder)
        self.file = read_pair_file(folder)
        alpaca = self._speaker("alpaca", **loading)
        shared = bool(self.file.tokenizer)  # else the one's tokens say nothing to the other
        llama = self._speaker("llama", guesser=alpaca if speculate and shared else None, **loading)
        self.speakers = {"llama": llama, "alpaca": alpaca}
        self.conversations = Conversations()

    @cached_property
    def router(self) -> Router:
        """The router that calibration left in the pair folder; another may be put in its place.

        Raises RequestError without one, CheckpointError when it is damaged or belongs to other weights.
        """
        router = load_router(self.folder)
        if router is None:
            raise RequestError(
                f"{self.folder} has no router, so it cannot choose. Run: camelid calibrate {self.folder}; "
                "or ask for llama or alpaca by name."
            )
        return router

    def _speaker(self, role: str, guesser: Speaker | None = None, **loading: Unpack[LoadOptions]) -> Speaker:
        folder = self.folder / self.file.roles[role].folder
        return Speaker(folder, name=role, fingerprint=self.file.tokenizer, guesser=guesser, **loading)

    def __getitem__(self, model: str) -> Speaker:
        """Return one of the two by its role.

        Raises RequestError for any other name.
        """
        if model not in self.speakers:
            raise RequestError(f"A pair has no model {model!r}.{suggest(model, self.speakers)}")
        return self.speakers[model]

    def stream(
        self,
        messages: Messages,
        *,
        model: str = "alpaca",
        dial: float = 1.0,
        **options: Unpack[SamplingOptions],
    ) -> Stream:
        """Return the answer of one of the two, piece by piece; the joined pieces are its reply's text.

        messages: a text (one user turn), or a conversation as OpenAI's messages or `Message`s.
        model: "alpaca", made for conversation, "llama", made for tasks, or "auto": the router chooses, for
            which the Alpaca may read the conversation first. Once a question was the Llama's, those that
            follow it in the conversation are.
        dial: between the two, for the Llama on the native backend: at 1 every word is the Llama's own; below,
            it lets pass what the Alpaca guessed if it finds that at least so likely as its likeliest token
            times the dial, which is sooner; 0 is the Alpaca alone.
        options: those of `SamplingSettings`; greedy unless a temperature is given.

        Raises RequestError for messages, a model or options that cannot be used, ContextTooLongError when
        the messages fill the context.
        """
        if dial == 0 and model in ("llama", AUTO):
            model, dial = "alpaca", 1.0
        if model == AUTO:
            return self._choose(messages, dial, options)
        stream = self[model].stream(messages, dial=dial, **options)
        stream.decision = asked_for(model)
        return stream

    def _choose(self, messages: Messages, dial: float, options: SamplingOptions) -> Stream:
        """Return the answer of whom the router chooses, once the Alpaca has read the conversation."""
        router, alpaca = self.router, self["alpaca"]
        defers = router.defers and bool(self.file.tokenizer)
        alpaca.load()
        if defers:
            self["llama"].load()
        since = time.perf_counter()
        turns = as_messages(messages)
        prompt = render_chat(alpaca.tokenizer, turns, add_generation_prompt=True)
        stop_ids = alpaca.tokenizer.stop_ids
        before = look_back(self.conversations, router, turns, alpaca.model, alpaca.tokenizer)
        tokens, reading = None, None
        if router.reads and not before:
            tokens, reading = begin(alpaca.model, prompt, options, stop_ids=stop_ids, told=defers)
        decision = router.decide(turns, reading, before=before)
        self.conversations.note(router, turns, decision.model == "llama")
        if decision.model == "alpaca":
            if tokens is None and defers:
                tokens, _ = begin(alpaca.model, prompt, options, stop_ids=stop_ids, told=True)
            stream = Stream(alpaca, prompt, options, since, decision=decision, tokens=tokens)
            if tokens and defers:
                go_on = partial(self._go_on, stream, prompt, options, dial)
                stream.hand_over(Deferring(tokens, router, go_on))
            return stream
        if tokens:
            tokens.close()
        spent_s = time.perf_counter() - since
        self["llama"].load()
        since = time.perf_counter() - spent_s
        if not self.file.tokenizer:
            prompt = render_chat(self["llama"].tokenizer, turns, add_generation_prompt=True)
        return Stream(self["llama"], prompt, options, since, dial, decision=decision)

    def _go_on(
        self,
        stream: Stream,
        prompt: list[int],
        options: SamplingOptions,
        dial: float,
        said: Sequence[int],
    ) -> Tokens:
        """Return the Llama's tokens after the Alpaca's first ones, and put that down."""
        llama = self["llama"]
        stream.decision = stream.decision and defer(stream.decision, len(said))
        options = options.copy()
        options["max_tokens"] = SamplingSettings(**options).max_tokens - len(said)
        stop_ids = llama.tokenizer.stop_ids
        return llama.model.generate([*prompt, *said], stop_ids=stop_ids, dial=dial, **options)

    def reply(
        self,
        messages: Messages,
        *,
        model: str = "alpaca",
        dial: float = 1.0,
        **options: Unpack[SamplingOptions],
    ) -> Reply:
        """Return the answer of one of the two; see `stream`."""
        return read_all(self.stream(messages, model=model, dial=dial, **options))


def load(folder: Path | str | None = None, *, speculate: bool = True, **loading: Unpack[LoadOptions]) -> Pair:
    """Return the pair in a folder, or the one that came with camelid; models are loaded when first asked.

    Raises CheckpointError when there is no pair, or not a whole one. See `Pair`.
    """
    return Pair(find_shipped() if folder is None else folder, speculate=speculate, **loading)


def read_all(stream: Stream) -> Reply:
    """Return the reply of a stream, read to its end."""
    for _ in stream:
        pass
    return stream.reply
