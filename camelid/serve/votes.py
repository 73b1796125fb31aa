"""Votes on two answers to the same question: kept in one SQLite file, counted, and given out as JSONL.

A vote is written whole or not at all, by any number of servers at once. One that comes again with the same id
replaces the first: a request that is repeated counts once, and who changes their mind has one vote.
"""

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from camelid.errors import DataError, RequestError
from camelid.serve.rating import Contest

Choice = Literal["left", "right", "tie", "bad"]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(max_length=1_000_000)]

_SCORES: dict[str, float] = {"left": 1.0, "right": 0.0, "tie": 0.5, "bad": 0.5}
# Not WAL, so that the votes are always one file that can be copied; there are few of them.
_OURS, _VERSION, _TIMEOUT_S = 0x63616D76, 1, 30.0  # "camv"
_TABLE = """
CREATE TABLE votes (
    id TEXT PRIMARY KEY, created_s REAL NOT NULL, choice TEXT NOT NULL, blind INTEGER NOT NULL,
    prompt TEXT NOT NULL, left_model TEXT NOT NULL, left_reply TEXT NOT NULL,
    right_model TEXT NOT NULL, right_reply TEXT NOT NULL
)
"""
# In the order that `_read_row` takes them.
_COLUMNS = "id, created_s, choice, blind, prompt, left_model, left_reply, right_model, right_reply"


class Turn(BaseModel):
    """One of OpenAI's messages, text only."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Text


class Answer(BaseModel):
    """What one of the two said."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    model: Name
    reply: Text


class Vote(BaseModel):
    """Which of two answers somebody found better.

    id: given by who votes. prompt: what both were asked. choice: "bad" when neither was any good.
    blind: whether the names were hidden until the vote.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
    prompt: Annotated[tuple[Turn, ...], Field(min_length=1, max_length=10_000)]
    left: Answer
    right: Answer
    choice: Choice
    blind: bool = False
    created_s: Annotated[float, Field(exclude=True)] = 0.0

    @property
    def preferred(self) -> Answer | None:
        """Return the better answer; None when neither is."""
        return {"left": self.left, "right": self.right}.get(self.choice)


def read_vote(value: object) -> Vote:
    """Return the vote in a request's JSON.

    Raises RequestError, naming the field, when it is none.
    """
    try:
        vote = Vote.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the vote"
        raise RequestError(
            f"{field}: {first['msg']}. A vote has id, prompt, left, right and choice."
        ) from error
    if "created_s" in vote.model_fields_set:
        raise RequestError("created_s is the server's to say. A vote has id, prompt, left, right and choice.")
    if vote.left.model == vote.right.model:
        raise RequestError(f"A vote is on two models; found {vote.left.model!r} on both sides.")
    return vote


class Votes:
    """The votes in one file, which is made when it is not there."""

    def __init__(self, path: Path | str) -> None:
        """Open the file, or make it.

        Raises DataError when it holds something else, or cannot be opened.
        """
        self.path = Path(path)
        with self._explained():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._connect() as database, _transaction(database):
                self._prepare(database)

    def add(self, vote: Vote) -> None:
        """Keep a vote; it is on the disk when this returns.

        Raises DataError when it cannot be written.
        """
        prompt = json.dumps([turn.model_dump() for turn in vote.prompt], ensure_ascii=False)
        about = (vote.id, vote.created_s or time.time(), vote.choice, vote.blind, prompt)
        row = (*about, vote.left.model, vote.left.reply, vote.right.model, vote.right.reply)
        marks = ", ".join("?" * len(row))
        with self._explained(), self._connect() as database, _transaction(database):
            database.execute(f"INSERT OR REPLACE INTO votes ({_COLUMNS}) VALUES ({marks})", row)

    def __len__(self) -> int:
        """Return how many votes there are."""
        with self._explained(), self._connect() as database:
            return int(database.execute("SELECT count(*) FROM votes").fetchone()[0])

    def __iter__(self) -> Iterator[Vote]:
        """Yield all votes, the oldest first."""
        with self._explained(), self._connect() as database:
            for row in database.execute(f"SELECT {_COLUMNS} FROM votes ORDER BY created_s, id"):
                yield _read_row(row)

    def contests(self) -> list[Contest]:
        """Return what the rating is made of; two bad answers are a tie."""
        query = "SELECT left_model, right_model, choice FROM votes ORDER BY created_s, id"
        with self._explained(), self._connect() as database:
            rows = database.execute(query).fetchall()
        return [Contest(left, right, _SCORES[choice]) for left, right, choice in rows]

    def count_choices(self) -> dict[str, int]:
        """Return how often each choice was made."""
        with self._explained(), self._connect() as database:
            found = dict(database.execute("SELECT choice, count(*) FROM votes GROUP BY choice").fetchall())
        return {choice: int(found.get(choice, 0)) for choice in _SCORES}

    def _prepare(self, database: sqlite3.Connection) -> None:
        ours = database.execute("PRAGMA application_id").fetchone()[0]
        if ours == _OURS:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version != _VERSION:
                raise DataError(
                    f"{self.path} must hold votes of version {_VERSION}; found version {version}. "
                    "Choose another --votes FILE, or the camelid that wrote it."
                )
        elif database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise DataError(f"{self.path} is a database, but not of votes. Choose another --votes FILE.")
        else:
            database.execute(_TABLE)
            database.execute(f"PRAGMA application_id = {_OURS}")
            database.execute(f"PRAGMA user_version = {_VERSION}")

    @contextlib.contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one act, so that threads and processes share nothing."""
        database = sqlite3.connect(self.path, timeout=_TIMEOUT_S, isolation_level=None)
        try:
            database.execute("PRAGMA synchronous = FULL")
            yield database
        finally:
            database.close()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what SQLite and the system say into one clear line."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise DataError(
                f"The votes in {self.path} cannot be used: {error}. "
                "Expected a file made by camelid serve --votes, in a folder that can be written."
            ) from error


def preferences(votes: Iterator[Vote] | Votes) -> Iterator[dict[str, Any]]:
    """Yield preference pairs in the form that preference training reads; votes without a winner are left out.

    Each has prompt (OpenAI's messages), chosen and rejected (lists of one assistant message each).
    """
    for vote in votes:
        if vote.preferred:
            other = vote.right if vote.choice == "left" else vote.left
            yield {
                "prompt": _messages(vote),
                "chosen": [{"role": "assistant", "content": vote.preferred.reply}],
                "rejected": [{"role": "assistant", "content": other.reply}],
            }


def comparisons(votes: Iterator[Vote] | Votes) -> Iterator[dict[str, Any]]:
    """Yield what `camelid calibrate --votes` reads: prompt, whose reply was chosen or "tie", and the replies.

    Only votes between the Llama and the Alpaca; two bad answers are a tie.
    """
    for vote in votes:
        replies = {answer.model: answer.reply for answer in (vote.left, vote.right)}
        if set(replies) == {"llama", "alpaca"}:
            chosen = vote.preferred.model if vote.preferred else "tie"
            yield {"prompt": _messages(vote), "chosen": chosen, "replies": replies}


def _messages(vote: Vote) -> list[dict[str, str]]:
    return [turn.model_dump() for turn in vote.prompt]


def _read_row(row: tuple[Any, ...]) -> Vote:
    name, created_s, choice, blind, prompt, left_model, left_reply, right_model, right_reply = row
    return Vote(
        id=name,
        created_s=created_s,
        choice=choice,
        blind=bool(blind),
        prompt=json.loads(prompt),
        left=Answer(model=left_model, reply=left_reply),
        right=Answer(model=right_model, reply=right_reply),
    )


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
