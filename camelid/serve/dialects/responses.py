"""OpenAI's /v1/responses, without state: nothing is stored, and nothing can be referred to."""

import time
from collections.abc import AsyncIterator
from typing import Any

from camelid.serve.asking import make_settings
from camelid.serve.core import Ask, Core
from camelid.serve.dialects.chat import NO_ARGUMENTS
from camelid.serve.dialects.listening import Listening
from camelid.serve.dialects.telling import account_headers, name_request
from camelid.serve.refusals import error_body, refuse
from camelid.serve.schema.responses import (
    CalledFunction,
    CallOutput,
    FunctionChoice,
    InputItem,
    InputText,
    ObjectFormat,
    ResponsesRequest,
    SchemaFormat,
)
from camelid.serve.toolbox import Call, Toolbox, ToolChoice, ToolSpec, write_call
from camelid.serve.wire import Streamed, Whole, event
from camelid.text.records import Message


async def respond(core: Core, body: ResponsesRequest) -> Whole | Streamed:
    """Return the answer, whole or in events.

    Raises Refusal or RequestError when there is none.
    """
    toolbox = _read_toolbox(body)
    ask = Ask(
        model=body.model,
        settings=make_settings(core, body.drawing, max_tokens=body.max_output_tokens),
        messages=toolbox.tell(_read_messages(body)),
        grammar=toolbox.grammar,
        dial=body.dial,
        max_quality_loss=body.max_quality_loss,
    )
    listening = Listening(core, ask, toolbox)
    await listening.begin()
    telling = _Telling(body, listening)
    headers = account_headers(listening.reply)
    if body.stream:
        return Streamed(telling.events(), listening.close, telling.fail, headers)
    text, call = await listening.whole()
    telling.item = _call_item(call) if call else _text_item(text)
    return Whole(telling.response(telling.status()), account_headers(listening.reply))


# --- what is asked ----------------------------------------------------------------------------------------


def _read_messages(body: ResponsesRequest) -> list[Message]:
    told = [Message("system", body.instructions)] if body.instructions else []
    if isinstance(body.input, str):
        return [*told, Message("user", body.input)]
    return [*told, *(_as_message(item) for item in body.input)]


def _as_message(item: InputItem) -> Message:
    if isinstance(item, CalledFunction):
        return Message("assistant", write_call(item.name, item.arguments))
    if isinstance(item, CallOutput):
        return Message("tool", _read_content(item.output))
    return Message("system" if item.role == "developer" else item.role, _read_content(item.content))


def _read_content(content: str | list[InputText]) -> str:
    return content if isinstance(content, str) else "".join(part.text for part in content)


def _read_toolbox(body: ResponsesRequest) -> Toolbox:
    tools = [
        ToolSpec(tool.name, tool.description or "", tool.parameters or NO_ARGUMENTS)
        for tool in body.tools or ()
    ]
    choice = body.tool_choice
    if isinstance(choice, FunctionChoice):
        wish = ToolChoice("required", choice.name)
    else:
        wish = ToolChoice(choice or "auto")
    form = body.text.format if body.text else None
    schema: dict[str, Any] | None = None
    if isinstance(form, SchemaFormat):
        schema = form.schema_
    elif isinstance(form, ObjectFormat):
        schema = {"type": "object"}
    return Toolbox(tools, wish, schema)


# --- what is told -----------------------------------------------------------------------------------------


def _text_item(text: str, status: str = "completed", name: str = "") -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    content = [part] if status != "in_progress" else []
    name = name or name_request("msg_")
    return {"type": "message", "id": name, "status": status, "role": "assistant", "content": content}


def _call_item(call: Call, status: str = "completed", name: str = "") -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": name or name_request("fc_"),
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments,
        "status": status,
    }


