"""Laws of a pair: what streams is what replies, and every way it can be asked wrongly."""

import dataclasses
import json
import math
import shutil
import subprocess
import sys

import labelled
import numpy as np
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

import camelid
from camelid.errors import CheckpointError, ContextTooLongError, RequestError, TokenizerError
from camelid.generate.sampling import SamplingSettings
from camelid.native import is_built
from camelid.pair import Pair, Speaker
from camelid.route.folder import hash_pair, save_router
from camelid.route.learning import learn, make_router
from camelid.text.records import Message

TALK = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Wie heißt das Lama?"},
]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return camelid.load(tiny.make_pair(tmp_path_factory.mktemp("pairs") / "tiny"))


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=20), st.integers(1, 60), st.integers(0, 1000), st.sampled_from(["llama", "alpaca"]))
def test_joined_pieces_are_the_reply_wherever_it_is_cut(pair, question, max_tokens, seed, model):
    """Random weights write broken UTF-8 everywhere: no piece may end inside a character."""
    options = {"model": model, "max_tokens": max_tokens, "temperature": 2.0, "seed": seed}
    stream = pair.stream(question, **options)
    pieces = list(stream)
    reply = pair.reply(question, **options)
    assert "".join(pieces) == reply.text == stream.reply.text and all(pieces)
    speaker = pair[model]
    prompt = camelid.text.chat.render_chat(speaker.tokenizer, question, add_generation_prompt=True)
    token_ids = speaker.model.generate(
        prompt, stop_ids=speaker.tokenizer.stop_ids, max_tokens=max_tokens, temperature=2.0, seed=seed
    )
    token_ids = list(token_ids)
    assert reply.text == speaker.tokenizer.decode(token_ids)
    assert (reply.prompt_tokens, reply.completion_tokens) == (len(prompt), len(token_ids))


def test_biases_and_penalties_reach_the_model(pair):
    stop_id = min(pair["alpaca"].tokenizer.stop_ids)
    ended = pair.reply(TALK, logit_bias={stop_id: 100})
    assert (ended.completion_tokens, ended.finish_reason) == (0, "stop")
    with pytest.raises(RequestError, match="presence_penalty must be between -2 and 2; found 3"):
        pair.stream(TALK, presence_penalty=3)


def test_the_roles_answer_each_for_itself(pair):
    texts = {model: pair.reply(TALK, model=model, max_tokens=20).text for model in ("llama", "alpaca")}
    assert texts["llama"] != texts["alpaca"] == pair.reply(TALK, max_tokens=20).text


def test_only_the_model_that_is_asked_is_loaded(tmp_path):
    pair = camelid.load(tiny.make_pair(tmp_path / "pair"))
    pair.reply("Hello", model="alpaca", max_tokens=1)
    (tmp_path / "pair" / "alpaca" / "model.safetensors").unlink()
    (tmp_path / "pair" / "llama" / "model.safetensors").unlink()
    assert pair.reply("Hello", model="alpaca", max_tokens=1)
    with pytest.raises(CheckpointError, match="has no model"):
        pair.reply("Hello", model="llama")


def test_messages_may_be_a_text_mappings_or_messages(pair):
    forms = ["Hello", [{"role": "user", "content": "Hello"}], [Message("user", "Hello")]]
    assert len({pair.reply(form, max_tokens=9).text for form in forms}) == 1


def test_why_a_reply_ended(pair, monkeypatch):
    speaker = pair["llama"]
    full = speaker.reply("Hello", max_tokens=500)
    assert full.finish_reason == "length"
    assert full.prompt_tokens + full.completion_tokens == tiny.CONTEXT
    assert speaker.reply("Hello", max_tokens=3).finish_reason == "length"
    prompt = camelid.text.chat.render_chat(speaker.tokenizer, "Hello", add_generation_prompt=True)
    token_ids = list(speaker.model.generate(prompt, max_tokens=9))
    monkeypatch.setattr(speaker.tokenizer, "stop_ids", token_ids[-1:])
    stopped = speaker.reply("Hello", max_tokens=9)
    assert stopped.finish_reason == "stop"
    assert stopped.completion_tokens == token_ids.index(token_ids[-1])


