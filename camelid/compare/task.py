"""What a model is asked, and what would be right: items, and the tasks that they make up.

A task's data are at hand when it is made; which metric it is judged by stands in it by name (`metrics`).
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from camelid.errors import DataError
from camelid.files import hash_json
from camelid.text.languages import UNKNOWN
from camelid.text.records import Message

Kind = Literal["generate", "choose", "read"]
EXAMPLES_BETWEEN = "\n\n"  # between examples of a task without chat template, as lm-evaluation-harness has it


@dataclass(frozen=True)
class Item:
    """One thing to ask.

    messages: the conversation up to the answer that is asked for; empty where a text is gone on with.
    text: what is gone on with; empty where there are messages.
    target: what would be right: the answer, one of the choices, or how the text goes on.
    choices: the answers to choose from; empty where any is possible.
    document: a text that is read as a whole, beside what is asked; "" without one.
    meta: what else is known, to group results by, such as {"direction": "en→de"}.
    """

    id: str
    target: str
    messages: tuple[Message, ...] = ()
    text: str = ""
    choices: tuple[str, ...] = ()
    document: str = ""
    lang: str = UNKNOWN
    task: str = ""
    meta: Mapping[str, str] = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        """Return what is asked as one text, to be shown."""
        if not self.messages:
            return self.text
        if len(self.messages) == 1:
            return self.messages[0].content
        return "\n".join(f"{turn.role}: {turn.content}" for turn in self.messages)

    @property
    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that stand for what is asked and what would be right."""
        turns = [[turn.role, turn.content] for turn in self.messages]
        return hash_json([turns, self.text, self.target, self.choices, self.document])


def make_item(
    target: str,
    *,
    messages: Sequence[Message] = (),
    text: str = "",
    document: str = "",
    lang: str = UNKNOWN,
    task: str = "",
    meta: Mapping[str, str] | None = None,
) -> Item:
    """Return an item that is called after what is in it."""
    item = Item("", target, tuple(messages), text, (), document, lang, task, meta or {})
    return replace(item, id=item.fingerprint)


@dataclass(frozen=True)
class Task:
    """A named set of items and how answers to them are judged.

    metrics: by name; the first one decides. kind: an answer is generated, chosen among the item's choices by
        likelihood, or the text is only read.
    pool: all items that there are. max_tokens: the most that an answer may have.
    chat: prompts are written with the model's chat template; else they are plain text to go on with.
    num_fewshot: so many items with their answers stand before each prompt; they are not asked themselves.
    group_by: a key of the items' meta that results are told by, besides the language; "" for none.
    """

    name: str
    title: str
    metrics: tuple[str, ...]
    kind: Kind
    pool: tuple[Item, ...]
    max_tokens: int = 96
    chat: bool = True
    num_fewshot: int = 0
    group_by: str = ""

    @property
    def metric(self) -> str:
        """Return the metric that decides."""
        return self.metrics[0]

    def items(self, limit: int | None = None, seed: int = 0) -> list[Item]:
        """Return at most `limit` items, drawn with `seed`, ready to be asked: examples stand before them.

        Of a smaller limit are the first ones of a larger.

        Raises DataError when the examples leave nothing to ask.
        """
        drawn = list(self.pool)
        random.Random(seed).shuffle(drawn)
        shown, asked = drawn[: self.num_fewshot], drawn[self.num_fewshot :]
        if not asked:
            raise DataError(
                f"The task {self.name} has {len(drawn)} items, of which {self.num_fewshot} are shown as "
                "examples: none is left to ask. Use a smaller --fewshot, or add items."
            )
        return [self._show(shown, item) for item in asked[:limit]]

    def in_plain_text(self) -> "Task":
        """Return the task asked without a chat template: the contents of the turns, a line each."""
        if not self.chat:
            return self
        pool = tuple(
            replace(item, messages=(), text="\n".join(turn.content for turn in item.messages).rstrip())
            for item in self.pool
        )
        return replace(self, pool=pool, chat=False)

    @property
    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that stand for the data of all items."""
        return hash_json([item.fingerprint for item in self.pool])

    def _show(self, examples: Sequence[Item], item: Item) -> Item:
        if not examples:
            return item
        if not self.chat:
            texts = [f"{example.text} {example.target}" for example in examples]
            return replace(item, text=EXAMPLES_BETWEEN.join([*texts, item.text]))
        first = 1 if item.messages[0].role == "system" else 0
        turns = [
            turn
            for example in examples
            for turn in (
                *(told for told in example.messages if told.role != "system"),
                Message("assistant", example.target),
            )
        ]
        return replace(item, messages=(*item.messages[:first], *turns, *item.messages[first:]))


def without_repeats(items: Iterable[Item]) -> tuple[Item, ...]:
    """Return items in their order, each id once."""
    return tuple({item.id: item for item in items}.values())


def ask_last(record_turns: Sequence[Message]) -> tuple[tuple[Message, ...], str] | None:
    """Return a conversation up to its last answer, and that answer; None where nobody is asked."""
    last = max((place for place, turn in enumerate(record_turns) if turn.role == "assistant"), default=0)
    return (tuple(record_turns[:last]), record_turns[last].content) if last else None


def group_items(items: Iterable[Item], key: Callable[[Item], str]) -> dict[str, list[int]]:
    """Return the places of the items of each group, groups in the order of their names."""
    places: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        places.setdefault(key(item), []).append(place)
    return {name: places[name] for name in sorted(places)}
