import labelled
import pytest


@pytest.fixture(scope="session")
def evidence():
    return labelled.make_evidence()
