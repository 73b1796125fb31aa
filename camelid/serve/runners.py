"""Who computes the tokens of a reply while the event loop serves others.

The native engines share one thread, which steps them in turn and tells the loop once per step whose tokens
came; a torch model gets a thread for each request. Nothing here waits for the loop, nor the loop for it.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from camelid.errors import CamelidError, RequestError
from camelid.generate.backend import Backend, check_tokens, room_for
from camelid.generate.engine import Engine
from camelid.generate.generation import Ending, Generation
from camelid.generate.sampling import SamplingOptions, SamplingSettings, TokenLogprob
from camelid.serve.journal import note_error

# A reader sees no difference, and each piece costs what many tokens do: a wake-up, JSON, a system call.
_PAUSE_S = 0.008


class Running(Protocol):
    """A reply in the making, as `Generation` is one; the loop reads it while another thread writes."""

    tokens: list[int]
    logprobs: list[TokenLogprob]
    guessed: list[int]
    error: CamelidError | None
    prompt: list[int]
    limit: int
    reused_tokens: int
    drafted: int
    accepted: int
    submitted_s: float
    started_s: float | None
    first_token_s: float | None
    finished_s: float | None

    @property
    def finished(self) -> Ending | None:
        """Return how it ended, or None."""


class EngineDied(CamelidError):
    """The thread that steps the engines has ended by a mistake of ours."""

    def __init__(self) -> None:
        super().__init__("The engine has stopped; its log says why. Start the server anew.")


class Bell:
    """Rings in the event loop when a reply has news."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.told = 0  # tokens that the loop knows of
        self.on_end: Callable[[], None] | None = None  # called in the loop when the reply has ended
        self.broken = False  # nobody computes it any more
        self._event = asyncio.Event()

    @property
    def has_news(self) -> bool:
        """Tell whether there is what the loop does not know of."""
        return len(self.running.tokens) != self.told or self.running.finished is not None

    @property
    def can_wait(self) -> bool:
        """Tell whether the news is neither a first token nor the end."""
        return self.told > 0 and self.running.finished is None

    def ring(self) -> None:
        """Wake who waits."""
        self._event.set()
        if self.on_end and self.running.finished is not None:
            self.on_end()

    async def wait(self) -> None:
        """Return when there is news.

        Raises EngineDied when there never will be.
        """
        await self._event.wait()
        self._event.clear()
        if self.broken:
            raise EngineDied


class Runner(Protocol):
    """Takes prompts and computes their replies."""

    def submit(self, prompt: list[int], settings: SamplingSettings, **wishes: Any) -> Bell:
        """Return the bell of a reply that is computed from now on."""

    def cancel(self, bell: Bell) -> None:
        """End a reply, and ring no more."""


