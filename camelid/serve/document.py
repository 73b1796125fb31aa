"""The OpenAPI document: every door, made of the models that requests are checked with."""

import re
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from camelid.serve.door import Door
from camelid.serve.schema.messages import MessagesError
from camelid.serve.schema.ollama import OllamaError
from camelid.serve.schema.strict import Error

_TEMPLATE = "#/components/schemas/{model}"
_REFUSALS = {
    "400": "The request cannot be answered as it stands.",
    "401": "A key is missing or unknown.",
    "403": "A browser's page from elsewhere may not call.",
    "404": "There is no such model.",
    "408": "The request came too slowly.",
    "413": "The request is too large.",
    "415": "The body is not JSON.",
    "429": "The queue is full; Retry-After says for how long.",
    "500": "Something went wrong in the server.",
    "503": "The engine has stopped.",
}


def make_document(doors: Sequence[Door]) -> dict[str, Any]:
    """Return the document of these doors, OpenAPI 3.1."""
    kinds = {kind for door in doors for kind in (door.takes, door.gives, _error_of(door)) if kind}
    named = sorted(kinds, key=lambda kind: (kind.__module__, kind.__name__))
    references, schemas = models_json_schema([(kind, "validation") for kind in named], ref_template=_TEMPLATE)
    places = {kind: references[kind, "validation"] for kind in named}
    paths: dict[str, Any] = {}
    for door in doors:
        paths.setdefault(door.path, {})[door.method.lower()] = _describe(door, places)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "camelid",
            "version": version("camelid"),
            "description": "A pair of language models behind one door: auto, llama, alpaca and blend.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas.get("$defs", {}),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"key": []}],
    }


def _error_of(door: Door) -> type[BaseModel]:
    if door.path.startswith("/api/"):
        return OllamaError
    return MessagesError if door.path.startswith("/v1/messages") else Error


def _describe(door: Door, places: dict[type[BaseModel], Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"operationId": door.name, "summary": door.summary}
    if names := re.findall(r"{(\w+)}", door.path):
        told["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ]
    if door.takes:
        content = {"application/json": {"schema": places[door.takes]}}
        told["requestBody"] = {"required": True, "content": content}
    good: dict[str, Any] = {}
    if door.gives:
        good["application/json"] = {"schema": places[door.gives]}
    if door.streams:
        good[door.streams.partition(";")[0]] = {"schema": {"type": "string"}}
    if door.text:
        good["text/plain"] = {"schema": {"type": "string"}}
    bad = {"application/json": {"schema": places[_error_of(door)]}}
    told["responses"] = {"200": {"description": "The answer.", "content": good}}
    told["responses"] |= {status: {"description": why, "content": bad} for status, why in _REFUSALS.items()}
    return told