def test_a_stream_can_be_stopped_and_says_what_there_was(pair):
    stream = pair.stream("Hello", max_tokens=50)
    with pytest.raises(RequestError, match="whole when the stream has ended"):
        _ = stream.reply
    pieces = [next(stream), next(stream)]
    reply = stream.stop()
    assert (reply.text, reply.finish_reason) == ("".join(pieces), "cancelled")
    assert list(stream) == [] and stream.stop() == reply


def test_times_add_up(pair):
    reply = pair.reply("Hello", max_tokens=9)
    assert 0 < reply.first_token_s < reply.total_s and reply.tokens_per_s > 0
    assert pair.reply("Hello", max_tokens=1).tokens_per_s == 0


def test_a_text_is_continued(pair):
    speaker = pair["llama"]
    reply = camelid.pair.read_all(speaker.continue_text("Once upon", max_tokens=8))
    prompt = [speaker.tokenizer.bos_id, *speaker.tokenizer.encode("Once upon")]
    assert reply.text == speaker.tokenizer.decode(list(speaker.model.generate(prompt, max_tokens=8)))


@pytest.mark.parametrize(
    ("messages", "options", "error", "message"),
    [
        ("Hello", {"model": "lama"}, RequestError, "no model 'lama'. Did you mean 'llama'"),
        ("Hello", {"max_tokens": 0}, RequestError, "max_tokens must be 1 or more; found 0"),
        ([], {}, RequestError, "at least one message"),
        ("wool " * 200, {}, ContextTooLongError, r"has \d+ tokens; the context of 96"),
    ],
)
def test_requests_that_cannot_be_answered(pair, messages, options, error, message):
    with pytest.raises(error, match=message):
        pair.stream(messages, **options)


def test_a_folder_that_is_no_pair(tmp_path, pair):
    with pytest.raises(CheckpointError, match="camelid train RECIPE makes a pair"):
        camelid.load(tmp_path)
    with pytest.raises(CheckpointError, match="it is one model"):
        camelid.load(pair.folder / "llama")


def test_a_tokenizer_of_another_pair_is_refused(tmp_path):
    folder = tiny.make_pair(tmp_path / "pair")
    table = json.loads((folder / "alpaca" / "tokenizer_config.json").read_text())
    table["chat_template"] += " "
    (folder / "alpaca" / "tokenizer_config.json").write_text(json.dumps(table))
    with pytest.raises(TokenizerError, match="not the one that its pair was raised with"):
        camelid.load(folder).reply("Hello")
    assert camelid.load(folder).reply("Hello", model="llama", max_tokens=1)


def test_a_model_folder_speaks_alone(pair):
    speaker = Speaker(pair.folder / "llama")
    assert speaker.name == "llama"
    assert speaker.reply(TALK, max_tokens=9).text == pair.reply(TALK, model="llama", max_tokens=9).text


def test_importing_brings_in_nothing_heavy():
    script = "import sys, camelid; print(sorted({'torch', 'numpy', 'tokenizers', 'rich'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_package_offers_what_it_says():
    assert camelid.load is camelid.pair.load and camelid.Pair is Pair
    assert (
        {name for name in camelid.__all__ if hasattr(camelid, name)}
        == set(camelid.__all__)
        == set(dir(camelid))
    )
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        _ = camelid.lode


@pytest.fixture(scope="module")
def by_torch(pair):
    return camelid.load(pair.folder, backend="torch", device="cpu")


@pytest.fixture(scope="module")
def native(pair):
    return camelid.load(pair.folder, backend="native", weights="f32", threads=2)


