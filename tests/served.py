"""A real server in a process of its own, on a pair that is made in a moment; and what it is asked."""

import json
import os
import re
import signal
import subprocess
import sys
import threading

import httpx
import numpy as np
import openai
import pydantic
import tiny

from camelid.model.checkpoint import save_model_folder
from camelid.model.pairfile import PairFile, RoleFile, write_pair_file
from camelid.route.features import NUM_PLAIN, Kind, Recognizer
from camelid.route.folder import hash_pair, save_router
from camelid.route.heads import Heads
from camelid.route.router import Router
from camelid.route.table import TaskTable

CONTEXT = 768
KIND = Kind("chat", "en")
HELLO = [{"role": "user", "content": "Hello, llama!"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a place.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"enum": ["Lima", "Cusco"]},
                "days": {"type": "integer", "minimum": 1, "maximum": 9},
            },
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}
REST = {"type": "function", "function": {"name": "rest"}}


class Herd(pydantic.BaseModel):
    kind: str = pydantic.Field(max_length=6)
    heads: int = pydantic.Field(ge=0, le=99)
    tame: bool


def make_long_pair(folder):
    """Write a pair like tiny's, with room for tools and JSON."""
    tokenizer = tiny.make_tokenizer()
    roles = {}
    for role, depth in tiny.DEPTHS.items():
        decoder = tiny.make_decoder(seed=depth, num_hidden_layers=depth, max_position_embeddings=CONTEXT)
        save_model_folder(folder / role, decoder, tokenizer)
        roles[role] = RoleFile(role, decoder.config.num_parameters, depth, "", 0, 0, {}, 1.0)
    write_pair_file(folder, PairFile("tiny", roles, tokenizer.fingerprint, "0.1.0"))
    return folder


def give_router(folder, *, heads=None, **fields):
    """Put a router into a pair folder that finds a gain of 0.2 in everything, but for what its heads add."""
    means = np.tile(np.array([0.5, 0.7]), (1, 3, 1))
    table = TaskTable((KIND,), means, np.full((1, 3), 9.0))
    recognizer = Recognizer((KIND,), ("hello",), np.zeros((1, 1)), np.zeros(1))
    fields = {"threshold": 0.0, "models": hash_pair(folder), **fields}
    save_router(folder, Router(recognizer, table, heads, **fields))


def make_tiring_heads(width):
    """Return heads that find 0.1 less in the Llama for every turn of the conversation."""
    weights = np.zeros((2, width + NUM_PLAIN))
    weights[1, -1] = -0.1
    return Heads(weights, np.zeros(2), 1.0, np.ones(2))


class Server:
    """`camelid serve` in a process of its own."""

    def __init__(self, folder, *options, environment=None):
        command = [sys.executable, "-m", "camelid", "serve", str(folder), "--port", "0", *map(str, options)]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        self.log = []
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        greeting = self.process.stdout.readline()
        found = re.search(r"http://\S+", greeting)
        if not found:
            self.process.wait(30)
            raise RuntimeError(greeting + "".join(self.log))
        self.url = found[0]

    def _read_log(self):
        for line in self.process.stderr:
            self.log.append(line)

    @property
    def lines(self):
        """Return the log as objects."""
        return [json.loads(line) for line in self.log if line.startswith("{")]

    @property
    def pid(self):
        return self.process.pid

    def client(self, **options):
        return openai.OpenAI(base_url=self.url + "/v1", api_key="none", max_retries=0, timeout=60, **options)

    def metrics(self):
        """Return the metrics by name with labels."""
        text = httpx.get(self.url + "/metrics").text
        rows = [line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, value in rows}

    def stop(self):
        """End it as a supervisor does; return the status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        finally:
            self._reader.join(10)
            self.process.stdout.close()
            self.process.stderr.close()
