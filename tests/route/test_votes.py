"""Votes are read as they come, and each wrong line is named."""

import json

import pytest

from camelid.errors import DataError
from camelid.route.votes import read_votes


def write(tmp_path, *lines):
    path = tmp_path / "votes.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def test_votes_and_what_each_is_worth(tmp_path):
    talk = [{"role": "developer", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    path = write(
        tmp_path,
        {"prompt": "Hello", "chosen": "llama", "replies": {"llama": "Hi", "alpaca": "Ho"}},
        "",
        {"prompt": talk, "chosen": "Alpaca", "more": 1},
        {"prompt": "So?", "chosen": "tie"},
    )
    votes = read_votes(path)
    assert [vote[1:] for vote in votes] == [(0.0, 1.0), (1.0, 0.0), (0.5, 0.5)]
    assert [turn.role for turn in votes[1][0]] == ["system", "user"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([""], "has no votes. Write one line"),
        (["{"], "line 1 is no JSON"),
        (["[]"], "line 1 must be an object with prompt and chosen"),
        ([{"prompt": "Hi"}], "line 1 must be an object with prompt and chosen"),
        ([{"prompt": "Hi", "chosen": "lama"}], "must be llama, alpaca or tie; found 'lama'. Did you mean"),
        ([{"prompt": "Hi", "chosen": []}], "chosen must be llama, alpaca or tie"),
        ([{"prompt": [], "chosen": "tie"}], "line 1: messages must hold at least one message"),
        ([{"prompt": [{"role": "bot", "content": ""}], "chosen": "tie"}], "unknown role 'bot'"),
    ],
)
def test_wrong_lines(tmp_path, lines, message):
    with pytest.raises(DataError, match=message):
        read_votes(write(tmp_path, *lines))


def test_wrong_files(tmp_path):
    with pytest.raises(DataError, match=r"no file of votes .* /votes/export"):
        read_votes(tmp_path / "none.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b'{"prompt": "\xe4"}')
    with pytest.raises(DataError, match="must be UTF-8"):
        read_votes(tmp_path / "latin.jsonl")
