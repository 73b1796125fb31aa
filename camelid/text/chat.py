"""Records and conversations into token ids, with the mask of what is learnt from: one renderer for training
and serving.

A conversation's ids are those of the chat template's text, special tokens read as such. For camelid's own
template they are put together turn by turn, which is the same (tested) and many times faster. Learnt from
are the assistant's words and the token that ends its turn; of a document everything after the first token.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from camelid.errors import CamelidError, DataError, RequestError
from camelid.text.records import ROLES, Message, Record
from camelid.text.tokenizer import Tokenizer
from camelid.text.turns import ChatTemplate, as_messages, defuse, mend

__all__ = ["ChatTemplate", "Rendered", "render_chat", "render_record", "render_records", "supervised_spans"]


class Rendered(NamedTuple):
    """A record as the model sees it: parallel lists, as long as the record in tokens."""

    token_ids: list[int]
    supervised: list[bool]


def render_chat(
    tokenizer: Tokenizer,
    messages: str | Sequence[Message | Mapping[str, Any]],
    *,
    add_generation_prompt: bool = False,
) -> list[int]:
    """Return a conversation's token ids, as `transformers`' apply_chat_template gives them.

    add_generation_prompt: end with the beginning of an assistant turn, for the model to go on from.

    Raises RequestError for messages that cannot be rendered.
    """
    turns = as_messages(messages)
    if _template(tokenizer).is_ours:
        ids = _join_turns(tokenizer, turns, tokenizer.encode_many([defuse(turn.content) for turn in turns]))[
            0
        ]
        return [*ids, tokenizer.id_of("<|assistant|>")] if add_generation_prompt else ids
    text = _template(tokenizer).render(
        _defuse_foreign(tokenizer, turns), add_generation_prompt=add_generation_prompt
    )
    return tokenizer.encode_rendered(text)[0]


def render_record(tokenizer: Tokenizer, record: Record) -> Rendered:
    """Return a record's token ids and, for each, whether the model learns to say it.

    Raises DataError for a record that has nothing to learn from, or that cannot be rendered.
    """
    return render_records(tokenizer, [record])[0]


def render_records(tokenizer: Tokenizer, records: Sequence[Record]) -> list[Rendered]:
    """Return what `render_record` returns for each record, encoded together on all cores.

    Raises DataError for a record that has nothing to learn from, or that cannot be rendered.
    """
    for record in records:
        _check(record)
    if any(record.is_chat for record in records) and not _template(tokenizer).is_ours:
        return [_render_foreign(tokenizer, record) for record in records]
    texts = itertools.chain.from_iterable(_contents(record) for record in records)
    encoded = iter(tokenizer.encode_many(list(texts)))
    rendered = []
    for record in records:
        if record.is_chat:
            contents = list(itertools.islice(encoded, len(record.messages)))
            rendered.append(_join_turns(tokenizer, record.messages, contents))
        else:
            rendered.append(_join_document(tokenizer, next(encoded)))
    return rendered


def supervised_spans(tokenizer: Tokenizer, record: Record) -> list[tuple[str, bool]]:
    """Return a record as the model sees it, special tokens written out, cut where the mask changes.

    Raises DataError for a record that cannot be rendered.
    """
    pairs = zip(*render_record(tokenizer, record), strict=True)
    return [
        (tokenizer.decode((token_id for token_id, _ in run), skip_special=False), flag)
        for flag, run in itertools.groupby(pairs, key=lambda pair: pair[1])
    ]


def _contents(record: Record) -> list[str]:
    return [defuse(turn.content) for turn in record.messages] if record.is_chat else [record.text]


def _check(record: Record) -> None:
    if not record.is_chat:
        if not record.text:
            raise DataError("A document must hold text; found an empty one. Leave it out, or use --skip-bad.")
        return
    roles = [turn.role for turn in record.messages]
    unknown = next((role for role in roles if role not in ROLES), None)
    if unknown is not None:
        raise DataError(f"A conversation has the unknown role {unknown!r}. Known: {', '.join(ROLES)}.")
    if "assistant" not in roles:
        raise DataError(
            "A conversation needs an assistant turn to learn from; "
            f"found only {', '.join(dict.fromkeys(roles))}. "
            "Check the form of its source, or use --skip-bad."
        )


def _template(tokenizer: Tokenizer) -> ChatTemplate:
    if tokenizer.template is None:
        raise RequestError(
            "This tokenizer has no chat template, so it takes no conversations. "
            "Give the model plain text, or add chat_template to tokenizer_config.json."
        )
    return tokenizer.template


def _join_document(tokenizer: Tokenizer, content: list[int]) -> Rendered:
    token_ids = [tokenizer.bos_id, *content, tokenizer.eos_id]
    return Rendered(token_ids, [False] + [True] * (len(token_ids) - 1))


def _join_turns(tokenizer: Tokenizer, turns: Sequence[Message], contents: list[list[int]]) -> Rendered:
    """Put a conversation together as camelid's own template does."""
    role_ids = {role: tokenizer.id_of(f"<|{role}|>") for role in ROLES}
    token_ids, supervised = [tokenizer.bos_id], [False]
    for turn, content in zip(turns, contents, strict=True):
        token_ids.append(role_ids[turn.role])
        token_ids += content
        token_ids.append(tokenizer.end_id)
        supervised.append(False)
        supervised += [turn.role == "assistant"] * (len(content) + 1)
    return Rendered(token_ids, supervised)


def _defuse_foreign(tokenizer: Tokenizer, turns: Sequence[Message]) -> list[Message]:
    """Break special tokens in contents with a blank: a foreign template does not guard against them."""
    if not tokenizer.special_tokens:
        return list(turns)
    special = re.compile("|".join(map(re.escape, sorted(tokenizer.special_tokens, key=len, reverse=True))))
    return [
        Message(turn.role, special.sub(lambda found: f"{found[0][:1]} {found[0][1:]}", mend(turn.content)))
        for turn in turns
    ]


def _render_foreign(tokenizer: Tokenizer, record: Record) -> Rendered:
    """Render with any template: an assistant turn is what the text grows by after the generation prompt."""
    if not record.is_chat:
        return _join_document(tokenizer, tokenizer.encode(record.text))
    try:
        text, spans = _find_assistant(
            _template(tokenizer), _defuse_foreign(tokenizer, as_messages(record.messages))
        )
        token_ids, offsets = tokenizer.encode_rendered(text)
    except DataError:
        raise
    except CamelidError as error:
        raise DataError(f"A conversation cannot be rendered: {error}") from error
    supervised = [any(first <= start < last for first, last in spans) for start, _ in offsets]
    return Rendered(token_ids, supervised)


def _find_assistant(template: ChatTemplate, turns: list[Message]) -> tuple[str, list[tuple[int, int]]]:
    """Return the rendered text, and from where to where in it the assistant's turns go."""
    text = template.render(turns)
    spans = []
    for index, turn in enumerate(turns):
        if turn.role != "assistant":
            continue
        before = template.render(turns[:index], add_generation_prompt=True)
        after = template.render(turns[: index + 1])
        if not (after.startswith(before) and text.startswith(after) and len(after) > len(before)):
            raise DataError(
                "The chat template writes a turn differently when others follow, so what the assistant said "
                f"cannot be told apart (turn {index + 1}). Train with camelid's own template instead."
            )
        spans.append((len(before), len(after)))
    return text, spans
