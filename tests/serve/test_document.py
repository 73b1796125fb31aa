"""The OpenAPI document: schemathesis asks whatever it allows and what it forbids, and finds nothing."""

import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from camelid.serve.doors import DOORS

TOOL = Path(sys.executable).parent / "st"


def test_every_door_is_described(server):
    document = httpx.get(server.url + "/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    described = {(method.upper(), path) for path, told in document["paths"].items() for method in told}
    assert described == {(door.method, door.path) for door in DOORS}
    fields = document["components"]["schemas"]["ChatRequest"]["properties"]
    assert {"messages", "dial", "response_format", "tools"} <= set(fields)


@pytest.mark.parametrize(
    ("phases", "examples"),
    [("fuzzing", 2), pytest.param("examples,coverage,fuzzing", 100, marks=pytest.mark.slow)],
)
def test_schemathesis_finds_nothing(server, tmp_path, phases, examples):
    """What the schema allows may still be too long, or name a model that is not there: that is no fault."""
    if not (TOOL.exists() or shutil.which("st")):
        pytest.skip("schemathesis is not installed")
    command = [
        *(str(TOOL), "run", server.url + "/openapi.json"),
        *("--exclude-checks", "positive_data_acceptance", "--max-examples", str(examples)),
        *("--phases", phases, "--seed", "1", "--request-timeout", "30"),
        *("--suppress-health-check", "all", "--continue-on-failure", "--no-color"),
    ]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    assert httpx.get(server.url + "/health").json()["running"] == 0