class Stepper:
    """The one thread that steps the native engines, while any of them has something to do."""

    def __init__(self) -> None:
        self._engines: list[Engine] = []
        self._bells: dict[Bell, None] = {}
        self._wake = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told_s = 0.0
        self.failure: BaseException | None = None

    def add(self, engine: Engine) -> None:
        """Step this engine too."""
        if engine not in self._engines:
            self._engines.append(engine)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to step, and to tell this loop of it."""
        self._loop = loop
        self._thread = threading.Thread(target=self._run, name="engines", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, after the step that it is in."""
        self._closed = True
        self._wake.set()
        if self._thread:
            self._thread.join(timeout=10)

    def watch(self, bell: Bell) -> None:
        """Ring this bell from now on, and see to it that somebody steps."""
        self._bells[bell] = None
        self._wake.set()

    def forget(self, bell: Bell) -> None:
        """Ring this bell no more."""
        self._bells.pop(bell, None)
        self._wake.set()  # so that what was cancelled within a step is freed after it

    def _run(self) -> None:
        try:
            while not self._closed:
                self._wake.clear()
                worked = any([engine.step() for engine in self._engines])
                self._tell(pause=worked)
                if not worked:
                    self._wake.wait()
        except BaseException as error:  # /health tells it, and nobody waits for ever
            self.failure = error
            note_error("the engine has stopped", error)
            bells = list(self._bells)
            for bell in bells:
                bell.broken = True
            self._call(self._ring, bells)

    def _tell(self, *, pause: bool) -> None:
        """Ring for news; within a pause since the last time only for first tokens and ends."""
        now = time.perf_counter()
        pause = pause and now - self._told_s < _PAUSE_S
        news = [bell for bell in list(self._bells) if bell.has_news and not (pause and bell.can_wait)]
        if not pause:
            self._told_s = now
        for bell in news:
            bell.told = len(bell.running.tokens)
            if bell.running.finished is not None:
                self._bells.pop(bell, None)
        if news:
            self._call(self._ring, news)

    def _call(self, function: Any, *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            assert self._loop
            self._loop.call_soon_threadsafe(function, *arguments)

    @staticmethod
    def _ring(bells: list[Bell]) -> None:
        for bell in bells:
            bell.ring()


class EngineRunner(Runner):
    """Replies by a native engine, with one of its adapters or none."""

    def __init__(self, engine: Engine, stepper: Stepper, adapter: str = "") -> None:
        self._engine, self._stepper, self._adapter = engine, stepper, adapter
        stepper.add(engine)

    def submit(self, prompt: list[int], settings: SamplingSettings, **wishes: Any) -> Bell:
        """Return the bell of a reply; the wishes are those of `Engine.submit`."""
        if self._stepper.failure:
            raise EngineDied
        bell = Bell(self._engine.submit(prompt, settings, adapter=self._adapter, **wishes))
        self._stepper.watch(bell)
        return bell

    def cancel(self, bell: Bell) -> None:
        """End a reply, and ring no more."""
        assert isinstance(bell.running, Generation)
        self._engine.cancel(bell.running)
        self._stepper.forget(bell)


class ThreadRunning:
    """A reply by a model that gives one token after the other; see `Running`."""

    def __init__(self, prompt: list[int], limit: int) -> None:
        self.prompt, self.limit = prompt, limit
        self.tokens: list[int] = []
        self.logprobs: list[TokenLogprob] = []
        self.guessed: list[int] = []
        self.error: CamelidError | None = None
        self.reused_tokens = self.drafted = self.accepted = 0
        self.submitted_s = time.perf_counter()
        self.started_s: float | None = None
        self.first_token_s: float | None = None
        self.finished_s: float | None = None
        self.ending: Ending | None = None
        self.cancelled = False

    @property
    def finished(self) -> Ending | None:
        """Return how it ended, or None."""
        return self.ending or ("cancelled" if self.cancelled else None)


class ThreadRunner(Runner):
    """Replies by a model without an engine, each in a thread of its own, with one of its adapters or none."""

    def __init__(self, model: Backend, adapter: str = "") -> None:
        self._model, self._adapter = model, adapter
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(self, prompt: list[int], settings: SamplingSettings, **wishes: Any) -> Bell:
        """Return the bell of a reply; what only the native engine can do is refused.

        Raises RequestError for a dial, a grammar or log-probabilities.
        """
        check_tokens(prompt, self._model.vocab_size)
        settings.check_fits(self._model.vocab_size)
        asked = {
            "dial": wishes.get("dial", 1.0) != 1,
            "response_format and tools": wishes.get("guide") is not None,
            "logprobs": settings.top_logprobs is not None,
            "auto": bool(wishes.get("read")),
        }
        missing = next((name for name, given in asked.items() if given), None)
        if missing:
            raise RequestError(f"{missing} needs the native backend; this server runs on torch.")
        running = ThreadRunning(prompt, room_for(len(prompt), settings.max_tokens, self._model.context))
        bell = Bell(running)
        work = (bell, settings, wishes.get("stop_ids", ()), asyncio.get_running_loop())
        threading.Thread(target=self._work, args=work, daemon=True).start()
        return bell

    def cancel(self, bell: Bell) -> None:
        """End a reply, after the token that is being computed."""
        assert isinstance(bell.running, ThreadRunning)
        bell.running.cancelled = True

    def _work(
        self, bell: Bell, settings: SamplingSettings, stop_ids: Sequence[int], loop: asyncio.AbstractEventLoop
    ) -> None:
        running = bell.running
        assert isinstance(running, ThreadRunning)
        running.started_s = time.perf_counter()
        options = SamplingOptions(**{name: getattr(settings, name) for name in settings.__dataclass_fields__})  # type: ignore[typeddict-item]
        ending: Ending = "error"
        try:
            tokens = self._model.generate(running.prompt, stop_ids=stop_ids, adapter=self._adapter, **options)
            for token_id in tokens:
                if running.cancelled:
                    break
                running.first_token_s = running.first_token_s or time.perf_counter()
                running.tokens.append(token_id)
                self._call(loop, bell)
            ending = "length" if len(running.tokens) >= running.limit else "stop"
        except CamelidError as error:
            running.error = error
        finally:
            running.finished_s = time.perf_counter()
            running.ending = "cancelled" if running.cancelled else ending
            self._call(loop, bell)

    @staticmethod
    def _call(loop: asyncio.AbstractEventLoop, bell: Bell) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(bell.ring)
