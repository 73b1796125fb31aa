"""One real server for all tests of this room."""

import contextlib

import httpx
import pytest
from served import Server, make_long_pair


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
