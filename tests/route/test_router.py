"""Laws of the router: the same is decided alike, the threshold rules, and no conversation flips back."""

import json
import math

import numpy as np
import pytest
import tiny

from camelid.errors import CheckpointError
from camelid.route.folder import ARRAYS, ROUTER, hash_pair, load_router, save_router
from camelid.route.learning import decide_all, learn, make_router
from camelid.route.router import Conversations, Decision, asked_for, defer
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


def test_a_conversation_never_flips_back(evidence, router):
    memory = Conversations()
    talk = [Message("user", "Hello")]
    models = []
    for threshold in (math.inf, math.inf, -math.inf, math.inf, math.inf):
        decision = router.at(threshold).decide(talk, evidence.reading(0), memory=memory)
        models.append(decision.model)
        talk = [*talk, Message("assistant", "Hm."), Message("user", f"More {len(talk)}")]
    assert models == ["alpaca", "alpaca", "llama", "llama", "llama"]
    assert decision.rule == "conversation" and "before" in decision.reason
    stranger = [Message("user", "Hi"), Message("assistant", "Hm."), Message("user", "More")]
    assert router.at(math.inf).decide(stranger, memory=memory).model == "alpaca"


def test_the_oldest_conversations_are_forgotten():
    memory = Conversations(size=2)
    talks = [[Message("user", word)] for word in "abc"]
    for talk in talks:
        memory.note(talk, "llama")
    later = [[*talk, Message("assistant", ""), Message("user", "x")] for talk in talks]
    assert [memory.last(talk) for talk in later] == [None, "llama", "llama"]
    assert memory.last(talks[1]) is None


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
