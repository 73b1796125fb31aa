"""Tokens into the text of a reply: whole characters, an end at a stop string, log-probabilities in step.

Pure: the same tokens give the same text, however many come at a time. A stop string may lie across tokens, so
what might be its beginning is held back until it is known. Of several stop strings the one counts whose end
comes first; of those that end together, the longest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from camelid.generate.sampling import TokenLogprob
from camelid.text.streaming import StreamDecoder


@dataclass(frozen=True)
class Told:
    """A token of the reply with its log-probabilities, and where in the reply its text begins."""

    logprob: TokenLogprob
    offset: int


class StopFinder:
    """Lets text through up to the first stop string."""

    def __init__(self, stops: Sequence[str]) -> None:
        self.found: str | None = None
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""

    def push(self, text: str) -> str:
        """Return what is certain not to belong to a stop string; nothing once one was found."""
        if not self._stops or self.found:
            return "" if self.found else text
        held = self._held + text
        hits = [(held.find(stop) + len(stop), -len(stop), stop) for stop in self._stops if stop in held]
        if hits:
            end, _, self.found = min(hits)
            self._held = ""
            return held[: end - len(self.found)]
        keep = max((_overlap(held, stop) for stop in self._stops), default=0)
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep]

    def flush(self) -> str:
        """Return what was held back, now that nothing follows."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Return how long the longest end of `text` is with which `stop` begins."""
    return next(
        (size for size in range(min(len(text), len(stop) - 1), 0, -1) if stop.startswith(text[-size:])), 0
    )


class Wording:
    """The text of one reply as its tokens come.

    count: how many tokens were taken.
    """

    def __init__(self, decoder: StreamDecoder, stops: Sequence[str] = ()) -> None:
        self.count = 0
        self._pieces: list[str] = []
        self._shown = 0  # characters that were let through
        self._decoder = decoder
        self._finder = StopFinder(stops)
        self._plain = not any(stops)
        self._guessed: list[tuple[int, int]] = []  # spans of what was decoded
        self._decoded = 0  # characters
        self._waiting: list[Told] = []

    @property
    def text(self) -> str:
        """Return what was let through so far."""
        return "".join(self._pieces)

    @property
    def stop(self) -> str | None:
        """Return the stop string that ended the reply, if one did."""
        return self._finder.found

    def push(self, token_id: int, logprob: TokenLogprob | None = None, *, guessed: bool = False) -> str:
        """Return the text that this token lets through; guessed: another model had said it before."""
        self.count += 1
        if logprob is not None:
            self._waiting.append(Told(logprob, self._decoded))
        piece = self._decoder.push(token_id)
        if guessed and piece:
            self._guessed.append((self._decoded, self._decoded + len(piece)))
        self._decoded += len(piece)
        if not self._plain:
            piece = self._finder.push(piece)
        return self._show(piece)

    def flush(self, *, cut: bool) -> str:
        """Return the rest at the end.

        cut: more tokens would have followed, so an incomplete character is nothing.
        """
        if self.stop:
            return ""
        rest = self._decoder.flush()
        rest = self._finder.push(rest.rstrip("\ufffd") if cut else rest)
        return self._show(rest + self._finder.flush())

    def take_logprobs(self, *, last: bool = False) -> list[Told]:
        """Return those of the tokens whose text was let through; at last all that belong to the reply."""
        waiting, place = self._waiting, 0
        while place < len(waiting) and (waiting[place].offset < self._shown or (last and not self.stop)):
            place += 1
        self._waiting = waiting[place:]
        return waiting[:place]

    def take_guessed(self, since: int) -> list[list[int]]:
        """Return which characters of what was let through after the first `since` were guessed, as spans."""
        spans = []
        while self._guessed and self._guessed[0][0] < self._shown:
            begin, end = self._guessed.pop(0)
            spans.append([max(begin, since) - since, min(end, self._shown) - since])
            if end > self._shown:
                self._guessed.insert(0, (self._shown, end))
                break
        return spans

    @property
    def shown(self) -> int:
        """Return how many characters were let through."""
        return self._shown

    def _show(self, piece: str) -> str:
        if piece:
            self._pieces.append(piece)
            self._shown += len(piece)
        return piece
