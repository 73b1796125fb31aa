"""The desk: models by name, a prompt into a reply, for whatever dialect was spoken at the door.

Belongs to one event loop. It must not know HTTP, nor any dialect's words.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from camelid.errors import RequestError, suggest
from camelid.generate.backend import Backend, room_for
from camelid.generate.engine import Load
from camelid.generate.native_backend import NativeModel
from camelid.generate.sampling import SamplingSettings
from camelid.model.adapter import sort_adapters
from camelid.model.folder import CONFIG
from camelid.pair import Pair, Speaker
from camelid.serve.grammar import Grammars
from camelid.serve.metrics import Metrics
from camelid.serve.refusals import Refusal
from camelid.serve.routing import Routing
from camelid.serve.runners import EngineRunner, Runner, Stepper, ThreadRunner
from camelid.serve.settings import ServeSettings
from camelid.serve.slots import Slots
from camelid.serve.votes import Votes
from camelid.text.chat import render_chat
from camelid.text.records import Message
from camelid.text.tokenizer import Tokenizer

USUAL_DIAL = 0.5  # of `blend`, where a request names none
_INLINE_CHARS = 8192  # longer texts are encoded beside the event loop


@dataclass(frozen=True)
class Ask:
    """What every dialect's request comes down to.

    messages: a conversation, or prompt: token ids to go on from. stop: strings that end the reply.
    grammar: what the reply must match, as llguidance has it; "" for anything.
    dial, max_quality_loss: as the request gave them.
    """

    model: str
    settings: SamplingSettings
    messages: tuple[Message, ...] = ()
    prompt: tuple[int, ...] = ()
    stop: tuple[str, ...] = ()
    grammar: str = ""
    dial: float | None = None
    max_quality_loss: float | None = None


class Voice:
    """One loaded model, perhaps with an adapter, and who runs it."""

    def __init__(self, speaker: Speaker, stepper: Stepper) -> None:
        self.name, self.adapter, self.speaker = speaker.name, speaker.adapter, speaker
        self.model: Backend = speaker.model
        self.grammars = Grammars(
            speaker.folder, vocab_size=self.model.vocab_size, stop_ids=speaker.tokenizer.stop_ids
        )
        self.runner: Runner = (
            EngineRunner(self.model.engine, stepper, self.adapter)
            if isinstance(self.model, NativeModel)
            else ThreadRunner(self.model, self.adapter)
        )

    @property
    def tokenizer(self) -> Tokenizer:
        """Return the tokenizer."""
        return self.speaker.tokenizer


class Core:
    """A pair, or one model, that answers many at once.

    folder: what is served. names: what a request can ask for. voices: the loaded models by role, or by the
    folder's name, and the same with each adapter by the adapter's name. alike: both read the same tokens.
    votes: where the page keeps its votes, or None.
    """

    def __init__(self, settings: ServeSettings) -> None:
        """Open a pair's or a model's folder; `load` reads it.

        Raises CheckpointError when it is neither, or an adapter does not belong to it, RecipeError for an
        adapter that has a model's name.
        """
        self.settings = settings
        self.folder = Path(settings.folder)
        self.votes = Votes(settings.votes) if settings.votes else None
        self.created = int(time.time())
        self.alike = True
        self.is_pair = not (self.folder / CONFIG).is_file()
        if self.is_pair:
            pair = Pair(self.folder, speculate=settings.speculate, **settings.loading)
            self._speakers, self.alike = pair.speakers, bool(pair.file.tokenizer)
        else:
            speaker = Speaker(self.folder, **settings.loading)
            sort_adapters(settings.adapters, {speaker.name: self.folder})  # complains before it loads
            adapted = {name: speaker.adapted(name) for name in settings.adapters}
            self._speakers = {speaker.name: speaker, **adapted}
        self.names: tuple[str, ...] = tuple(self._speakers)
        if self.is_pair:
            chooses = Routing.is_there(self.folder)
            self.names = (*["auto"] * chooses, "llama", "alpaca", *["blend"] * self.alike)
        self.names += tuple(name for name in settings.adapters if name not in self.names)
        self.voices: dict[str, Voice] = {}
        self.slots = Slots(settings.max_running, settings.max_queue)
        self.stepper = Stepper()
        self.metrics = Metrics()
        self.metrics.watch(self._gauges, self._loads)

    def load(self) -> None:
        """Read tokenizers and weights.

        Raises TokenizerError or CheckpointError when they cannot be.
        """
        for speaker in self._speakers.values():
            speaker.load()
        if self.is_pair:
            self.routing = Routing(self.folder)
        self.voices = {name: Voice(speaker, self.stepper) for name, speaker in self._speakers.items()}

    def start(self) -> None:
        """Begin to work for the running event loop."""
        self.stepper.start(asyncio.get_running_loop())

    def close(self) -> None:
        """End the work."""
        self.stepper.close()

    def _gauges(self) -> list[tuple[str, str, float]]:
        return [
            ("running", "Replies that are being computed.", self.slots.running),
            ("waiting", "Requests in the queue.", self.slots.waiting),
        ]

    def _loads(self) -> dict[str, Load]:
        models = {name: voice.model for name, voice in self.voices.items() if not voice.adapter}
        return {name: model.engine.load for name, model in models.items() if isinstance(model, NativeModel)}

    @property
    def alpaca(self) -> Voice:
        """Return the Alpaca, or the only model."""
        return self.voices.get("alpaca") or next(iter(self.voices.values()))

    @property
    def context(self) -> int:
        """Return how many tokens prompt and reply may have together with every model."""
        return min(voice.model.context for voice in self.voices.values())

    def check_name(self, name: str) -> str:
        """Return the name of a model as this server has it; Ollama's ":latest" is dropped.

        Raises Refusal, 404, for a name that is not there.
        """
        known = name.removesuffix(":latest")
        if known == "blend" and self.is_pair and not self.alike:
            raise Refusal(
                "The dial needs two models of one tokenizer; these have one each. Ask 'llama' or 'alpaca'.",
                param="model",
            )
        if known not in self.names and not (self.is_pair and known == "auto"):
            raise Refusal(
                f"The model {name!r} does not exist here.{suggest(known, self.names)}",
                status=404,
                code="model_not_found",
                param="model",
            )
        return known

    def tokenizer_of(self, name: str) -> Tokenizer:
        """Return the tokenizer of a model by the name that a request asks for; "" for the Alpaca's.

        Raises Refusal for a name that is not there.
        """
        known = self.check_name(name) if name else ""
        voice = self.voices.get("llama" if known == "blend" else known)
        return (voice or self.alpaca).tokenizer

    async def encode(self, name: str, text: str) -> list[int]:
        """Return the token ids of a text, as the model of that name reads it.

        Raises Refusal for a name that is not there.
        """
        tokenizer = self.tokenizer_of(name)
        if len(text) < _INLINE_CHARS:
            return tokenizer.encode(text)
        return await asyncio.to_thread(tokenizer.encode, text)

    async def render(self, ask: Ask) -> list[int]:
        """Return the prompt of a request.

        Raises ContextTooLongError when it leaves no room for a reply, RequestError for messages that the chat
        template refuses.
        """
        prompt = list(ask.prompt)
        if ask.messages:
            prompt = await self.encode_messages(ask.model, ask.messages)
        voice = self.choose(ask)[0]
        room_for(len(prompt), 1, voice.model.context if voice else self.context)
        return prompt

    async def encode_messages(self, name: str, messages: Sequence[Message]) -> list[int]:
        """Return the prompt for an answer to a conversation by the model of that name.

        Raises RequestError for messages that the chat template refuses.
        """
        tokenizer = self.tokenizer_of(name)
        if sum(len(message.content) for message in messages) < _INLINE_CHARS:
            return _render(tokenizer, messages)
        return await asyncio.to_thread(_render, tokenizer, messages)

    def choose(self, ask: Ask) -> tuple[Voice | None, float, str]:
        """Return who answers, how strictly guesses are verified, and why; None where the router must tell.

        Raises Refusal for a wish that this model would ignore.
        """
        name = self.check_name(ask.model)
        if ask.max_quality_loss is not None and name != "auto":
            raise Refusal(
                f"max_quality_loss is for the model 'auto', which chooses; found {name!r}. Leave it out.",
                param="max_quality_loss",
            )
        if ask.dial is not None and name not in ("llama", "blend"):
            raise Refusal(
                f"dial lies between the two models: ask 'blend' or 'llama'; found {name!r}.", param="dial"
            )
        if name == "auto":
            return None, 1.0, ""
        if name == "blend" or ask.dial is not None:
            dial = USUAL_DIAL if ask.dial is None else ask.dial
            if dial == 0 and self.alike:
                return self.voices["alpaca"], 1.0, "the dial is at 0, the Alpaca alone"
            self._check_dial(dial)
            return self.voices["llama"], dial, f"the dial is at {dial:g}"
        return self.voices[name], 1.0, "asked by name"

    def _check_dial(self, dial: float) -> None:
        model = self.voices["llama"].model
        if dial != 1 and not (isinstance(model, NativeModel) and model.engine.drafter):
            raise RequestError(
                "The dial needs the native backend with the Alpaca's guesses; this server runs without. "
                "Start it with --backend native and without --no-speculate, or use dial 0 or 1."
            )


def _render(tokenizer: Tokenizer, messages: Sequence[Message]) -> list[int]:
    return render_chat(tokenizer, messages, add_generation_prompt=True)
