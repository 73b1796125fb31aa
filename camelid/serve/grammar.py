"""What a reply must look like: a JSON schema or calls of tools as a grammar, and a grammar as a guide.

Grammars are llguidance's. JSON comes without blanks between its parts, so that no model can fill a reply with
them. A schema that cannot be enforced whole is refused; nothing is left out of it silently.
"""

import array
import asyncio
import functools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llguidance import LLMatcher, LLTokenizer

from camelid.errors import RequestError
from camelid.generate.generation import Guide
from camelid.serve.refusals import Refusal

_COMPACT = {"whitespace_flexible": False}
_KEPT = 64  # compiled grammars
_MOST_CHARS = 256 << 10  # of a grammar
ANY_OBJECT: dict[str, Any] = {"type": "object"}
Calls = Sequence[tuple[str, dict[str, Any]]]  # of tools: names, and the schemas of their arguments


def json_grammar(schema: dict[str, Any]) -> str:
    """Return the grammar of the JSON values that a schema allows."""
    return "start: value\n" + _rule("value", schema)


def call_grammar(calls: Calls, *, otherwise: dict[str, Any] | None = None, text: bool = False) -> str:
    """Return the grammar of one call of any of these tools.

    otherwise: a schema that a reply may match instead. text: a reply may be any text that does not begin
    with "{" instead.
    """
    names = [f"call_{place}" for place in range(len(calls))]
    rules = []
    if otherwise is not None:
        names.append("value")
        rules.append(_rule("value", otherwise))
    elif text:
        names.append("text")
        rules.append("text: /([^{](.|\\n)*)?/\n")
    for place, (name, schema) in enumerate(calls):
        rules.append(f"call_{place}: {json.dumps(call_head(name))} arguments_{place} " + '"}"\n')
        rules.append(_rule(f"arguments_{place}", {"type": "object", **schema}))
    return f"start: {' | '.join(names)}\n" + "".join(rules)


def call_head(name: str) -> str:
    """Return how a call of a tool begins."""
    return f'{{"name":{json.dumps(name)},"arguments":'


def _rule(name: str, schema: dict[str, Any]) -> str:
    compact = {**schema, "x-guidance": _COMPACT}
    return f"{name}: %json {json.dumps(compact)}\n"


class Grammars:
    """Grammars compiled for one model's tokens."""

    def __init__(self, folder: Path, *, vocab_size: int, stop_ids: Sequence[int]) -> None:
        """Keep where the tokenizer is; it is read with the first grammar."""
        self._folder, self._vocab_size, self._stop_ids = folder, vocab_size, list(stop_ids)
        self._compile = functools.lru_cache(_KEPT)(self._build)

    async def guide(self, grammar: str) -> Guide:
        """Return who leads a reply through a grammar.

        Raises Refusal when the grammar cannot be used.
        """
        if len(grammar) > _MOST_CHARS:
            raise Refusal(
                f"A schema may have {_MOST_CHARS:,} characters; found {len(grammar):,}. Make it smaller.",
                code="invalid_schema",
            )
        matcher = await asyncio.to_thread(self._compile, grammar)
        return GrammarGuide(matcher.deep_copy())

    @functools.cached_property
    def _tokenizer(self) -> LLTokenizer:
        text = (self._folder / "tokenizer.json").read_text(encoding="utf-8")
        return LLTokenizer(text, n_vocab=self._vocab_size, eos_token=self._stop_ids)

    def _build(self, grammar: str) -> LLMatcher:
        matcher = LLMatcher(self._tokenizer, LLMatcher.grammar_from_lark(grammar), log_level=0)
        if matcher.is_error():
            raise Refusal(
                f"The schema cannot be enforced: {_first_line(matcher.get_error())} Leave that "
                "out, and check the reply yourself.",
                code="invalid_schema",
            )
        return matcher


class GrammarGuide(Guide):
    """Leads one reply."""

    def __init__(self, matcher: LLMatcher) -> None:
        self._matcher = matcher

    def allowed(self) -> list[int]:
        """Return a bit for each token that may follow, in words of 32.

        Raises RequestError when the grammar has become too complex to go on.
        """
        words = array.array("I")
        words.frombytes(self._matcher.compute_bitmask())
        self._check()
        return words.tolist()

    def push(self, token_id: int) -> None:
        """Take in the token that was chosen.

        Raises RequestError when it does not fit, which is a mistake of ours or of the grammar's library.
        """
        self._matcher.consume_token(token_id)
        self._check()

    def _check(self) -> None:
        if self._matcher.is_error():
            raise RequestError(f"The grammar cannot go on: {_first_line(self._matcher.get_error())}")


def _first_line(message: str) -> str:
    """Return what llguidance says is wrong, without the place in a grammar that the user never wrote."""
    said = message.partition("failed to compile JSON schema: ")[2] or message
    line = " ".join(re.split(r"\n\s*\d+ \|", said)[0].split())
    return (line if len(line) <= 200 else line[:197] + "…").rstrip(".") + "."