class _Telling:
    """A reply in the words of the responses API.

    item: what the reply says, once it is known.
    """

    def __init__(self, body: ResponsesRequest, listening: Listening) -> None:
        self.item: dict[str, Any] | None = None
        self._body, self._listening = body, listening
        self._id, self._created = name_request("resp_"), int(time.time())
        self._number = -1

    def status(self) -> str:
        """Return how the reply ended."""
        return "incomplete" if self._listening.reply.finish == "length" else "completed"

    def response(self, status: str) -> dict[str, Any]:
        """Return the whole object at this state."""
        body = self._body
        given = body.model_dump(mode="json", by_alias=True, exclude_none=True)
        told = {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "instructions": body.instructions,
            "max_output_tokens": body.max_output_tokens,
            "model": body.model,
            "output": [self.item] if self.item else [],
            "parallel_tool_calls": False,
            "previous_response_id": None,
            "reasoning": {"effort": None, "summary": None},
            "store": False,
            "temperature": body.temperature,
            "text": given.get("text") or {"format": {"type": "text"}},
            "tool_choice": given.get("tool_choice", "auto"),
            "tools": [_told_tool(tool) for tool in given.get("tools", [])],
            "top_p": body.top_p,
            "truncation": "disabled",
            "user": body.user,
            "metadata": body.metadata or {},
        }
        if status == "in_progress":
            return told
        return told | {"usage": self._usage(), "camelid": self._listening.reply.account()}

    def _usage(self) -> dict[str, Any]:
        replies = self._listening.replies
        came, went = replies.prompt_tokens, replies.completion_tokens
        return {
            "input_tokens": came,
            "input_tokens_details": {"cached_tokens": replies.first.reused_tokens, "cache_write_tokens": 0},
            "output_tokens": went,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": came + went,
        }

    def fail(self, error: Exception) -> bytes:
        """Return the event that ends a stream which cannot go on."""
        told = error_body(refuse(error), "")["error"]
        return self._event("error", message=told["message"], code=told["code"], param=told["param"])

    async def events(self) -> AsyncIterator[bytes]:
        """Yield the events of a streamed reply."""
        try:
            yield self._event("response.created", response=self.response("in_progress"))
            yield self._event("response.in_progress", response=self.response("in_progress"))
            pieces: list[str] = []
            call: Call | None = None
            name = ""
            async for heard in self._listening.heard():
                if heard.call:
                    call, name = heard.call, name_request("fc_")
                    yield self._added(_call_item(call, "in_progress", name))
                elif heard.arguments:
                    pieces.append(heard.arguments)
                    yield self._delta("function_call_arguments", name, heard.arguments)
                elif heard.text:
                    if not name:
                        name = name_request("msg_")
                        for begun in self._begin_text(name):
                            yield begun
                    pieces.append(heard.text)
                    yield self._delta("output_text", name, heard.text, content_index=0, logprobs=[])
            if call:
                for last in self._end_call(call, name, "".join(pieces)):
                    yield last
            else:
                if not name:
                    name = name_request("msg_")
                    for begun in self._begin_text(name):
                        yield begun
                for last in self._end_text(name, "".join(pieces)):
                    yield last
            status = self.status()
            yield self._event("response." + status, response=self.response(status))
        finally:
            self._listening.close()

    def _begin_text(self, name: str) -> list[bytes]:
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        return [
            self._added(_text_item("", "in_progress", name)),
            self._of_item("response.content_part.added", name, content_index=0, part=part),
        ]

    def _end_text(self, name: str, text: str) -> list[bytes]:
        self.item = _text_item(text, self.status(), name)
        part = self.item["content"][0]
        return [
            self._of_item("response.output_text.done", name, content_index=0, text=text, logprobs=[]),
            self._of_item("response.content_part.done", name, content_index=0, part=part),
            self._event("response.output_item.done", output_index=0, item=self.item),
        ]

    def _end_call(self, call: Call, name: str, arguments: str) -> list[bytes]:
        self.item = _call_item(Call(call.id, call.name, arguments), self.status(), name)
        kind = "response.function_call_arguments.done"
        return [
            self._of_item(kind, name, arguments=arguments, name=call.name),
            self._event("response.output_item.done", output_index=0, item=self.item),
        ]

    def _added(self, item: dict[str, Any]) -> bytes:
        return self._event("response.output_item.added", output_index=0, item=item)

    def _delta(self, kind: str, name: str, delta: str, **more: object) -> bytes:
        return self._of_item(f"response.{kind}.delta", name, delta=delta, **more)

    def _of_item(self, kind: str, item_id: str, **fields: object) -> bytes:
        return self._event(kind, item_id=item_id, output_index=0, **fields)

    def _event(self, kind: str, **fields: object) -> bytes:
        self._number += 1
        return event({"type": kind, "sequence_number": self._number, **fields}, kind)


def _told_tool(tool: dict[str, Any]) -> dict[str, Any]:
    return {"strict": True, "parameters": NO_ARGUMENTS, "description": None, **tool}
