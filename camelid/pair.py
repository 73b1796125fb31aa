"""A pair that answers: messages in, text out, by the Llama or the Alpaca.

A `Speaker` is one model folder that takes and gives text; a `Pair` is two of them. Models are loaded when
they are first asked. Which of the two answers is the caller's choice, or the router's if the caller says so.
"""

import time
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Unpack

from camelid.errors import RequestError, suggest
from camelid.generate.backend import Tokens
from camelid.generate.load import LoadOptions
from camelid.generate.sampling import SamplingOptions, SamplingSettings
from camelid.model.adapter import sort_adapters
from camelid.model.pairfile import find_shipped, read_pair_file
from camelid.route.deferral import Deferring, begin
from camelid.route.folder import load_router
from camelid.route.past import Conversations, look_back
from camelid.route.router import Router, asked_for, defer
from camelid.speaker import Messages, Reply, Speaker, Stream, read_all
from camelid.text.chat import render_chat
from camelid.text.turns import as_messages

AUTO = "auto"  # the model's name by which the router is asked


class Pair:
    """Two models of one tokenizer, the Llama and the Alpaca."""

    def __init__(self, folder: Path | str, *, speculate: bool = True, **loading: Unpack[LoadOptions]) -> None:
        """Open a pair folder; each model is loaded when it is first asked.

        speculate: let the Alpaca guess what the Llama says, if both are loaded natively: the words are the
            same, sooner, and the Alpaca is loaded with the Llama. loading: the options of `load_model`; each
            adapter goes to the one it belongs to, and answers to its name like a third model.

        Raises CheckpointError when the folder is no pair, or not a whole one, or an adapter is neither's.
        """
        self.folder = Path(folder)
        self.file = read_pair_file(folder)
        places = {role: self.folder / told.folder for role, told in self.file.roles.items()}
        self._adapters = sort_adapters(loading.pop("adapters", None) or {}, places)
        alpaca = self._speaker("alpaca", **loading)
        shared = bool(self.file.tokenizer)  # else the one's tokens say nothing to the other
        llama = self._speaker("llama", guesser=alpaca if speculate and shared else None, **loading)
        self.speakers = {"llama": llama, "alpaca": alpaca}
        for role, names in self._adapters.items():
            self.speakers.update({name: self.speakers[role].adapted(name) for name in names})
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
        loading["adapters"] = self._adapters[role]
        return Speaker(folder, name=role, fingerprint=self.file.tokenizer, guesser=guesser, **loading)

    def __getitem__(self, model: str) -> Speaker:
        """Return one of the two by its role, or with an adapter by that one's name.

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


__all__ = ["AUTO", "Messages", "Pair", "Reply", "Speaker", "Stream", "load", "read_all"]
