"""What went before in a conversation: whether one of its questions was the Llama's already.

That is a function of the messages, so that a conversation which goes from server to server stays with the
Llama as it would with one. Each earlier question is judged as it was when it was asked; what was judged is
remembered, which saves work and changes nothing. A reply that the Llama took over in the middle binds no
later one: whether the Alpaca was in doubt cannot be told from the words.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from itertools import accumulate

from camelid.generate.backend import Backend
from camelid.generate.generation import Reading
from camelid.route.deferral import begin
from camelid.route.router import Router
from camelid.text.chat import render_chat
from camelid.text.records import Message
from camelid.text.tokenizer import Tokenizer

_REMEMBERED = 4096  # questions


class Conversations:
    """Remembers whose the latest conversations were, so that no question is judged twice.

    It only saves work: what it forgot, or another process found, is found again from the messages. Covers
    conversations that come with all their turns. Does not cover one whose first turns were cut off: that is
    another one. One memory is for one router, at whatever threshold.
    """

    def __init__(self, size: int = _REMEMBERED) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._known: OrderedDict[int, bool] = OrderedDict()

    def recall(self, router: Router, messages: Sequence[Message]) -> tuple[bool, list[Sequence[Message]]]:
        """Return whether a question before the last was the Llama's, as far as is known; and what is not.

        The latter are beginnings of the conversation that end with a question, the shortest first.
        """
        keys = _keys(router.threshold, messages)
        unknown: list[Sequence[Message]] = []
        for place in range(len(messages) - 1, 0, -1):
            if messages[place].role != "assistant" or messages[place - 1].role == "assistant":
                continue
            known = self._known.get(keys[place])
            if known is not None:
                return known, unknown[::-1]
            unknown.append(messages[:place])
        return False, unknown[::-1]

    def note(self, router: Router, messages: Sequence[Message], llamas: bool) -> None:
        """Remember whether a question of this conversation, the last among them, was the Llama's."""
        key = _keys(router.threshold, messages)[-1]
        with self._lock:
            self._known[key] = llamas
            self._known.move_to_end(key)
            while len(self._known) > self._size:
                self._known.popitem(last=False)


def _keys(threshold: float, messages: Sequence[Message]) -> list[int]:
    """Return what each beginning of a conversation is known by, that of no message first."""
    return list(accumulate(messages, lambda key, turn: hash((key, turn)), initial=hash(threshold)))


def look_back(
    memory: Conversations, router: Router, messages: Sequence[Message], alpaca: Backend, tokenizer: Tokenizer
) -> bool:
    """Tell whether a question of a conversation before the last was the Llama's.

    alpaca, tokenizer: who reads the questions that are not remembered, where the router wants to know.
    """
    before, unknown = memory.recall(router, messages)
    for question in unknown:
        reading = _read(question, alpaca, tokenizer) if router.reads and not before else None
        before = before or router.decide(question, reading).model == "llama"
        memory.note(router, question, before)
    return before


def _read(question: Sequence[Message], alpaca: Backend, tokenizer: Tokenizer) -> Reading | None:
    prompt = render_chat(tokenizer, question, add_generation_prompt=True)
    tokens, reading = begin(alpaca, prompt, {"max_tokens": 1}, stop_ids=(), told=False)
    if tokens:
        tokens.close()
    return reading
