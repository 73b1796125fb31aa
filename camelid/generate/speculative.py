"""Guesses of what comes next, which the Llama verifies in one step: exactly its own tokens, sooner.

Two make them: the Alpaca, which reads along, and a look at what stood earlier behind the same tokens. How
many pay is decided by what was measured while running; none if none pay. Token ids only.

Covers: greedy and drawn replies, any sampling settings, batches. Does not cover: replies bound to a grammar.
Source: Leviathan et al. 2023, arXiv:2211.17192; Saxena 2023, "Prompt lookup decoding".
Differs: no rejection sampling. The draw of a token depends on the seed and its place alone (kernels.inl,
`race`), so the Llama draws as it would alone, and a guess is kept if it is what was drawn; the Alpaca draws
with the same seed, which makes the two agree as often as they well can.
"""

import time
from collections.abc import Sequence

from camelid.generate.cache import Lease, PrefixCache
from camelid.generate.generation import Generation
from camelid.native import _native

MOST = 8  # guesses at a time
_CROWD = 4  # in a step with more sequences than this, few cores are left for guesses
_SLICE = 128  # tokens of a prompt that the Alpaca reads beside a step
_REST, _LONGEST_REST = 32, 4096  # steps without a guess after guessing did not pay: more each time
_TRIES = 4  # steps with guesses after a rest, to see whether it does now
_REFRESH = 32  # steps with guesses before a plain one is measured again
_DOWN, _UP = 0.5, 0.1  # how soon a shorter time is believed, and a longer one: it may be another program's
_RATE = 0.05  # how soon it is believed that guesses are right more often, or less


class Economy:
    """When guesses pay: how long steps take with so many of them, and how often they are right.

    With k guesses, each right with chance a if the one before was, a step chooses (1 - a^(k+1)) / (1 - a)
    tokens. Source: Leviathan et al. 2023, equation 1.

    step_s: seconds of a step by the guesses in it; guess_s: seconds of the Alpaca to make one guess. resting:
    steps that pass before guesses are tried again.
    """

    def __init__(self) -> None:
        self.step_s: dict[int, float] = {}
        self.guess_s = 0.0
        self.resting = 0
        self._pause, self._tries, self._since_plain = _REST, _TRIES, 0

    def choose(self, right: float, *, free: bool = False) -> int:
        """Return how many guesses are worth most, 0 for none.

        right: the chance that one is. free: they take no time to make.
        """
        if self._measures_plain:
            return 0
        if len(self.step_s) == 1:
            return MOST // 2
        each_s = 0.0 if free else self.guess_s
        rates = [
            sum(right**i for i in range(k + 1)) / (self._step_seconds(k) + k * each_s)
            for k in range(MOST + 1)
        ]
        best = max(range(MOST + 1), key=rates.__getitem__)
        return best or (2 if self._tries else 0)

    def judge(self, guessed: bool) -> None:
        """Take in whether guesses paid in this step; if they do not, rest, longer every time."""
        if self._measures_plain:
            return
        self._since_plain += guessed
        if self._tries:
            self._tries -= guessed
        elif guessed:
            self._pause = _REST
        elif len(self.step_s) > 1:
            self.resting, self._pause = self._pause, min(2 * self._pause, _LONGEST_REST)

    def rest(self, steps: int) -> None:
        """Let steps pass without guesses."""
        self.resting = max(0, self.resting - steps)
        if not self.resting:
            self._tries = _TRIES

    def learn_step(self, guesses: int, seconds: float) -> None:
        """Take in how long a step with so many guesses took."""
        if not guesses:
            self._since_plain = 0
        self.step_s[guesses] = _follow(self.step_s.get(guesses, seconds), seconds)

    def learn_guesses(self, guesses: int, seconds: float) -> None:
        """Take in how long making some guesses took."""
        self.guess_s = _follow(self.guess_s or seconds / guesses, seconds / guesses)

    @property
    def _measures_plain(self) -> bool:
        """Tell whether it is time for a step without guesses, which all others are compared with."""
        return 0 not in self.step_s or self._since_plain >= _REFRESH

    def _step_seconds(self, guesses: int) -> float:
        """Return how long a step with so many guesses takes, from those tried so far."""
        below = max(k for k in self.step_s if k <= guesses)
        above = min((k for k in self.step_s if k > guesses), default=0)
        first, last = (below, above) if above else (0, below)
        slope = (self.step_s[last] - self.step_s[first]) / (last - first) if last > first else 0.0
        return self.step_s[first] + max(0.0, slope) * (guesses - first)


