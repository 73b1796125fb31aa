"""Laws of the router: the same is decided alike, the threshold rules, and no conversation flips back."""

import json
import math

import numpy as np
import pytest
import tiny

from camelid.errors import CheckpointError
from camelid.route.folder import ARRAYS, ROUTER, hash_pair, load_router, save_router
from camelid.route.learning import decide_all, learn, make_router
from camelid.route.past import Conversations
from camelid.route.router import Decision, asked_for, defer
from camelid.text.records import Message


@pytest.fixture(scope="module")
def router(evidence):
    return make_router(learn(evidence), evidence, learned=True, threshold=0.05)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.make_pair(tmp_path_factory.mktemp("pairs") / "tiny")


def test_what_it_predicts_is_what_was_learnt(evidence, router):
    learnt = learn(evidence)
    predicted = learnt.predict(evidence)
    expected = predicted["learned"][:, 1] - predicted["learned"][:, 0]
    assert np.allclose(decide_all(router, evidence), expected, atol=1e-5)
    table = router.predict(evidence.requests[0])
    assert table[:2] == pytest.approx(tuple(predicted["table"][0]))


def test_the_same_is_decided_alike(evidence, router):
    messages, reading = evidence.requests[4], evidence.reading(4)
    assert len({router.decide(messages, reading) for _ in range(5)}) == 1


def test_infinite_thresholds_are_the_constants(evidence, router):
    for threshold, model in ((math.inf, "alpaca"), (-math.inf, "llama")):
        constant = router.at(threshold)
        found = {constant.decide(m, evidence.reading(row)).model for row, m in enumerate(evidence.requests)}
        assert found == {model}


def test_a_lower_threshold_never_asks_the_llama_less(evidence, router):
    counts = [
        sum(
            router.at(threshold).decide(m, evidence.reading(row)).model == "llama"
            for row, m in enumerate(evidence.requests)
        )
        for threshold in (0.3, 0.1, 0.0, -0.1, -0.5)
    ]
    assert counts == sorted(counts) and counts[0] < counts[-1]


def talk_of(evidence, rows):
    """Return a conversation of these questions, each answered but the last."""
    talk = []
    for row in rows:
        talk += [*evidence.requests[row], Message("assistant", f"Hm {row}.")]
    return talk[:-1]


