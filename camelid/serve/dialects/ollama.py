"""Ollama's /api/chat, /api/generate, /api/tags, /api/show and /api/version."""

import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from importlib.metadata import version as package_version
from typing import Any

from camelid.serve.asking import make_settings, read_stops
from camelid.serve.core import Ask, Core, Voice
from camelid.serve.dialects.listening import Listening
from camelid.serve.dialects.telling import account_headers
from camelid.serve.refusals import Refusal, error_body, refuse
from camelid.serve.schema.ollama import (
    OllamaChatRequest,
    OllamaGenerateRequest,
    OllamaMessage,
    OllamaShowRequest,
    Options,
)
from camelid.serve.toolbox import Call, Toolbox, ToolSpec, write_call
from camelid.serve.wire import LINES, Streamed, Whole, to_json
from camelid.text.records import Message

_PATH = "/api/"
Say = Callable[[str, Call | None], dict[str, Any]]  # the fields that hold a piece of the reply


async def chat(core: Core, body: OllamaChatRequest) -> Whole | Streamed:
    """Return the answer to a conversation, in lines unless asked otherwise.

    Raises Refusal or RequestError when there is none.
    """
    tools = [
        ToolSpec(spec.name, spec.description or "", spec.parameters or {})
        for spec in (tool.function for tool in body.tools or ())
    ]
    toolbox = Toolbox(tools, schema=_read_format(body))
    messages = toolbox.tell([_as_message(message) for message in body.messages])
    return await _answer(core, body, toolbox, _say_message, messages=messages)


async def generate(core: Core, body: OllamaGenerateRequest) -> Whole | Streamed:
    """Return the answer to a prompt, or with raw how it goes on; nothing for an empty prompt.

    Raises Refusal or RequestError when there is none.
    """
    core.check_name(body.model)
    if not body.prompt:
        told = {"model": body.model, "created_at": _now(), "response": "", "done": True}
        return Whole({**told, "done_reason": "load"})
    if body.raw and body.system:
        raise Refusal("raw takes the prompt as it is, so system would be dropped. Leave one out.")
    toolbox = Toolbox(schema=_read_format(body))
    if body.raw:
        bos_id = core.tokenizer_of(body.model).bos_id
        prompt = (bos_id, *await core.encode(body.model, body.prompt))
        return await _answer(core, body, toolbox, _say_response, prompt=prompt)
    system = [Message("system", body.system)] if body.system else []
    messages = (*system, Message("user", body.prompt))
    return await _answer(core, body, toolbox, _say_response, messages=messages)


async def tags(core: Core) -> Whole:
    """Return what can be asked for."""
    return Whole({"models": [_describe(core, name) for name in core.names]})


async def show(core: Core, body: OllamaShowRequest) -> Whole:
    """Return what a model is.

    Raises Refusal for one that is not there.
    """
    voice = _voice(core, core.check_name(body.model))
    config = voice.model.config
    return Whole(
        {
            "modelfile": f"# camelid serves {body.model}",
            "parameters": "",
            "template": voice.tokenizer.template.source if voice.tokenizer.template else "",
            "details": _details(voice),
            "model_info": {
                "general.architecture": "llama",
                "general.parameter_count": config.num_parameters,
                "llama.block_count": config.num_hidden_layers,
                "llama.context_length": voice.model.context,
                "llama.embedding_length": config.hidden_size,
                "llama.vocab_size": config.vocab_size,
            },
            "capabilities": ["completion", "tools"],
        }
    )


async def version(core: Core) -> Whole:
    """Return the version of camelid."""
    return Whole({"version": package_version("camelid")})


# --- what is asked ----------------------------------------------------------------------------------------


