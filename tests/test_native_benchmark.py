"""The native benchmark's own arithmetic, and that the peers are handed the same model in their own order."""

import ctypes
import dataclasses
import sys
from types import ModuleType, SimpleNamespace

import native
import native_formats
import native_models
import native_page
import native_peers
import numpy as np
import pytest
import stored
from native_models import Plan, write_model
from native_page import ShareTarget, Target
from native_peers import LlamaContext, prompts

from camelid.generate.engine import Engine
from camelid.model.config import DecoderConfig
from camelid.model.tensors import open_tensors, tensor_shapes
from camelid.native import is_built

TINY = DecoderConfig(
    vocab_size=300, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=64,
)  # fmt: skip
PLAN = {**dataclasses.asdict(native_models.PLANS["15m"]), "threads": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tiny")
    write_model(path, TINY)
    return path


# --- the models -------------------------------------------------------------------------------------------


def test_the_shapes_are_those_of_the_targets():
    """With a tied head the smallest has 8M; it has its name from the usual vocabulary of 32,000."""
    sizes = {name: config.num_parameters / 1e6 for name, config in native_models.SHAPES.items()}
    assert sizes == pytest.approx({"15m": 8.3, "30m": 27.8, "110m": 109.5, "1b": 1039}, rel=0.01)
    for target in native_page.TARGETS:
        assert list(target.least) == list(sizes) and target.figure in native_page.FIGURES


def test_a_random_model_is_a_model_folder_and_peers_read_the_same_numbers(folder):
    stored_tensors = open_tensors(folder, TINY)
    peer = native_formats.Folder(folder)
    assert set(stored_tensors) == set(tensor_shapes(TINY))
    for (name, tensor), drawn in zip(stored_tensors.items(), native_models.draw_weights(TINY), strict=True):
        bits = tensor.read()
        np.testing.assert_array_equal(peer[name].view(np.uint32) >> 16, bits)
        np.testing.assert_allclose(peer[name], drawn, rtol=2**-8)


def test_attention_prefers_some_tokens_to_others():
    """Scores of about 1.5 deviate enough that a peer with other positions computes other logits."""
    weights = dict(zip(tensor_shapes(TINY), native_models.draw_weights(TINY), strict=True))
    normed = np.random.default_rng(0).standard_normal((500, 32))
    query = normed @ weights["model.layers.0.self_attn.q_proj.weight"][:8].T
    key = normed[::-1] @ weights["model.layers.0.self_attn.k_proj.weight"][:8].T
    assert 0.7 < ((query * key).sum(1) / 8**0.5).std() < 3


def test_permuted_heads_turn_in_neighbours_as_they_turned_in_halves():
    heads, width = 3, 8
    random = np.random.default_rng(0)
    weight = random.standard_normal((heads * width, 5)).astype(np.float32)
    x = random.standard_normal(5)
    angles = random.standard_normal(width // 2)

    def turn(pairs):
        first, second = pairs[..., 0, :], pairs[..., 1, :]
        cos, sin = np.cos(angles), np.sin(angles)
        return np.stack([first * cos - second * sin, first * sin + second * cos], axis=-2)

    halves = turn((weight @ x).reshape(heads, 2, width // 2))
    neighbours = (native_formats.permute(weight, heads) @ x).reshape(heads, width // 2, 2).swapaxes(1, 2)
    np.testing.assert_allclose(turn(neighbours), halves)


def test_gguf_has_every_tensor_once_and_a_token_for_each_row(folder):
    tensors = dict(native_formats.gguf_tensors(native_formats.Folder(folder)))
    assert len(tensors) == len(tensor_shapes(TINY))
    assert sum(numbers.size for numbers in tensors.values()) == TINY.num_parameters
    assert tensors["blk.1.attn_k.weight"].shape == (16, 32)
    tokens = native_formats.vocabulary(300)
    assert len(set(tokens)) == 300 and tokens[3 + ord("a")] == "<0x61>"


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "BF16"])
def test_a_gguf_file_holds_the_same_weights(folder, tmp_path, kind):
    gguf = pytest.importorskip("gguf")
    native_formats.write_gguf(native_formats.Folder(folder), tmp_path / "x.gguf", kind)
    reader = gguf.GGUFReader(tmp_path / "x.gguf")
    expected = dict(native_formats.gguf_tensors(native_formats.Folder(folder)))
    for tensor in reader.tensors:
        found = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        error = np.abs(found - expected[tensor.name]).max() / np.abs(expected[tensor.name]).max()
        assert error <= {"Q8_0": 1 / 127, "Q4_0": 1 / 8, "BF16": 0}[kind]


def test_no_two_prompts_are_alike_and_none_has_special_tokens():
    source = prompts(300, 8, seed=1)
    drawn = [tuple(next(source)) for _ in range(50)]
    assert len(set(drawn)) == 50 and min(map(min, drawn)) >= native_formats.NUM_SPECIAL
    assert native_peers.checked_prompt(300) == native_peers.checked_prompt(300)


# --- llama.cpp's batch call -------------------------------------------------------------------------------


class Batch(ctypes.Structure):
    _fields_ = (
        ("n_tokens", ctypes.c_int32),
        ("token", ctypes.POINTER(ctypes.c_int32)),
        ("pos", ctypes.POINTER(ctypes.c_int32)),
        ("n_seq_id", ctypes.POINTER(ctypes.c_int32)),
        ("seq_id", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
        ("logits", ctypes.POINTER(ctypes.c_int8)),
    )


@pytest.fixture
def llama_cpp(monkeypatch):
    """A llama.cpp that notes what it is asked, and expects one more after each token."""
    library = ModuleType("llama_cpp")
    seen, kept = [], []
    logits = (ctypes.c_float * (16 * 50))()

    def make_batch(size, *_):
        ids = [(ctypes.c_int32 * 1)() for _ in range(size)]
        pointers = (ctypes.POINTER(ctypes.c_int32) * size)(
            *(ctypes.cast(each, ctypes.POINTER(ctypes.c_int32)) for each in ids)
        )
        arrays = [(ctypes.c_int32 * size)() for _ in range(3)]
        wanted = (ctypes.c_int8 * size)()
        kept.extend([ids, pointers, arrays, wanted])
        tokens, places, counts = (ctypes.cast(each, ctypes.POINTER(ctypes.c_int32)) for each in arrays)
        return Batch(0, tokens, places, counts, pointers, ctypes.cast(wanted, ctypes.POINTER(ctypes.c_int8)))

    def decode(_, batch):
        rows = [place for place in range(batch.n_tokens) if batch.logits[place]]
        view = np.frombuffer(logits, np.float32).reshape(16, 50)
        view[:] = 0
        for row, place in enumerate(rows):
            view[row, batch.token[place] + 1] = 1
        read = [(batch.token[i], batch.pos[i], batch.seq_id[i][0]) for i in range(batch.n_tokens)]
        assert all(batch.n_seq_id[i] == 1 for i in range(batch.n_tokens))
        seen.append((read, rows))
        return 0

    library.llama_context_default_params = lambda: SimpleNamespace(flash_attn_type=-1, kv_unified=False)
    library.llama_init_from_model = lambda model, wishes: library.__dict__.update(wishes=wishes) or "context"
    library.llama_batch_init = make_batch
    library.llama_decode = decode
    library.llama_get_logits = lambda _: ctypes.cast(logits, ctypes.POINTER(ctypes.c_float))
    library.seen = seen
    monkeypatch.setitem(sys.modules, "llama_cpp", library)
    return library


def test_one_stream_reads_its_prompt_and_then_token_by_token(llama_cpp):
    context = LlamaContext("model", 50, threads=2, flash=True, length=300)
    first = int(context.read([7, 8, 9]).argmax())
    context.begin([first], 3)
    context.step(1)
    context.step(1)
    assert llama_cpp.seen == [
        ([(7, 0, 0), (8, 1, 0), (9, 2, 0)], [2]),
        ([(10, 3, 0)], [0]),
        ([(11, 4, 0)], [0]),
    ]
    wishes = llama_cpp.wishes
    assert (wishes.n_ctx, wishes.n_threads, wishes.flash_attn_type) == (512, 2, 1)


def test_many_streams_go_on_each_from_its_own(llama_cpp):
    context = LlamaContext("model", 50, threads=2, flash=False, sequences=3, length=10, unified=True)
    tokens = [int(context.read([20 + place, 4 * place], place).argmax()) for place in range(3)]
    context.begin(tokens, 2)
    context.step(3)
    context.step(3)
    assert llama_cpp.seen[2] == ([(22, 0, 2), (8, 1, 2)], [1])
    assert llama_cpp.seen[3] == ([(1, 2, 0), (5, 2, 1), (9, 2, 2)], [0, 1, 2])
    assert llama_cpp.seen[4] == ([(2, 3, 0), (6, 3, 1), (10, 3, 2)], [0, 1, 2])
    assert (llama_cpp.wishes.n_ctx, llama_cpp.wishes.n_seq_max) == (768, 3)
    assert llama_cpp.wishes.kv_unified is True


# --- camelid's own figures --------------------------------------------------------------------------------


@pytest.mark.skipif(not is_built(), reason="the native engine was not built")
def test_camelid_is_measured_alone_and_together():
    from native_tiny import make_native

    tiny = make_native(vocab_size=300)
    engine = Engine(tiny, vocab_size=300, context=400, cache_tokens=4096)
    model = SimpleNamespace(
        native=tiny, engine=engine, vocab_size=300, context=400,
        generate=lambda prompt, max_tokens: engine.stream(
            engine.submit(prompt, native.SamplingSettings(max_tokens=max_tokens))
        ),
    )  # fmt: skip
    plan = Plan(new=6, rounds=2, steps=5, prompt=20, short=3, streams=4, stream_prompt=8, threads=1)
    rates = {}
    native.decode_alone(model, rates, 20, plan)
    native.step_alone(model, rates, 20, plan)
    native.decode_together(model, rates, plan)
    assert {figure: len(found) for figure, found in rates.items()} == {
        "decode_20": 4, "prefill_20": 2, "streams": 2,
    }  # fmt: skip
    assert min(min(found) for found in rates.values()) > 0
    assert (engine.load.running, engine.load.waiting) == (0, 0)


def test_logits_agree_up_to_scale_and_shift_and_a_stranger_s_do_not():
    random = np.random.default_rng(0)
    one, other = random.standard_normal((2, 500))
    assert native.agree(list(one), list(3 * one + 1)) == pytest.approx(1)
    assert abs(native.agree(list(one), list(other))) < native.LEAST_AGREEMENT_4BIT / 2


def test_a_package_is_taken_from_the_first_environment_that_has_it(tmp_path):
    assert native.find_pythons([])["transformers"] == sys.executable
    with pytest.raises(SystemExit, match="says how to make one"):
        native.find_pythons([tmp_path])


@pytest.fixture
def answers(monkeypatch):
    """Run nothing: note who is asked, and give everybody the same logits."""
    asked = []

    def start(python, script, task):
        asked.append((task["peer"], task["type"], python, script))
        if task["peer"] == "memory":
            return {"bytes_per_s": float(len(asked))}
        return {"found": {"": {"decode_8": [1.0]}}, "logits": [1.0, 2.0, 4.0], "peak_bytes": 1}

    monkeypatch.setattr(native, "start", start)
    monkeypatch.setattr(native, "make_model", lambda folder, config: folder)
    monkeypatch.setattr(native, "convert", lambda *_: None)
    return asked


def test_contenders_take_turns_beside_each_other(answers, tmp_path):
    pythons = {"llama_cpp": "/peers/python", "ctranslate2": "/peers/python"}
    found = native.compare("15m", tmp_path, native_models.PLANS["15m"], 3, pythons, lambda _: None)
    runs = [(run["contender"], run["repeat"]) for run in found["runs"]]
    assert len(set(runs)) == 3 * 7 and not any(name.startswith("transformers") for name, _ in runs)
    assert [runs[7 * repeat][0] for repeat in range(3)] == ["camelid bf16", "camelid int8", "llama.cpp Q8_0"]
    assert len(found["bandwidth_bytes_per_s"]) == sum(peer == "memory" for peer, *_ in answers) >= 3
    for peer, _, python, script in answers:
        own = peer in ("camelid", "memory")
        assert (python, script) == (
            (sys.executable, "native.py") if own else ("/peers/python", "native_peers.py")
        )


def test_a_peer_that_computes_something_else_ends_the_run(answers, tmp_path, monkeypatch):
    begin = native.start

    def start(python, script, task):
        found = begin(python, script, task)
        return {**found, "logits": [4.0, 2.0, 4.0]} if task["type"] == "Q8_0" else found

    monkeypatch.setattr(native, "start", start)
    with pytest.raises(SystemExit, match=r"llama.cpp Q8_0 computes something else"):
        native.compare(
            "15m", tmp_path, native_models.PLANS["15m"], 1, {"llama_cpp": "python"}, lambda _: None
        )


def test_only_what_is_there_is_converted_and_only_once(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(native.subprocess, "run", lambda words, check: ran.append(words))
    (tmp_path / "Q4_0.gguf").touch()
    native.convert(tmp_path, {"gguf": "one", "llama_cpp": "two"}, lambda _: None)
    assert [(words[0], words[2], words[-1]) for words in ran] == [
        ("one", "gguf", "Q8_0"),
        ("one", "gguf", "BF16"),
    ]
    native.convert(tmp_path, {"ctranslate2": "three", "gguf": "one"}, lambda _: None)
    assert [words[2] for words in ran[2:]] == ["ctranslate2"] and ran[2][0] == "three"


# --- the page ---------------------------------------------------------------------------------------------


def made_up(*, ours=4.0, bandwidth=1e10):
    """Return a shape's two repeats: camelid `ours` times as fast as all, llama.cpp better with flash."""
    runs = []
    for repeat in range(2):
        for peer, type_ in native.CONTENDERS:
            rate = 100.0 * (1 + repeat) * (ours if peer == "camelid" else 1)
            rates = {figure: [rate, 1.0, 2 * rate] for figure in native_page.FIGURES}
            slower = {figure: [0.9 * rate] for figure in native_page.FIGURES}
            bare = {"engine": rates, "bare": {figure: [1.25 * rate] for figure in native_page.FIGURES}}
            flash = {"flash attention off": slower, "flash attention on": rates}
            alone = {"": {name: found for name, found in rates.items() if name != "streams"}}
            found = bare if peer == "camelid" else flash if peer == "llama.cpp" else alone
            run = {"contender": f"{peer} {type_}", "repeat": repeat, "found": found, "load_s": 1.0}
            run |= {"peak_bytes": 2**28, "agreement": 0.99, "version": {peer: "1"}}
            if peer == "camelid":
                run["token_bytes"] = {"decode_8": 8e6, "decode_512": 1e7}
            runs.append(run)
    bandwidths = [bandwidth / 2, bandwidth]
    shape = {"parameters": 8_330_000, "plan": PLAN, "repeats": 2}
    return {**shape, "bandwidth_bytes_per_s": bandwidths, "runs": runs}


def test_a_ratio_is_of_runs_side_by_side_and_the_best_settings_count():
    runs = made_up()["runs"]
    for target in native_page.TARGETS:
        assert native_page.ratios(target, runs) == pytest.approx([4, 4])
    assert native_page.best_variant(native_page.of_type(runs, ("llama.cpp",), "Q8_0"), "streams") == (
        "flash attention on"
    )
    nobody = Target("", "streams", "int8", "int8", {}, ("ctranslate2",))
    assert native_page.ratios(nobody, runs) == []


def test_the_best_type_is_the_best_of_all_peers():
    runs = made_up()["runs"]
    for run in runs:
        if run["contender"] == "transformers bf16":
            run["found"][""]["prefill_512"] = [800.0]
    target = next(target for target in native_page.TARGETS if target.figure == "prefill_512")
    assert native_page.ratios(target, runs) == pytest.approx([0.5, 1])
    page = native_page.render({"shapes": {"15m": native.describe({**made_up(), "runs": runs})}})
    assert "0.75× (0.50×–1.00×) of 1.20×: missed (transformers bf16)" in page


def test_the_share_is_of_the_best_bandwidth_and_counts_what_users_get():
    data = made_up(bandwidth=8e9)
    assert native_page.shares("decode_512", "int8", data) == pytest.approx([0.5, 1.0])
    assert native_page.judge([0.5, 1.0], 0.85) == "missed" and native_page.judge([0.9], 0.85) == "reached"
    assert native_page.judge([], 0.85) == native_page.judge([1.0], None) == ""


def test_every_target_has_a_line_that_says_whether_it_was_reached():
    result = native.describe(made_up())
    page = native_page.render({"shapes": {"15m": result}})
    for target in (*native_page.TARGETS, *native_page.SHARE_TARGETS):
        (line,) = [line for line in page.splitlines() if line.startswith(f"| {target.label} |")]
        if isinstance(target, ShareTarget):
            assert line.endswith("| 60% |")  # no target at this size
        else:
            word = "reached" if target.least["15m"] <= 4 else "missed"
            assert f"of {target.least['15m']:.2f}×: {word}" in line
    assert "5 of 7 reached" in page
    assert "| llama.cpp Q8_0 | 150 (100–200) ᶠ |" in page and "| ctranslate2 int8 | 150 (100–200) |" in page
    assert "| 15m · int8 | 600 | 750 | 333.3 | 10.0 | 6.0 of 10.0 | 48% | 60% |" in page
    assert "llama.cpp 1" in page


def test_without_peers_the_page_says_what_was_not_measured():
    data = made_up()
    data["runs"] = [run for run in data["runs"] if run["contender"].startswith("camelid")]
    page = native_page.render({"shapes": {"15m": native.describe(data)}})
    assert page.count("not measured") == len(native_page.TARGETS) and "0 of 0 reached" in page
    assert native_page.render({"shapes": {}}) == "No shape was measured yet."


def test_a_shape_is_added_to_what_is_stored(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "RESULTS", tmp_path)
    for shape in ("1b", "15m", "1b"):
        stored.store("native", native.merge({shape: native.describe(made_up())}))
    result = stored.read("native")
    assert list(result["data"]["shapes"]) == ["15m", "1b"]
    page = native_page.render(result["data"])
    assert "### 15m: 8.3M parameters" in page and "### 1b:" in page
