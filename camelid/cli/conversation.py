"""A conversation: the turns so far, who answers, and what still fits in the context.

Nothing is cut silently: when the conversation outgrows the context, the oldest turns are no longer read, and
that is said, with what they were.
"""

import sys
from collections.abc import Mapping

from camelid.cli.screen import open_console, printable, say_bytes, shorten, write
from camelid.cli.voices import Chooser, Voice
from camelid.errors import CamelidError, RequestError, suggest
from camelid.generate.sampling import SamplingOptions
from camelid.pair import Reply
from camelid.text.records import Message

HELP = {
    "/model NAME": "let the other model answer, from here on; auto lets the router choose",
    "/reset": "forget the conversation",
    "/stats": "how full the context is, and how fast the last answer was",
    "/help": "this list",
    "/quit": "leave; so does Ctrl-D",
}
_ROOM_SHARE = 4  # an answer shall have at least this part of the context, unless it needs less
_COLOURS = {"llama": "magenta", "alpaca": "cyan"}


class Conversation:
    """One conversation in a terminal or a pipe."""

    def __init__(
        self,
        speakers: Mapping[str, Voice],
        speaker: Voice,
        options: SamplingOptions,
        *,
        system: str = "",
        interactive: bool = True,
    ) -> None:
        """Begin with nothing said.

        system: what the model is told first, always kept. interactive: False writes the answers alone, and
        lets errors end the conversation.
        """
        self.speaker = speaker
        self.turns: list[Message] = []
        self.unread = 0  # how many of the oldest turns no longer fit
        self._speakers, self._options, self._interactive = speakers, options, interactive
        self._system = [Message("system", system)] if system else []
        self._console = open_console()
        self._last: Reply | None = None

    def greet(self, name: str) -> None:
        """Load who answers first, and say who is there."""
        if not self._interactive:
            self.speaker.load()
            return
        others = [other for other in self._speakers if other != self.speaker.name]
        also = f" /model {others[0]} asks the other." if others else ""
        self._load()
        self._remark(f"{name}: {self._who()}.{also} /help lists the commands, Ctrl-D leaves.")

    def take(self, line: str) -> bool:
        """Answer a turn, or obey a command; return whether the conversation goes on."""
        line = line.strip()
        if line.startswith("/"):
            return self._obey(line)
        if line:
            try:
                self._answer(line)
            except RequestError as error:
                if not self._interactive:
                    raise
                self._remark(str(error), style="red")
        return True

    def _answer(self, line: str) -> None:
        """Let the model answer; a turn that it cannot answer is not kept."""
        turns = [*self.turns, Message("user", line)]
        unread = self._fit(turns)
        stream = self.speaker.stream([*self._system, *turns[unread:]], **self._options)
        if unread > self.unread:
            self._tell_unread(turns, unread)
        self.unread = unread
        if self._interactive:
            name = stream.decision.model if stream.decision else self.speaker.name
            self._console.print(f"{name} › ", style=_colour(name), end="")
        try:
            for piece in stream:
                write(piece)
        except KeyboardInterrupt:
            if not self._interactive:
                raise
        reply = stream.stop()
        write("\n")
        if reply.completion_tokens or reply.finish_reason != "cancelled":
            self.turns = [*turns, Message("assistant", reply.text)]
        self._last = reply
        self._tell_end(reply)

    def _fit(self, turns: list[Message]) -> int:
        """Return how many of the oldest turns must be left out for an answer to have room."""
        context = self.speaker.config.max_position_embeddings
        room = min(self._options["max_tokens"], context // _ROOM_SHARE)
        unread = self.unread
        while unread + 2 < len(turns):
            if self.speaker.count_tokens([*self._system, *turns[unread:]]) + room <= context:
                break
            unread += 2
        return unread

    def _tell_unread(self, turns: list[Message], unread: int) -> None:
        context = self.speaker.config.max_position_embeddings
        last = shorten(printable(turns[unread - 2].content), 40)
        self._note(
            f"The conversation has outgrown the context of {context} tokens. The model no longer reads its "
            f"first {unread} turns, up to and including “{last}” and its answer. /reset begins anew."
        )

    def _tell_end(self, reply: Reply) -> None:
        """Say how the answer went: always when it was cut, otherwise only to a person."""
        if reply.finish_reason == "length":
            most = self._options["max_tokens"]
            full = reply.completion_tokens < most
            why = "the context is full" if full else f"--max-tokens {most}"
            self._note(f"The answer was cut: {why}." + " /reset begins anew." * full)
        self._remark(("stopped · " if reply.finish_reason == "cancelled" else "") + _figures(reply))
        if reply.decision:
            self._remark(f"{reply.model} because {reply.decision.reason}")

    def _obey(self, line: str) -> bool:
        """Carry out a command; return whether the conversation goes on."""
        word, _, rest = line.partition(" ")
        if word in ("/quit", "/exit"):
            return False
        known = {
            "/model": self._choose,
            "/reset": self._reset,
            "/stats": self._show_stats,
            "/help": self._show_help,
        }
        if word not in known:
            self._refuse(f"There is no command {word}.{suggest(word, [*known, '/quit'])}")
        else:
            known[word](rest.strip())
        return True

    def _choose(self, name: str) -> None:
        if not name:
            who = self._who()
            self._say(f"{who[0].upper()}{who[1:]}. Known: {', '.join(self._speakers)}.")
        elif name not in self._speakers:
            self._refuse(f"There is no model {name!r} here.{suggest(name, self._speakers)}")
        else:
            before, self.speaker = self.speaker, self._speakers[name]
            try:
                self._load()
            except CamelidError as error:
                self.speaker = before
                self._refuse(str(error))
                return
            who = self._who()
            self._remark(f"{who[0].upper()}{who[1:]} from here on.")

    def _reset(self, _: str) -> None:
        self.turns, self.unread, self._last = [], 0, None
        self._remark("The conversation is forgotten.")

    def _show_stats(self, _: str) -> None:
        context = self.speaker.config.max_position_embeddings
        read = [*self._system, *self.turns[self.unread :]]
        used = self.speaker.count_tokens(read) if read else 0
        lines = [
            self._describe(),
            f"context: {used} of {context} tokens, {len(self.turns)} turns",
        ]
        if self.unread:
            lines[1] += f", the first {self.unread} no longer read"
        if self._last:
            lines.append(f"last answer: {_figures(self._last)}, of a prompt of {self._last.prompt_tokens}")
        self._say("\n".join(lines))

    def _describe(self) -> str:
        """Return in a line what answers."""
        if isinstance(self.speaker, Chooser):
            return self.speaker.describe()
        config, memory = self.speaker.config, say_bytes(self.speaker.model.weight_bytes)
        layers = f"{config.num_hidden_layers} layer{'s' * (config.num_hidden_layers > 1)}"
        return f"{self.speaker.name}: {config.num_parameters:,} parameters in {layers}, {memory} of weights"

    def _who(self) -> str:
        if isinstance(self.speaker, Chooser):
            return "the router chooses who answers"
        return f"the {self.speaker.name} answers"

    def _show_help(self, _: str) -> None:
        lines = [f"{name:12} {what}" for name, what in HELP.items()]
        self._say("\n".join([*lines, "A line that ends in a backslash goes on in the next."]))

    def _load(self) -> None:
        if self._interactive and self._console.is_terminal:
            with self._console.status(f"loading the {self.speaker.name} …"):
                self.speaker.load()
        else:
            self.speaker.load()

    def _say(self, text: str) -> None:
        """Answer a command."""
        self._console.print(text, style="dim", markup=False)

    def _remark(self, text: str, style: str = "dim") -> None:
        """Tell a person something by the way; in a pipe only the answers are written."""
        if self._interactive:
            self._console.print(text, style=style, markup=False)

    def _note(self, text: str) -> None:
        """Tell something that must not be missed: in a pipe on standard error."""
        if self._interactive:
            self._console.print(text, style="yellow", markup=False)
        else:
            print(f"camelid: {text}", file=sys.stderr)

    def _refuse(self, text: str) -> None:
        """Say that a command cannot be followed; in a pipe that ends the conversation.

        Raises RequestError in a pipe.
        """
        if not self._interactive:
            raise RequestError(text)
        self._remark(text, style="red")


def _colour(name: str) -> str:
    return "bold " + _COLOURS.get(name, "green")


def _figures(reply: Reply) -> str:
    parts = [f"{reply.model} · {reply.completion_tokens} tokens"]
    if reply.completion_tokens:
        parts.append(f"the first after {reply.first_token_s * 1000:.0f} ms")
    if reply.tokens_per_s:
        parts.append(f"{reply.tokens_per_s:,.0f} tokens/s")
    return " · ".join(parts)