async def _answer(
    core: Core,
    body: OllamaChatRequest | OllamaGenerateRequest,
    toolbox: Toolbox,
    say: Say,
    *,
    messages: tuple[Message, ...] = (),
    prompt: tuple[int, ...] = (),
) -> Whole | Streamed:
    options = body.options or Options()
    if options.num_ctx and options.num_ctx > core.context:
        raise Refusal(f"num_ctx may be {core.context}; found {options.num_ctx}.", param="options.num_ctx")
    most = options.num_predict if options.num_predict and options.num_predict > 0 else None
    ask = Ask(
        model=body.model,
        settings=make_settings(core, options.drawing, max_tokens=most),
        messages=messages,
        prompt=prompt,
        stop=read_stops(options.stop),
        grammar=toolbox.grammar,
        dial=body.dial,
        max_quality_loss=body.max_quality_loss,
    )
    listening = Listening(core, ask, toolbox)
    await listening.begin()
    headers = account_headers(listening.reply)
    if body.stream is not False:
        return Streamed(_lines(body.model, listening, say), listening.close, _fail, headers, LINES)
    text, call = await listening.whole()
    last = _last(body.model, listening) | say(text, call)
    return Whole(last, account_headers(listening.reply))


def _read_format(body: OllamaChatRequest | OllamaGenerateRequest) -> dict[str, Any] | None:
    if body.format in (None, ""):
        return None
    return body.format if isinstance(body.format, dict) else {"type": "object"}


def _as_message(message: OllamaMessage) -> Message:
    calls = [
        write_call(call.function.name, json.dumps(call.function.arguments, ensure_ascii=False))
        for call in message.tool_calls or ()
    ]
    text = "\n".join([*([message.content] if message.content else []), *calls])
    return Message(message.role, text)


# --- what is told -----------------------------------------------------------------------------------------


async def _lines(model: str, listening: Listening, say: Say) -> AsyncIterator[bytes]:
    call: Call | None = None
    arguments: list[str] = []
    try:
        async for heard in listening.heard():
            if heard.call:
                call = heard.call
            elif heard.arguments:
                arguments.append(heard.arguments)
            elif heard.text:
                yield _line({**_head(model), **say(heard.text, None), "done": False})
        if call:
            whole = Call(call.id, call.name, "".join(arguments))
            yield _line({**_head(model), **say("", whole), "done": False})
        yield _line(_last(model, listening) | say("", None))
    finally:
        listening.close()


def _line(told: dict[str, Any]) -> bytes:
    return to_json(told) + b"\n"


def _fail(error: Exception) -> bytes:
    return _line(error_body(refuse(error), _PATH))


def _say_message(text: str, call: Call | None) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if call:
        message["tool_calls"] = [{"function": {"name": call.name, "arguments": _read(call.arguments)}}]
    return {"message": message}


def _say_response(text: str, call: Call | None) -> dict[str, Any]:
    return {"response": text}


def _read(arguments: str) -> Any:
    """Return a call's arguments; {} for ones that were cut, which done_reason tells."""
    try:
        return json.loads(arguments)
    except ValueError:
        return {}


def _head(model: str) -> dict[str, Any]:
    return {"model": model, "created_at": _now()}


def _last(model: str, listening: Listening) -> dict[str, Any]:
    """Return the fields of the last line: how it ended, and what it took, in nanoseconds."""
    reply, replies = listening.reply, listening.replies
    account = reply.account()
    total, first = account["total_ms"] or 0.0, account["first_token_ms"] or 0.0
    return {
        **_head(model),
        "done": True,
        "done_reason": reply.finish,
        "total_duration": int(total * 1e6),
        "load_duration": 0,
        "prompt_eval_count": replies.prompt_tokens,
        "prompt_eval_duration": int(first * 1e6),
        "eval_count": replies.completion_tokens,
        "eval_duration": int(max(0.0, total - first) * 1e6),
        "camelid": account,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _voice(core: Core, name: str) -> Voice:
    return core.voices.get(name) or core.voices.get("llama") or core.alpaca


def _describe(core: Core, name: str) -> dict[str, Any]:
    voice = _voice(core, name)
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(core.created))
    digest = hashlib.sha256(f"{voice.name} {voice.tokenizer.fingerprint}".encode()).hexdigest()
    return {
        "name": name,
        "model": name,
        "modified_at": created,
        "size": voice.model.weight_bytes,
        "digest": digest,
        "details": _details(voice),
    }


def _details(voice: Voice) -> dict[str, Any]:
    parameters = voice.model.config.num_parameters
    return {
        "parent_model": "",
        "format": "safetensors",
        "family": "llama",
        "families": ["llama"],
        "parameter_size": f"{parameters / 1e6:.1f}M",
        "quantization_level": voice.model.dtype,
    }