def decide_there(router, evidence, rows, memory):
    """Return who answers the last of these questions in a place that remembers what `memory` does."""
    talk = talk_of(evidence, rows)
    before, unknown = memory.recall(router, talk)
    for question in unknown:
        reading = evidence.reading(rows[(len(question) - 1) // 2])
        before = before or router.decide(question, reading).model == "llama"
        memory.note(router, question, before)
    decision = router.decide(talk, evidence.reading(rows[-1]), before=before)
    memory.note(router, talk, decision.model == "llama")
    return decision


@pytest.mark.parametrize("seed", range(5))
def test_a_conversation_never_flips_back_wherever_it_is_asked(evidence, router, seed):
    generator = np.random.default_rng(seed)
    rows = generator.integers(0, len(evidence.requests), 9)
    one, some = Conversations(), [Conversations() for _ in range(3)]
    models = []
    for size in range(1, len(rows) + 1):
        decision = decide_there(router, evidence, rows[:size], one)
        for memory in (Conversations(), Conversations(size=1), some[generator.integers(3)]):
            assert decide_there(router, evidence, rows[:size], memory) == decision
        models.append(decision.model)
    assert models == sorted(models)  # "alpaca" comes before "llama"


def test_the_question_that_was_the_llamas_is_named_as_the_reason(evidence, router):
    gains = [evidence.qualities[row] @ (-1, 1) for row in range(40)]
    router = router.at((min(gains) + max(gains)) / 2)
    models = [router.decide(evidence.requests[row], evidence.reading(row)).model for row in range(40)]
    llamas = models.index("llama")
    own = [row for row, model in enumerate(models) if model == "alpaca"]
    later = [decide_there(router, evidence, [llamas, row], Conversations()) for row in own]
    assert {decision.model for decision in later} == {"llama"}
    decision = next(decision for decision in later if decision.rule == "conversation")
    assert decision.reason == "an earlier question of this conversation was one for the Llama"
    assert decide_there(router, evidence, own[:1], Conversations()).rule == "learned"


def test_what_is_known_of_a_conversation_is_not_asked_again(evidence, router):
    memory, talk = Conversations(), talk_of(evidence, range(3))
    assert memory.recall(router, talk) == (False, [talk[:1], talk[:3]])
    memory.note(router, talk[:1], False)
    assert memory.recall(router, talk) == (False, [talk[:3]])
    memory.note(router, talk[:3], True)
    assert memory.recall(router, talk) == (True, [])
    assert memory.recall(router.at(0.9), talk)[1] == [talk[:1], talk[:3]]  # another promise, other verdicts
    assert memory.recall(router, [Message("assistant", "I begin."), *talk[:1]]) == (False, [])


def test_the_oldest_conversations_are_forgotten(router):
    memory = Conversations(size=2)
    talks = [[Message("user", word)] for word in "abc"]
    for talk in talks:
        memory.note(router, talk, True)
    later = [[*talk, Message("assistant", ""), Message("user", "x")] for talk in talks]
    assert [memory.recall(router, talk)[0] for talk in later] == [False, True, True]


def test_without_a_reading_the_table_decides(evidence, router):
    decision = router.decide(evidence.requests[0])
    assert decision.rule == "table" and "by the task table" in decision.reason
    read = router.decide(evidence.requests[0], evidence.reading(0))
    assert read.rule == "learned" and "by what the Alpaca read" in read.reason


def test_each_decision_leaves_a_record(evidence, router):
    decision = router.decide(evidence.requests[0], evidence.reading(0))
    told = decision.to_dict()
    assert told["llama_quality"] == pytest.approx(told["alpaca_quality"] + told["gain"])
    assert (told["task"], told["lang"]) == (evidence.kinds[0].task, evidence.kinds[0].lang)
    assert told["threshold"] == 0.05 and told["cost_s"] > 0 and told["place"] is None
    assert json.dumps(router.at(math.inf).decide(evidence.requests[0]).to_dict(), allow_nan=False)
    assert asked_for("llama").reason == "the Llama was asked for by name"
    assert asked_for("llama").llama_quality is None
    late = defer(decision, 3)
    assert (late.model, late.place) == ("llama", 3) and "token 4" in late.reason


def test_doubt_is_the_first_unlikely_token(router):
    doubting = router.at(0.0, -1.0)
    assert doubting.defers and not router.defers
    assert doubting.doubt([-0.1, -0.5, -1.5, -3.0]) == 2
    assert doubting.doubt([-0.1]) is None and router.doubt([-99.0]) is None


@pytest.mark.parametrize("learned", [True, False])
def test_what_is_saved_is_what_is_loaded(evidence, folder, learned):
    learnt = learn(evidence)
    before = make_router(learnt, evidence, learned=learned, threshold=0.1).at(0.1, -2.5)
    before = type(before)(**{**_fields(before), "models": hash_pair(folder), "evidence": {"met": True}})
    save_router(folder, before)
    after = load_router(folder)
    assert after.evidence == {"met": True} and after.doubt_below == -2.5
    for row, messages in enumerate(evidence.requests[:40]):
        reading = evidence.reading(row)
        assert after.decide(messages, reading) == before.decide(messages, reading)
    save_router(folder, before.at(math.inf, -math.inf))
    assert load_router(folder).threshold == math.inf and not load_router(folder).defers
    assert not [path for path in folder.iterdir() if path.name.startswith(".partial")]


def test_a_router_of_other_weights_or_a_damaged_one_is_refused(evidence, tmp_path):
    folder = tiny.make_pair(tmp_path / "pair")
    assert load_router(folder) is None
    router = make_router(learn(evidence), evidence, learned=True, threshold=0.0)
    router = type(router)(**{**_fields(router), "models": hash_pair(folder)})
    save_router(folder, router)
    whole = {name: (folder / name).read_bytes() for name in (ROUTER, ARRAYS)}

    def refuse(message):
        with pytest.raises(CheckpointError, match=message):
            load_router(folder)
        for name, content in whole.items():
            (folder / name).write_bytes(content)

    (folder / ARRAYS).write_bytes(whole[ARRAYS][:-1])
    refuse("does not belong to the router.json beside it. Run: camelid calibrate")
    (folder / ARRAYS).unlink()
    refuse("is damaged")
    (folder / ROUTER).write_bytes(whole[ROUTER][:50])
    refuse("not whole JSON")
    for change, message in (
        ({"format": 9}, "has format 9; this camelid reads format 1. Run: camelid calibrate"),
        ({"kinds": None}, "is damaged"),
        ({"threshold": "soon"}, "is damaged"),
    ):
        (folder / ROUTER).write_text(json.dumps({**json.loads(whole[ROUTER]), **change}))
        refuse(message)
    weights = folder / "alpaca" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    refuse("belongs to other weights than those of .* Run: camelid calibrate")


def _fields(router):
    names = ("recognizer", "table", "heads", "threshold", "doubt_below", "costs")
    return {name: getattr(router, name) for name in names}


def test_a_decision_cannot_be_changed():
    with pytest.raises(AttributeError):
        Decision("llama", "table").model = "alpaca"