def _follow(known: float, seconds: float) -> float:
    """Return an estimate drawn towards a sample."""
    return known + (_DOWN if seconds < known else _UP) * (min(seconds, 4 * known) - known)


class Rate:
    """How often guesses were right lately."""

    def __init__(self, value: float) -> None:
        self.value = value

    def learn(self, guesses: int, right: int) -> None:
        """Take in that of some guesses the first ones were right; after a wrong one nothing is known."""
        for _ in range(right):
            self.value += _RATE * (1.0 - self.value)
        if right < guesses:
            self.value -= _RATE * self.value


class Lookup:
    """What stood behind the last three tokens when they stood there before, in a prompt or in its reply."""

    WIDTH = 3

    def __init__(self, generation: Generation) -> None:
        self.rate = Rate(0.5)
        self._generation = generation
        self._tokens = list(generation.prompt)
        self._after: dict[tuple[int, ...], int] = {}
        self._indexed = self.WIDTH

    def find(self, most: int) -> list[int]:
        """Return up to so many guesses of what follows the reply so far."""
        tokens, width = self._tokens, self.WIDTH
        tokens += self._generation.tokens[len(tokens) - self._generation.start :]
        for end in range(self._indexed, len(tokens)):
            self._after[tuple(tokens[end - width : end])] = end
        self._indexed = max(self._indexed, len(tokens))
        place = self._after.get(tuple(tokens[-width:]))
        return tokens[place : place + most] if place else []


class Reader:
    """The Alpaca beside one request: its own sequence, which says what it would say next."""

    def __init__(self, generation: Generation, lease: Lease) -> None:
        self.rate = Rate(0.7)
        self.lease = lease
        self.sequence = _native.Sequence(generation.prompt, generation.sampling, list(generation.stop_ids))
        self.sequence.computed = lease.reused

    def catch_up(self, generation: Generation) -> None:
        """Take back what was guessed wrong, and take in what was chosen instead."""
        own, reply = self.sequence.since(generation.start), generation.tokens
        same = 0
        while same < min(len(own), len(reply)) and own[same] == reply[same]:
            same += 1
        self.sequence.rewind(generation.start + same)
        for token in reply[same:]:
            self.sequence.accept(token)


