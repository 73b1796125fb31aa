"""One real server for all tests of this room, on a pair that is made in a moment."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading

import httpx
import openai
import pytest
import tiny

from camelid.model.checkpoint import save_model_folder
from camelid.model.pairfile import PairFile, RoleFile, write_pair_file

CONTEXT = 768


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


@pytest.fixture(scope="session")
def pair_folder(tmp_path_factory):
    return make_long_pair(tmp_path_factory.mktemp("pairs") / "long")


@pytest.fixture(scope="session")
def server(pair_folder):
    """Return the server of most tests."""
    running = Server(pair_folder, "--threads", 1)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def start():
    """Return a function that starts another server for a `with`."""

    @contextlib.contextmanager
    def run(folder, *options, **more):
        running = Server(folder, *options, **more)
        try:
            yield running
        finally:
            running.stop()

    return run


@pytest.fixture(scope="session")
def client(server):
    """Return OpenAI's own client."""
    with server.client() as opened:
        yield opened


@pytest.fixture(scope="session")
def http(server):
    with httpx.Client(base_url=server.url, timeout=60) as opened:
        yield opened