@pytest.mark.skipif(not is_built(), reason="the native engine was not built: no C++ compiler at install")
class TestNatively:
    @pytest.mark.parametrize("options", [{}, {"temperature": 1.0, "seed": 3}])
    @pytest.mark.parametrize("model", ["llama", "alpaca"])
    def test_both_say_what_they_say_on_torch(self, by_torch, native, model, options):
        for question in ("Hello?", TALK, "¿Qué es una vicuña?"):
            asked = {"model": model, "max_tokens": 30, **options}
            assert native.reply(question, **asked).text == by_torch.reply(question, **asked).text

    def test_the_alpaca_guesses_for_the_llama_and_changes_no_word(self, pair, native):
        alone = camelid.load(pair.folder, backend="native", weights="f32", speculate=False)
        assert native["llama"].model.engine.drafter and not alone["llama"].model.engine.drafter
        for seed in range(5):
            asked = {"model": "llama", "max_tokens": 60, "temperature": 0.9, "seed": seed}
            assert native.reply(TALK, **asked).text == alone.reply(TALK, **asked).text

    def test_the_dial_ends_at_the_alpaca(self, native):
        assert native.reply(TALK, model="llama", dial=0.0).model == "alpaca"
        assert native.reply(TALK, model="llama", dial=0.4).completion_tokens

    def test_a_stopped_stream_frees_what_it_had(self, native):
        stream = native.stream(TALK, model="llama", max_tokens=60)
        next(stream)
        assert stream.stop().finish_reason == "cancelled"
        load = native["llama"].model.engine.load
        assert (load.running, load.waiting) == (0, 0)

    def test_a_follow_up_turn_reads_only_what_is_new(self, native):
        first = native.reply(TALK, model="alpaca", max_tokens=8)
        engine = native["alpaca"].model.engine
        before = engine.load.counters
        turns = [*TALK, {"role": "assistant", "content": first.text}, {"role": "user", "content": "Oh?"}]
        native.reply(turns, model="alpaca", max_tokens=2)
        after = engine.load.counters
        assert after.reused_tokens - before.reused_tokens >= first.prompt_tokens - 1

    def test_a_dial_without_two_models_is_an_error(self, by_torch, native):
        with pytest.raises(RequestError, match="native backend"):
            by_torch.reply("Hello?", model="llama", dial=0.5)
        with pytest.raises(RequestError, match="between two models"):
            native.reply("Hello?", model="alpaca", dial=0.5)
        with pytest.raises(RequestError, match="dial must be above 0 and at most 1; found 2"):
            native.reply("Hello?", model="llama", dial=2)


@pytest.fixture(scope="module")
def routed(tmp_path_factory):
    """Return a pair with a router that was learnt from made-up labels on its own kinds of requests."""
    pair = camelid.load(tiny.make_pair(tmp_path_factory.mktemp("pairs") / "routed"))
    evidence = labelled.make_evidence(120)
    width = pair["alpaca"].config.hidden_size
    wider = np.random.default_rng(1).normal(size=(120, width))
    features = np.hstack([wider, evidence.features[:, -5:]])
    evidence = dataclasses.replace(evidence, features=features)
    router = make_router(learn(evidence), evidence, learned=True, threshold=0.0)
    save_router(pair.folder, dataclasses.replace(router, models=hash_pair(pair.folder)))
    return pair


QUESTIONS = ["Hello", "Translate into German: the wool", "¿Qué es una vicuña?", "my parcel is lost " * 4]
OPTIONS = [{}, {"temperature": 1.0, "seed": 3}, {"repetition_penalty": 1.3, "top_logprobs": 2}]


@pytest.mark.parametrize("backend", ["native", "torch"])
@pytest.mark.parametrize(("threshold", "model"), [(math.inf, "alpaca"), (-math.inf, "llama")])
def test_auto_at_infinite_thresholds_is_the_constant_word_for_word(routed, backend, threshold, model):
    if backend == "native" and not is_built():
        pytest.skip("not built")
    pair = camelid.load(routed.folder, backend=backend)
    pair.router = pair.router.at(threshold)
    for question in QUESTIONS:
        for options in OPTIONS:
            auto = pair.reply(question, model="auto", max_tokens=12, **options)
            alone = pair.reply(question, model=model, max_tokens=12, **options)
            assert (auto.text, auto.model, auto.finish_reason) == (alone.text, model, alone.finish_reason)
            assert auto.completion_tokens == alone.completion_tokens
            assert (auto.decision.rule, alone.decision.rule) == ("learned", "asked for")
            assert 0 < auto.first_token_s <= auto.total_s


def test_an_explicit_name_always_wins(routed):
    routed.router = routed.router.at(-math.inf)
    reply = routed.reply("Hello", model="alpaca", max_tokens=3)
    assert (reply.model, reply.decision.reason) == ("alpaca", "the Alpaca was asked for by name")
    talk = [{"role": "user", "content": "Hello"}]
    assert routed.reply(talk, model="auto", max_tokens=3).model == "llama"
    talk += [{"role": "assistant", "content": "Hm"}, {"role": "user", "content": "And?"}]
    assert routed.reply(talk, model="alpaca", max_tokens=3).model == "alpaca"