class PairDrafter:
    """Guesses for the requests of a Llama's engine; belongs to whoever steps that engine."""

    def __init__(
        self, alpaca: "_native.Model", *, context: int, cache_tokens: int, words: bool = True
    ) -> None:
        """Make a drafter with a cache for what the Alpaca has read.

        context: the most tokens that the Alpaca can read; a longer conversation goes on without its guesses.
        """
        self._model, self._context = alpaca, context
        self._native_cache = alpaca.new_cache(-(-cache_tokens // _native.BLOCK), words)
        self._cache = PrefixCache(self._native_cache.blocks, _native.BLOCK, self._native_cache.copy)
        self._readers: dict[Generation, Reader] = {}
        self._lookups: dict[Generation, Lookup] = {}
        self._given: list[tuple[Generation, Rate, int, int]] = []
        self.economy = Economy()

    @property
    def resting(self) -> int:
        """Return how many steps may pass before anybody needs to ask for guesses."""
        return self.economy.resting

    def draft(self, batch: Sequence[Generation]) -> list[list[int]]:
        """Return guesses for each request of a step, none where they do not pay."""
        self._forget_finished()
        self._given = []
        guesses: list[list[int]] = [[] for _ in batch]
        if len(batch) > _CROWD:
            return guesses
        judged = False
        asked: list[tuple[int, Reader]] = []
        for index, generation in enumerate(batch):
            found = self._look_up(generation)
            judged = judged or found is not None
            guesses[index] = found or []
            reader = None if found else self._read(generation)
            if reader:
                asked.append((index, reader))
        if asked:
            judged = True
            count = self.economy.choose(sum(reader.rate.value for _, reader in asked) / len(asked))
            if count:
                for index, said in self._ask(asked, count):
                    guesses[index] = said
                    self._note(batch[index], self._readers[batch[index]].rate, said)
        if judged:
            self.economy.judge(bool(self._given))
        return guesses

    def learn(self, seconds: float) -> None:
        """Take in how long the step took that verified the last guesses."""
        self.economy.learn_step(max((count for *_, count, _ in self._given), default=0), seconds)
        for generation, rate, count, before in self._given:
            rate.learn(count, generation.accepted - before)
        self._given = []

    def rest(self, steps: int, seconds: float) -> None:
        """Take in that so many steps went by without guesses, and how long they took together."""
        self.economy.learn_step(0, seconds / steps)
        self.economy.rest(steps)

    def _note(self, generation: Generation, rate: Rate, guesses: list[int]) -> None:
        self._given.append((generation, rate, len(guesses), generation.accepted))

    def _look_up(self, generation: Generation) -> list[int] | None:
        """Return guesses from earlier text, none where they do not pay; None where nothing was found."""
        lookup = self._lookups.get(generation)
        if lookup is None:
            lookup = self._lookups[generation] = Lookup(generation)
        found = lookup.find(MOST)
        if not found:
            return None
        count = self.economy.choose(lookup.rate.value, free=True)
        if count:
            self._note(generation, lookup.rate, found[:count])
        return found[:count]

    def _ask(self, asked: list[tuple[int, Reader]], count: int) -> list[tuple[int, list[int]]]:
        """Return what the Alpaca would say next, for each that has room."""
        ready = [
            (index, reader, reader.sequence.length)
            for index, reader in asked
            if self._extend(reader, reader.sequence.length + count)
        ]
        if not ready:
            return []
        began = time.perf_counter()
        self._model.run(self._native_cache, [reader.sequence for _, reader, _ in ready], count)
        self.economy.learn_guesses(count, time.perf_counter() - began)
        return [(index, reader.sequence.since(before)) for index, reader, before in ready]

    def _read(self, generation: Generation) -> Reader | None:
        """Return the reader of a request once it has read what there is, a slice each time."""
        reader = self._readers.get(generation) or self._open(generation)
        if reader is None:
            return None
        reader.catch_up(generation)
        sequence = reader.sequence
        if sequence.length + MOST > self._context or not self._extend(reader, sequence.length):
            return None
        if sequence.pending <= _SLICE:
            return reader
        self._model.step(self._native_cache, [sequence], [_SLICE])
        return None

    def _open(self, generation: Generation) -> Reader | None:
        tokens = generation.prompt
        lease = self._cache.open(tokens[:-1], len(tokens), spare=0)
        if lease is None:
            return None
        reader = self._readers[generation] = Reader(generation, lease)
        reader.sequence.blocks = lease.blocks
        return reader

    def _extend(self, reader: Reader, positions: int) -> bool:
        before = len(reader.lease.blocks)
        if not self._cache.extend(reader.lease, positions):
            return False
        if len(reader.lease.blocks) > before:
            reader.sequence.blocks = reader.lease.blocks
        return True

    def _forget_finished(self) -> None:
        for generation in [each for each in self._lookups if each.finished]:
            del self._lookups[generation]
            reader = self._readers.pop(generation, None)
            if reader:
                begin = reader.lease.shared * _native.BLOCK
                known = reader.sequence.since(begin)[: max(0, reader.sequence.computed - begin)]
                self._cache.close(reader.lease, known)
