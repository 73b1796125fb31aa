import pytest
import tiny

from camelid.compare.tasks import find_tasks
from camelid.generate.load import load_model


@pytest.fixture(scope="session")
def pair(tmp_path_factory):
    """Return a pair folder with random models."""
    return tiny.make_pair(tmp_path_factory.mktemp("pairs") / "tiny")


@pytest.fixture(scope="session")
def tasks(pair):
    """Return the tasks that its held-out records feed."""
    return find_tasks(pair)


@pytest.fixture(scope="session")
def model(pair):
    """Return its Llama on torch, the reference."""
    return load_model(pair / "llama", backend="torch", device="cpu")


@pytest.fixture(scope="session")
def tokenizer():
    return tiny.make_tokenizer()
