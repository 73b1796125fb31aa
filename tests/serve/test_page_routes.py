"""What the page's paths answer, without a browser."""

import json
import re
from pathlib import Path

import pytest
from page_stub import Stub
from starlette.testclient import TestClient

import camelid.serve.page

PLACE = Path(camelid.serve.page.__file__).parent
BALLOT = {
    "id": "ballot-0001",
    "prompt": [{"role": "user", "content": "Who?"}],
    "left": {"model": "llama", "reply": "I"},
    "right": {"model": "alpaca", "reply": "me"},
    "choice": "right",
}


@pytest.fixture
def stub(tmp_path):
    return Stub(tmp_path)


@pytest.fixture
def client(stub):
    with TestClient(stub.app()) as client:
        yield client


def test_nothing_on_the_page_may_be_inline_or_from_elsewhere(client):
    reply = client.get("/")
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "*" not in policy
    assert "script-src 'self';" in policy and "frame-ancestors 'none'" in policy
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=|<style", reply.text)
    sources = "".join(path.read_text() for path in PLACE.iterdir() if path.suffix in (".html", ".js", ".css"))
    assert not re.search(r"https?://|@import|eval\(|new Function|insertAdjacentHTML|outerHTML", sources)
    assert len(re.findall(r"innerHTML", sources)) == 1  # of what the server sanitised


def test_the_sheet_s_frame_lets_no_script_run_but_its_own(client):
    policy = client.get("/page/frame.html").headers["content-security-policy"]
    scripts = re.findall(r"script-src ([^;]+);", policy)
    assert len(scripts) == 1 and re.fullmatch(r"'sha256-[\w+/]{43}='", scripts[0])
    assert "default-src 'none'" in policy and "frame-ancestors 'self'" in policy


@pytest.mark.parametrize("path", sorted(PLACE.glob("*.*")), ids=lambda path: path.name)
def test_the_page_s_files_are_there_and_nothing_else_is(client, path):
    reply = client.get(f"/page/{path.name}")
    if path.suffix == ".py":
        assert reply.status_code == 404
    else:
        assert reply.content == path.read_bytes()
        assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["nothing.js", "..%2f__init__.py", "%2e%2e/votes.py", "__init__.py"])
def test_other_files_are_not_reached(client, name):
    assert client.get(f"/page/{name}").status_code == 404


def test_what_the_browser_has_is_not_sent_again(client):
    first = client.get("/page/main.js")
    again = client.get("/page/main.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_markdown_is_rendered(client):
    assert client.post("/markdown", json={"text": "*a* <b>"}).json() == {
        "html": "<p><em>a</em> &lt;b&gt;</p>\n"
    }


@pytest.mark.parametrize("body", [{}, {"text": 3}, {"text": "a", "safe": False}])
def test_what_is_no_text_is_refused(client, body):
    reply = client.post("/markdown", json=body)
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "text"


@pytest.mark.parametrize(
    ("content", "kind", "status", "complaint"),
    [
        (b"{", "application/json", 400, "must be JSON"),
        (b"\xff", "application/json", 400, "must be JSON"),
        (b"[" * 100_000, "application/json", 400, "must be JSON"),
        (b"[]", "application/json", 400, "must be a JSON object"),
        (json.dumps(BALLOT).encode(), "text/plain", 415, "Send application/json"),
        (b'{"text": "' + b"x" * (5 << 20) + b'"}', "application/json", 413, "Send less"),
    ],
)
@pytest.mark.parametrize("path", ["/markdown", "/votes"])
def test_what_is_no_request_is_refused(client, stub, path, content, kind, status, complaint):
    reply = client.post(path, content=content, headers={"Content-Type": kind})
    assert reply.status_code == status
    assert complaint in reply.json()["error"]["message"]
    assert len(stub.votes) == 0


def test_a_vote_is_kept_and_counted(client):
    assert client.get("/votes").json()["votes"] == 0
    for choice in ("right", "right"):  # sent again
        reply = client.post("/votes", json={**BALLOT, "choice": choice})
        assert (reply.status_code, reply.json()) == (201, {"id": "ballot-0001", "choice": "right"})
    found = client.get("/votes").json()
    assert (found["enabled"], found["votes"], found["choices"]["right"]) == (True, 1, 1)
    (pair,) = found["rating"]["pairs"]
    assert (pair["model"], pair["other"]) == ("alpaca", "llama")
    assert 0 < pair["low"] < 0.5 < pair["chance"] < pair["high"] < 1


def test_votes_are_given_out_in_both_forms(client):
    client.post("/votes", json=BALLOT)
    reply = client.get("/votes/export")
    assert json.loads(reply.text)["chosen"] == [{"role": "assistant", "content": "me"}]
    assert "preferences.jsonl" in reply.headers["content-disposition"]
    row = json.loads(client.get("/votes/export?form=comparisons").text)
    assert row == {"prompt": BALLOT["prompt"], "chosen": "alpaca", "replies": {"llama": "I", "alpaca": "me"}}
    refused = client.get("/votes/export?form=csv")
    assert refused.status_code == 400
    assert "preferences, comparisons; found 'csv'" in refused.json()["error"]["message"]


def test_a_vote_that_is_none_is_refused(client):
    reply = client.post("/votes", json={**BALLOT, "choice": "up"})
    assert reply.status_code == 400
    assert reply.json()["error"]["message"].startswith("choice: ")


def test_a_server_without_a_file_for_votes_says_so(client, stub):
    stub.votes = None
    assert client.get("/votes").json() == {"enabled": False}
    for reply in (client.post("/votes", json=BALLOT), client.get("/votes/export")):
        assert reply.status_code == 404
        assert reply.json()["error"]["code"] == "votes_off"
        assert "--votes FILE" in reply.json()["error"]["message"]


def test_the_sheet_is_shown_and_can_do_nothing(client, stub):
    stub.sheet.write_text("<p>measured</p>", encoding="utf-8")
    reply = client.get("/sheet")
    assert reply.text == "<p>measured</p>"
    assert reply.headers["content-security-policy"].startswith("sandbox; default-src 'none'")


def test_without_a_sheet_the_command_is_named(client):
    reply = client.get("/sheet")
    assert reply.status_code == 404
    assert "camelid compare" in reply.text


@pytest.mark.parametrize(
    "body", [b'{"text": "\\ud800"}', b'{"text": NaN}', b'{"text": "\xff"}', b"[" * 100_000]
)
def test_what_is_no_text_is_no_fault_of_ours(client, body):
    for path in ("/markdown", "/votes"):
        reply = client.post(path, content=body, headers={"content-type": "application/json"})
        assert reply.status_code == 400 and "must be JSON" in reply.json()["error"]["message"]