def test_a_conversation_stays_with_the_llama_in_every_process(routed):
    """Who answers is a function of the messages: a pair that never saw the conversation finds the same."""
    kinds = ["Hello", "Translate into German: the wool", "my parcel is lost"]
    gains = [routed.reply(kind, model="auto", max_tokens=1).decision.gain for kind in kinds]
    threshold = sorted(gains)[1]
    first, last = np.argmax(gains), np.argmin(gains)
    talk, models = [], []
    for place in (first, last, last):
        talk.append({"role": "user", "content": kinds[place]})
        found = []
        for pair in (routed, camelid.load(routed.folder)):
            pair.router = pair.router.at(threshold)
            found.append(pair.reply(talk, model="auto", max_tokens=4))
        assert found[0].decision == found[1].decision and found[0].text == found[1].text
        models.append(found[0].model)
        talk.append({"role": "assistant", "content": found[0].text})
    assert models == ["llama"] * 3 and found[0].decision.rule == "conversation"


@pytest.mark.skipif(not is_built(), reason="deferral reads log-probabilities from the native engine")
def test_the_llama_goes_on_from_the_first_doubtful_token(routed):
    pair = camelid.load(routed.folder, backend="native")
    alpaca, llama = pair["alpaca"], pair["llama"]
    prompt = camelid.text.chat.render_chat(alpaca.tokenizer, "Hello", add_generation_prompt=True)
    generation = alpaca.model.engine.submit(prompt, SamplingSettings(max_tokens=12, top_logprobs=0))
    list(alpaca.model.engine.stream(generation))
    logprobs = [told.logprob for told in generation.logprobs]
    place = int(np.argmin(logprobs))
    pair.router = pair.router.at(math.inf, logprobs[place] + 1e-6)
    first = pair.router.doubt(logprobs)
    stream = pair.stream("Hello", model="auto", max_tokens=12)
    pieces = list(stream)
    said = generation.tokens[:first]
    rest = list(
        llama.model.generate([*prompt, *said], stop_ids=llama.tokenizer.stop_ids, max_tokens=12 - first)
    )
    assert "".join(pieces) == stream.reply.text == alpaca.tokenizer.decode([*said, *rest])
    assert stream.reply.decision.place == first and stream.reply.model == "llama"
    assert stream.reply.completion_tokens == len(said) + len(rest)
    engine = alpaca.model.engine
    assert (engine.load.running, engine.load.waiting) == (0, 0)


def test_auto_leaves_nothing_running_when_it_is_stopped(routed):
    routed.router = routed.router.at(math.inf)
    stream = routed.stream("Hello", model="auto", max_tokens=50)
    next(stream)
    assert stream.stop().finish_reason == "cancelled"
    if is_built():
        assert routed["alpaca"].model.engine.load.running == 0


def test_a_dial_of_zero_is_the_alpaca_whatever_the_router_says(routed):
    routed.router = routed.router.at(-math.inf)
    reply = routed.reply("Hello", model="auto", dial=0, max_tokens=5)
    assert (reply.model, reply.text) == ("alpaca", routed.reply("Hello", max_tokens=5).text)


def test_without_a_router_nobody_chooses(pair):
    with pytest.raises(
        RequestError, match=r"has no router, so it cannot choose. Run: camelid calibrate .*; or"
    ):
        pair.reply("Hello", model="auto")


def test_auto_complains_as_a_model_would(routed):
    for messages, error in (([], RequestError), ("wool " * 200, ContextTooLongError)):
        with pytest.raises(error):
            routed.reply(messages, model="auto")
    with pytest.raises(RequestError, match="max_tokens must be 1 or more"):
        routed.reply("Hello", model="auto", max_tokens=0)


def test_two_tokenizers_neither_guess_nor_defer(routed, tmp_path):
    """Where pair.json names no common tokenizer, each model reads the conversation with its own."""
    folder = tmp_path / "strangers"
    shutil.copytree(routed.folder, folder)
    table = json.loads((folder / "pair.json").read_text())
    (folder / "pair.json").write_text(json.dumps({**table, "tokenizer": ""}))
    pair = camelid.load(folder)
    pair.router = pair.router.at(-math.inf, 0.0)
    assert (
        pair.reply("Hello", model="auto", max_tokens=5).text
        == pair.reply("Hello", model="llama", max_tokens=5).text
    )
    pair.router = pair.router.at(math.inf, 0.0)
    reply = pair.reply("Hello", model="auto", max_tokens=5)
    assert (reply.model, reply.decision.place) == ("alpaca", None)
    if is_built():
        assert pair["llama"].model.engine.drafter is None
