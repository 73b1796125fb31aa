"""The router: which of the two answers a request, and a record of why.

The gain is what the Llama's answer would be better by, in quality from 0 to 1; above the threshold the Llama
is asked. A conversation in which one question was the Llama's stays with it; that is found from the messages,
so that any server finds the same. Covers which of the two; does not cover whether either is good enough.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from operator import mul
from typing import Any, Literal

import numpy as np

from camelid.generate.generation import Reading
from camelid.route.features import NUM_PLAIN, Kind, Recognizer, length_of, plain_features
from camelid.route.heads import Heads
from camelid.route.table import TaskTable
from camelid.text.records import Message

Rule = Literal["asked for", "table", "learned", "conversation", "deferred"]

_HAIR = 1e-9  # parts requests of the same cell, always the same way


@dataclass(frozen=True, slots=True)
class Decision:
    """Who answers a request, and why.

    alpaca_quality, gain: what is expected of the Alpaca's answer, about 0 to 1, and what the Llama's would be
        better by; None where nothing was predicted because a model was asked for by name.
    threshold: the gain above which the Llama is asked. cost: the seconds more that its answer is expected to
        take. rule: what decided. place: the token of the reply from which on the Llama answered in the
        Alpaca's stead; None where one of them said all.
    """

    model: str
    rule: Rule
    alpaca_quality: float | None = None
    gain: float | None = None
    threshold: float = 0.0
    cost: float = 0.0
    task: str = ""
    lang: str = ""
    place: int | None = None

    @property
    def llama_quality(self) -> float | None:
        """Return what is expected of the Llama's answer."""
        if self.alpaca_quality is None or self.gain is None:
            return None
        return self.alpaca_quality + self.gain

    @property
    def reason(self) -> str:
        """Return in words what decided."""
        if self.rule == "asked for":
            return f"the {self.model.capitalize()} was asked for by name"
        if self.rule == "conversation":
            return "an earlier question of this conversation was one for the Llama"
        gain = 0.0 if self.gain is None else self.gain
        if self.rule == "deferred":
            return f"the Alpaca was in doubt at token {(self.place or 0) + 1}, so the Llama went on"
        above = "above" if self.model == "llama" else "not above"
        source = "by the task table" if self.rule == "table" else "by what the Alpaca read"
        return f"the Llama would gain {gain:+.3f}, {above} {self.threshold:.3f}, {source}"

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain values, the reason in words among them; no number is infinite."""
        table: dict[str, Any] = {
            "model": self.model,
            "rule": self.rule,
            "reason": self.reason,
            "alpaca_quality": self.alpaca_quality,
            "llama_quality": self.llama_quality,
            "gain": self.gain,
            "threshold": self.threshold if math.isfinite(self.threshold) else None,
            "cost_s": self.cost,
            "task": self.task,
            "lang": self.lang,
            "place": self.place,
        }
        return table


def hair(messages: Sequence[Message]) -> float:
    """Return a next to nothing that depends on the words alone: it parts requests of one cell."""
    return _HAIR * zlib.crc32(messages[-1].content.encode("utf-8", "replace")) / 2**32


def asked_for(model: str) -> Decision:
    """Return the record of a request that names its model: nothing is decided."""
    return Decision(model, "asked for")


@dataclass(frozen=True)
class Router:
    """Decides who answers; the same request, reading and conversation are always decided alike.

    heads: None where the learned part did not do better than the table. threshold: the gain above which the
        Llama is asked; -inf always, inf never. doubt_below: the log-probability of a token below which the
        Llama goes on in the Alpaca's stead; -inf never.
    costs: seconds that the Llama's answer takes more, by kind. models: what the weights are called, by role.
    evidence: what calibration found, plain values; kept to be shown.
    """

    recognizer: Recognizer
    table: TaskTable
    heads: Heads | None
    threshold: float
    doubt_below: float = -math.inf
    costs: tuple[float, ...] = ()
    models: dict[str, str] = field(default_factory=dict)
    evidence: dict[str, Any] = field(default_factory=dict)

    _rows: Any = field(init=False, repr=False, compare=False)  # what each decision looks up, laid out
    _hidden: Any = field(init=False, repr=False, compare=False, default=None)
    _plain: Any = field(init=False, repr=False, compare=False, default=None)
    _offsets: Any = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        """Lay out the tables as lists, of which one number is taken sooner than of an array."""
        object.__setattr__(self, "_rows", self.table.means.tolist())
        if self.heads is not None:
            width = self.heads.weights.shape[1] - NUM_PLAIN
            object.__setattr__(
                self, "_hidden", np.ascontiguousarray(self.heads.weights[:, :width], np.float32)
            )
            object.__setattr__(self, "_plain", self.heads.weights[:, width:].tolist())
            object.__setattr__(self, "_offsets", self.heads.offsets.tolist())

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Return the kinds of requests that are known."""
        return self.table.kinds

    def at(self, threshold: float, doubt_below: float | None = None) -> "Router":
        """Return the same router with another threshold, and another border of doubt if one is given."""
        return replace(
            self, threshold=threshold, doubt_below=self.doubt_below if doubt_below is None else doubt_below
        )

    def predict(
        self, messages: Sequence[Message], reading: Reading | None = None
    ) -> tuple[float, float, int]:
        """Return the qualities to be expected of the Alpaca and of the Llama, and the place of the kind.

        Without a reading the task table alone predicts.
        """
        kind = self.recognizer.recognize(messages)
        alpaca, llama = self._rows[kind][length_of(messages)]
        if reading is not None and self.heads is not None:
            one, two = (self._hidden @ reading.hidden).tolist()
            plain = plain_features(messages, reading)
            first, second = self._plain
            alpaca += one + self._offsets[0] + sum(map(mul, first, plain))
            llama += two + self._offsets[1] + sum(map(mul, second, plain))
        return alpaca, llama, kind

    @property
    def reads(self) -> bool:
        """Tell whether it needs what the Alpaca read, or judges by the words alone."""
        return self.heads is not None

    def decide(
        self, messages: Sequence[Message], reading: Reading | None = None, *, before: bool = False
    ) -> Decision:
        """Return who answers a conversation.

        messages: all of the conversation, up to the turn that asks. reading: what the Alpaca read in it.
        before: an earlier question of it was the Llama's, so this one is, too; see `past.Conversations`.
        """
        alpaca, llama, kind = self.predict(messages, reading)
        gain = llama - alpaca + hair(messages)
        model = "llama" if gain > self.threshold else "alpaca"
        rule: Rule = "learned" if self.heads is not None and reading is not None else "table"
        if before:
            model, rule = "llama", "conversation"
        cost = self.costs[kind] if self.costs else 0.0
        known = self.table.kinds[kind]
        return Decision(model, rule, alpaca, gain, self.threshold, cost, known.task, known.lang)

    @property
    def defers(self) -> bool:
        """Tell whether replies of the Alpaca are watched for doubtful tokens."""
        return self.doubt_below > -math.inf

    def doubt(self, logprobs: Sequence[float]) -> int | None:
        """Return the place of the first doubtful token of a reply of the Alpaca; None without one."""
        return next((place for place, value in enumerate(logprobs) if value < self.doubt_below), None)


def defer(decision: Decision, place: int) -> Decision:
    """Return the record of a reply in which the Llama went on from the token at `place`."""
    return replace(decision, model="llama", rule="deferred", place=place)
