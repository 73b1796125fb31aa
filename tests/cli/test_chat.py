"""A conversation keeps its history, cuts nothing silently, and survives whatever is typed."""

import pytest

from camelid.cli import conversation
from camelid.cli.screen import printable
from camelid.pair import Speaker, load


@pytest.fixture(scope="module")
def pair(folder):
    return load(folder)


@pytest.fixture
def asked(monkeypatch):
    """Return the conversations that models are given."""
    given = []
    stream = Speaker.stream

    def spy(self, messages, **options):
        given.append((self.name, [(turn.role, turn.content) for turn in messages]))
        return stream(self, messages, **options)

    monkeypatch.setattr(Speaker, "stream", spy)
    return given


def answers(pair, *questions, model="alpaca", max_tokens=5):
    """Return what the model answers to each question, with all before it in mind."""
    turns = []
    for question in questions:
        turns.append({"role": "user", "content": question})
        reply = pair.reply(turns, model=model, max_tokens=max_tokens)
        turns.append({"role": "assistant", "content": reply.text})
    return [turn["content"] for turn in turns[1::2]]


def test_a_pipe_brings_turns_and_takes_answers_alone(camelid, folder, pair):
    result = camelid("chat", folder, "--max-tokens", 5, text="Hello\n\n¿Qué?\nLlama\n")
    assert result.status == 0
    assert result.out == "".join(answer + "\n" for answer in answers(pair, "Hello", "¿Qué?", "Llama"))


def test_what_was_said_is_remembered_until_it_is_reset(camelid, folder, asked):
    camelid("chat", folder, "--max-tokens", 3, "--system", "Be kind.", text="One\nTwo\n/reset\nThree\n")
    first, second, third = (turns for _, turns in asked)
    assert first == [("system", "Be kind."), ("user", "One")]
    assert second[:2] == first and second[2][0] == "assistant" and second[3:] == [("user", "Two")]
    assert third == [("system", "Be kind."), ("user", "Three")]


def test_the_other_model_takes_over_the_same_conversation(camelid, folder, asked):
    camelid("chat", folder, "--max-tokens", 3, text="One\n/model llama\nTwo\n")
    assert [name for name, _ in asked] == ["alpaca", "llama"]
    assert asked[1][1][:1] == asked[0][1] and len(asked[1][1]) == 3


def test_the_first_to_answer_can_be_chosen(camelid, folder, pair):
    result = camelid("chat", folder, "--model", "llama", "--max-tokens", 5, text="Hello\n")
    assert result.out == answers(pair, "Hello", model="llama")[0] + "\n"


def test_a_line_that_ends_in_a_backslash_goes_on(camelid, folder, asked):
    camelid("chat", folder, "--max-tokens", 3, text="One\\\nTwo\nThree\\")
    assert [turns[-1] for _, turns in asked] == [("user", "One\nTwo"), ("user", "Three")]


def test_quitting_ends_it(camelid, folder, asked):
    assert camelid("chat", folder, "--max-tokens", 3, text="One\n/quit\nTwo\n").status == 0
    assert len(asked) == 1


def test_an_outgrown_context_is_said_with_what_is_no_longer_read(camelid, folder, asked):
    questions = [f"Question number {number}" for number in range(6)]
    result = camelid("chat", folder, "--max-tokens", 12, text="\n".join(questions))
    assert result.status == 0 and len(asked) == 6
    told = [line for line in result.err.splitlines() if "outgrown the context of 96 tokens" in line]
    dropped = [6 - (len(turns) + 1) // 2 - (5 - place) for place, (_, turns) in enumerate(asked)]
    assert dropped == sorted(dropped) and dropped[-1] > 0
    assert len(told) == len(set(dropped) - {0})
    assert (
        f"first {2 * dropped[-1]} turns, up to and including “Question number {dropped[-1] - 1}”" in told[-1]
    )
    for number, (_, turns) in enumerate(asked):
        assert turns[-1] == ("user", questions[number])


def test_a_system_message_is_never_left_out(camelid, folder, asked):
    text = "\n".join(f"Question number {number}" for number in range(6))
    camelid("chat", folder, "--max-tokens", 12, "--system", "Be kind.", text=text)
    assert all(turns[0] == ("system", "Be kind.") for _, turns in asked)


def test_a_turn_that_fits_by_no_means_is_refused_and_not_kept(camelid, type_in, folder, asked):
    result = camelid("chat", folder, "--max-tokens", 3, text="wool " * 200)
    assert result.status == 1 and "the context of 96" in result.err
    result = type_in("chat", folder, "--max-tokens", 3, lines=["wool " * 200, "Hello"])
    assert result.status == 0 and "the context of 96" in result.out
    assert asked[-1][1] == [("user", "Hello")]


def test_an_answer_that_was_cut_is_said_to_be(camelid, folder):
    result = camelid("chat", folder, "--max-tokens", 3, text="Hello\n")
    assert result.err == "camelid: The answer was cut: --max-tokens 3.\n"
    assert "the context is full" in camelid("chat", folder, text="Hello\n").err


def test_somebody_at_the_keyboard_sees_who_answers_and_how_fast(type_in, folder):
    lines = ["Hello", "/model", "/model llama", "Hello", "/stats"]
    result = type_in("chat", folder, "--max-tokens", 5, lines=lines)
    assert result.status == 0
    shown = " ".join(result.out.split())
    for expected in (
        "the alpaca answers. /model llama asks the other. /help lists the commands, Ctrl-D leaves. alpaca › ",
        "The answer was cut: --max-tokens 5. alpaca · 5 tokens · the first after",
        "The alpaca answers. Known: llama, alpaca, auto. The llama answers from here on. llama › ",
        "parameters in 2 layers",
        "of 96 tokens, 4 turns last answer: llama · 5 tokens",
    ):
        assert expected in shown


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/rest", "no command /rest. Did you mean '/reset'"),
        ("/model lama", "no model 'lama' here. Did you mean"),
    ],
)
def test_a_command_that_is_not_known(camelid, type_in, folder, line, message):
    result = camelid("chat", folder, text=line)
    assert result.status == 1 and message in result.err
    result = type_in("chat", folder, lines=[line, "/help"])
    assert result.status == 0 and message in result.out and "/reset" in result.out


def test_ctrl_c_drops_the_line_and_ctrl_d_leaves(type_in, folder, asked):
    result = type_in("chat", folder, "--max-tokens", 3, lines=[KeyboardInterrupt(), "Hello"])
    assert result.status == 0 and "(Ctrl-D or /quit leaves)" in result.out and len(asked) == 1


def test_ctrl_c_stops_the_answer_and_keeps_what_was_said(type_in, folder, asked, monkeypatch):
    written = []

    def write(piece):
        written.append(piece)
        if len(written) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(conversation, "write", write)
    result = type_in("chat", folder, lines=["Hello", "Go on"])
    assert result.status == 0 and "stopped · alpaca · " in result.out
    said = "".join(written[:4])
    assert asked[1][1] == [("user", "Hello"), ("assistant", said), ("user", "Go on")]


def test_a_models_control_characters_do_not_reach_a_terminal():
    assert printable("a\x1b[31mb\rc\x07\x85é\n\t🦙") == "a␛[31mb␍c␇\ufffdé\n\t🦙"
