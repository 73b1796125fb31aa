"""Votes are kept whole, once each, whoever writes at the same time, and are given out in two forms."""

import multiprocessing
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camelid.errors import DataError, RequestError
from camelid.serve.rating import Contest
from camelid.serve.votes import Votes, comparisons, preferences, read_vote


def ballot(name="vote-0001", choice="left", left="llama", right="alpaca", question="¿Qué?", **fields):
    """Return a vote as the page sends it."""
    return {
        "id": name,
        "prompt": [{"role": "user", "content": question}],
        "left": {"model": left, "reply": f"{left} says"},
        "right": {"model": right, "reply": f"{right} says"},
        "choice": choice,
        **fields,
    }


@pytest.fixture
def votes(tmp_path):
    return Votes(tmp_path / "deep" / "votes.db")


def test_what_is_added_is_there_after_opening_again(votes):
    vote = read_vote(ballot(blind=True, question='"\n\x00🦙'))
    votes.add(vote)
    (kept,) = Votes(votes.path)
    assert kept.model_dump() == vote.model_dump()
    assert kept.created_s > 0


def test_votes_come_in_the_order_they_were_cast(votes):
    for number in range(9):
        votes.add(read_vote(ballot(f"vote-000{9 - number}")))
    assert [vote.id for vote in votes] == [f"vote-000{9 - number}" for number in range(9)]


def test_the_same_vote_twice_counts_once_and_the_last_choice_holds(votes):
    for choice in ("left", "left", "bad"):
        votes.add(read_vote(ballot(choice=choice)))
    assert len(votes) == 1
    assert votes.count_choices() == {"left": 0, "right": 0, "tie": 0, "bad": 1}


def test_contests_are_scored_for_the_left(votes):
    for number, choice in enumerate(("left", "right", "tie", "bad")):
        votes.add(read_vote(ballot(f"vote-{number:04}", choice)))
    scores = [1.0, 0.0, 0.5, 0.5]
    assert votes.contests() == [Contest("llama", "alpaca", score) for score in scores]


def test_threads_may_write_at_once(votes):
    ballots = [read_vote(ballot(f"vote-{number:04}")) for number in range(60)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(votes.add, ballots))
    assert {vote.id for vote in votes} == {vote.id for vote in ballots}


def _write_some(path, start):
    votes = Votes(path)
    for number in range(start, start + 15):
        votes.add(read_vote(ballot(f"vote-{number:04}")))


def test_processes_may_write_at_once_even_to_a_new_file(tmp_path):
    path = tmp_path / "votes.db"
    context = multiprocessing.get_context("forkserver")
    writers = [context.Process(target=_write_some, args=(path, 15 * place)) for place in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert len(Votes(path)) == 45


def test_a_write_that_fails_leaves_what_was_there(votes):
    votes.add(read_vote(ballot()))
    with sqlite3.connect(votes.path) as database:
        database.execute("CREATE TRIGGER no BEFORE INSERT ON votes BEGIN SELECT raise(ABORT, 'no'); END")
    database.close()
    with pytest.raises(DataError, match="cannot be used: no"):
        votes.add(read_vote(ballot(choice="right")))
    assert [vote.choice for vote in votes] == ["left"]


def test_preferences_name_the_chosen_and_the_rejected(votes):
    for number, choice in enumerate(("left", "tie", "right", "bad")):
        votes.add(read_vote(ballot(f"vote-{number:04}", choice)))
    first, second = preferences(votes)
    assert first == {
        "prompt": [{"role": "user", "content": "¿Qué?"}],
        "chosen": [{"role": "assistant", "content": "llama says"}],
        "rejected": [{"role": "assistant", "content": "alpaca says"}],
    }
    assert (second["chosen"], second["rejected"]) == (first["rejected"], first["chosen"])


@given(st.sampled_from(["left", "right", "tie", "bad"]), st.booleans())
def test_comparisons_do_not_know_the_sides(choice, turned):
    sides = {"left": "alpaca", "right": "llama"} if turned else {"left": "llama", "right": "alpaca"}
    (row,) = comparisons(iter([read_vote(ballot(choice=choice, **sides))]))
    assert row["chosen"] == sides.get(choice, "tie")
    assert row["replies"] == {"llama": "llama says", "alpaca": "alpaca says"}
    assert row["prompt"] == [{"role": "user", "content": "¿Qué?"}]


def test_only_the_two_are_compared():
    assert not list(comparisons(iter([read_vote(ballot(left="blend"))])))
    assert len(list(preferences(iter([read_vote(ballot(left="blend"))])))) == 1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"choice": "both"}, "choice: "),
        ({"id": "no"}, "id: "),
        ({"prompt": []}, "prompt: "),
        ({"prompt": [{"role": "god", "content": ""}]}, "prompt.0.role: "),
        ({"left": {"model": "llama"}}, "left.reply: Field required"),
        ({"colour": "red"}, "colour: Extra inputs"),
        ({"right": {"model": "llama", "reply": ""}}, "found 'llama' on both sides"),
        ({"blind": "perhaps"}, "blind: "),
        ({"created_s": 1.0}, "created_s is the server's to say"),
    ],
)
def test_what_is_wrong_with_a_vote_is_named(change, complaint):
    with pytest.raises(RequestError, match=complaint):
        read_vote({**ballot(), **change})


@pytest.mark.parametrize("value", [None, [], "left", 3])
def test_what_is_no_vote_is_refused(value):
    with pytest.raises(RequestError, match="the vote: "):
        read_vote(value)


def test_other_files_are_left_alone(tmp_path):
    (tmp_path / "text").write_text("not a database, but long enough to look like one? " * 20)
    with pytest.raises(DataError, match="cannot be used: file is not a database"):
        Votes(tmp_path / "text")
    with sqlite3.connect(tmp_path / "other.db") as database:
        database.execute("CREATE TABLE songs (name)")
    database.close()
    with pytest.raises(DataError, match="is a database, but not of votes"):
        Votes(tmp_path / "other.db")
    with pytest.raises(DataError, match="cannot be used"):
        Votes(tmp_path / "text" / "votes.db")


def test_a_file_of_a_later_version_is_left_alone(votes):
    with sqlite3.connect(votes.path) as database:
        database.execute("PRAGMA user_version = 2")
    database.close()
    with pytest.raises(DataError, match="version 1; found version 2"):
        Votes(votes.path)
